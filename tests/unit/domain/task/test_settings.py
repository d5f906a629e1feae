"""Settings are checked once, at synth, and each refusal names the key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.errors import InvalidSettings
from lambdas.domain.task.settings import MAX_HISTORY_EVENTS, Settings

LINE = {"model": "m", "usage": "input", "usd": 1.5, "unit": "million tokens", "source": "a page", "date": "2026-09-01"}
UNIT = {"model": "m", "tokens_per_minute": 1000, "source": "a page", "date": "2026-09-01"}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], ["the document", "object"]),
        (None, ["the document", "object"]),
        ({"max_runing": 3}, ["unknown key 'max_runing'", "max_running"]),
        ({"max_running": 0}, ["'max_running' is 0", "minimum 1"]),
        ({"max_running": "2"}, ["'max_running'", "integer"]),
        ({"max_running": True}, ["'max_running'", "integer"]),
        ({"account": "12345"}, ["'account'", "12 digits"]),
        ({"region": "us east 1"}, ["'region'", "pattern"]),
        ({"notification_emails": ["a@b", "nobody"]}, ["'notification_emails.1'", "nobody"]),
        ({"teacher_models": []}, ["'teacher_models'", "minItems 1"]),
        ({"judge_models": ["a.b", "a.b"]}, ["'judge_models'", "uniqueItems"]),
        ({"log_retention_days": 8}, ["'log_retention_days' is 8"]),
        ({"distillation_stall_hours": 0}, ["'distillation_stall_hours'", "exclusiveMinimum 0"]),
        ({"prices": [{**LINE, "usd": -1}]}, ["'prices.0.usd' is -1"]),
        ({"prices": [{**LINE, "date": "yesterday"}]}, ["'prices.0.date'"]),
        ({"prices": [{**LINE, "usage": "in"}]}, ["'prices.0.usage'"]),
        ({"prices": [{"model": "m"}]}, ["'prices.0'"]),
        ({"prices": [{**LINE, "usd": 1e308}]}, ["'prices.0.usd'", "maximum"]),
        ({"prices": [{**LINE, "date": "2026-13-99"}]}, ["'prices.0.date'", "no day"]),
        ({"prices": [{**LINE, "date": "2026-02-30"}]}, ["'prices.0.date'", "no day"]),
        ({"prices": [{**LINE, "unit": "GB"}]}, ["'prices.0.unit'", "million tokens"]),
        ({"prices": [LINE, {**LINE, "usd": 2}]}, ["'prices.1' and 'prices.0'", "input of m"]),
        ({"prices": [{**LINE, "usage": "throughput", "unit": "model unit hour", "usd": 0}]}, ["max_hourly_usd"]),
        ({"derived_factors": {"training": 0.05}}, ["'derived_factors.training' is 0.05", "minimum 0.1"]),
        ({"derived_factors": {"own_teacher_calls": 11}}, ["'derived_factors.own_teacher_calls' is 11", "maximum 10"]),
        ({"derived_factors": {"judge": 2}}, ["derived_factors", "judge"]),
        ({"model_units": [{**UNIT, "date": "2026-02-30"}]}, ["'model_units.0.date'", "no day"]),
        ({"model_units": [{**UNIT, "tokens_per_minute": 1e300}]}, ["'model_units.0.tokens_per_minute'", "maximum"]),
        ({"model_units": [UNIT, UNIT]}, ["'model_units.1' and 'model_units.0'"]),
    ],
)
def test_a_setting_that_is_not_allowed_is_refused_by_its_key(document: Any, words: list[str]) -> None:
    # Given a wrong document / When
    with pytest.raises(InvalidSettings) as refused:
        Settings.from_mapping(document)

    # Then
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_polls_that_could_fill_the_execution_history_are_refused_with_what_to_change() -> None:
    # Given a poll a minute for four days
    document = {"distillation_poll_seconds": 60, "distillation_deadline_hours": 96}

    # When / Then
    with pytest.raises(InvalidSettings, match="raise 'distillation_poll_seconds'"):
        Settings.from_mapping(document)


@given(
    st.fixed_dictionaries(
        {
            "distillation_poll_seconds": st.integers(60, 3600),
            "distillation_deadline_hours": st.integers(1, 96),
            "endpoint_poll_seconds": st.integers(15, 600),
            "endpoint_deadline_minutes": st.integers(5, 240),
        }
    )
)
def test_whatever_is_accepted_fits_the_history_and_polls_until_the_deadline(document: dict[str, int]) -> None:
    # Given
    try:
        settings = Settings.from_mapping(document)
    except InvalidSettings:
        return

    # When / Then: the last poll is not before the deadline, and no poll is superfluous
    seconds = settings.distillation_deadline_hours * 3600
    assert settings.worst_case_history_events() <= MAX_HISTORY_EVENTS
    assert 0 <= settings.distillation_polls * settings.distillation_poll_seconds - seconds < 3600
    assert settings.endpoint_polls * settings.endpoint_poll_seconds >= settings.endpoint_deadline_minutes * 60


def test_the_defaults_survive_the_way_to_a_lambda() -> None:
    # Given
    settings = Settings.from_mapping({})

    # When / Then
    assert Settings.from_json(settings.to_json()) == settings
    assert settings.account is None
    assert not settings.simulated


def test_prices_of_the_settings_go_before_the_shipped_ones() -> None:
    # Given
    line = {**LINE, "model": "amazon.nova-micro-v1:0"}

    # When
    book = Settings.from_mapping({"prices": [line]}).price_book()

    # Then
    assert book.usd("amazon.nova-micro-v1:0", "input", 1_000_000) == 1.5
    assert book.line("amazon.nova-micro-v1:0", "output").usd == 0.14


def test_a_model_that_ended_is_asked_where_it_is_named_and_has_no_profile() -> None:
    # Given an environment as many had it: Nova Premier first, and nothing said of profiles
    premier, pro = "us.amazon.nova-premier-v1:0", "us.amazon.nova-pro-v1:0"

    # When
    settings = Settings.from_mapping({"teacher_models": [premier, pro]})

    # Then a deployment does not fail on a profile that Bedrock refuses to make
    assert premier in settings.asked_models()
    assert premier not in settings.profiled_models()
    assert pro in settings.profiled_models()
