"""A missing price names its line, every price has unit, source and date, and a ledger adds up."""

from __future__ import annotations

import datetime as dt
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.costs.ledger import LedgerEntry, summed, total_usd
from lambdas.domain.dataset.builder import Dataset, DatasetCounts
from lambdas.domain.errors import DatasetRefused, PriceMissing
from lambdas.domain.evaluation.sample_sizes import check_sizes, holdout_records_needed, training_records_needed
from lambdas.domain.prices.price_book import UNITS, PriceLine
from lambdas.domain.task.settings import Settings
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.domain.samples import BOOK, HAIKU, MICRO, records

ROOT = Path(__file__).parents[4]

ENTRIES = st.lists(
    st.builds(
        LedgerEntry,
        id=st.uuids().map(str),
        stage=st.sampled_from(["GenerateTeacherData", "EvaluateStudent"]),
        model=st.sampled_from(["a", "b"]),
        kind=st.sampled_from(["actual", "derived", "at most"]),
        usage=st.dictionaries(st.sampled_from(["calls", "input_tokens"]), st.integers(0, 10**6).map(float)),
        usd=st.integers(0, 10**6).map(lambda millionths: millionths / 1_000_000),
    ),
    max_size=30,
)


@pytest.mark.parametrize("usage", sorted(UNITS))
def test_a_missing_price_is_an_error_with_the_line_to_add(usage: str) -> None:
    # Given / When
    with pytest.raises(PriceMissing) as missing:
        BOOK.usd("acme.model-1", usage, 1)

    # Then the line is one that the settings take, once its blanks are filled in
    message = str(missing.value)
    line = json.loads(message[message.index("{") :])
    assert PriceLine(**line).unit == UNITS[usage]
    assert (line["model"], line["usage"]) == ("acme.model-1", usage)


def test_a_profile_has_its_own_price_or_that_of_its_model() -> None:
    # Given a regional profile that costs a tenth more, and one that costs the same
    # When / Then
    assert BOOK.line(HAIKU, "input").usd == pytest.approx(1.1 * BOOK.line(HAIKU.removeprefix("us."), "input").usd)
    assert BOOK.line(f"us.{MICRO}", "input") == BOOK.line(MICRO, "input")
    assert BOOK.line(f"{MICRO}:128k", "training").usd == 1.0


@pytest.mark.parametrize("line", BOOK.lines.values(), ids=lambda line: f"{line.model} {line.usage}")
def test_every_line_of_the_price_book_says_unit_source_and_date(line: PriceLine) -> None:
    # Given a line / When / Then
    assert line.unit == UNITS[line.usage]
    assert line.usd > 0 or (line.usd == 0 and "no charge" in line.source)
    assert len(line.source) > 10
    assert not line.simulated
    assert dt.date(2025, 1, 1) < dt.date.fromisoformat(line.date) <= dt.date(2026, 12, 31)


@pytest.mark.parametrize("service", ["Lambda", "Step Functions", "S3", "KMS", "DynamoDB", "SNS", "CloudWatch"])
def test_a_price_that_nobody_has_read_at_its_source_says_how_to_confirm_it(service: str) -> None:
    # Given
    lines = [line for line in BOOK.lines.values() if line.model.endswith(f" {service}")]
    guide = (ROOT / "docs" / "real-account.md").read_text()

    # When / Then
    assert lines
    assert all(line.source.endswith("; to be confirmed, see docs/real-account.md") for line in lines)
    assert '"to be confirmed"' in guide


@given(ENTRIES)
def test_a_summed_ledger_has_the_same_total_and_one_line_a_stage_model_and_kind(entries: list[LedgerEntry]) -> None:
    # Given any entries / When
    lines = summed(entries)

    # Then
    assert total_usd(lines) == pytest.approx(total_usd(entries))
    assert total_usd(entries) == pytest.approx(sum(entry.usd for entry in entries))
    assert len({(line.stage, line.model, line.kind) for line in lines}) == len(lines)
    for name in ("calls", "input_tokens"):
        assert sum(line.usage.get(name, 0) for line in lines) == sum(entry.usage.get(name, 0) for entry in entries)


def test_the_price_book_has_each_price_once_and_for_a_region() -> None:
    # Given the file as it ships
    shipped = resources.files("lambdas.domain.prices").joinpath("price_book.json")
    document = json.loads(shipped.read_text(encoding="utf-8"))

    # When / Then
    keys = [(line["region"], line["model"], line["usage"]) for line in document["prices"]]
    assert len(set(keys)) == len(keys)
    assert document["currency"] == "USD"
    for line in document["prices"]:
        assert set(line) == {"region", "model", "usage", "usd", "unit", "source", "date"}
        assert re.fullmatch(r"[a-z]{2}(-[a-z]+)+-[0-9]", line["region"])


def test_another_region_has_no_prices_until_somebody_gives_them() -> None:
    # Given
    line = {"model": MICRO, "usage": "input", "usd": 0.04, "unit": "million tokens"}
    mapping = {"region": "eu-west-1", "prices": [{**line, "source": "a page", "date": "2026-11-01"}]}

    # When
    book = Settings.from_mapping(mapping).price_book()

    # Then
    assert book.usd(MICRO, "input", 1_000_000) == 0.04
    with pytest.raises(PriceMissing, match=r"'output' of amazon\.nova-micro-v1:0 in eu-west-1"):
        book.line(MICRO, "output")


def test_services_are_priced_by_their_own_units() -> None:
    # Given / When / Then
    assert BOOK.usd("AWS Step Functions", "transition", 4_000) == pytest.approx(0.1)
    assert BOOK.usd("AWS Lambda", "request", 1_000_000) == pytest.approx(0.2)
    assert BOOK.usd("Amazon S3", "put", 10_000) == pytest.approx(0.05)
    assert BOOK.usd("AWS KMS", "request", 10_000) == pytest.approx(0.03)


def test_what_a_model_unit_serves_is_unknown_until_somebody_says_it() -> None:
    # Given
    unit = {"model": MICRO, "tokens_per_minute": 100_000, "source": "the account team", "date": "2026-11-01"}

    # When
    told = Settings.from_mapping({"model_units": [unit]}).price_book()

    # Then
    assert BOOK.unit_tokens_per_minute(MICRO) is None
    assert told.unit_tokens_per_minute(f"us.{MICRO}") == 100_000


def test_the_settings_take_every_usage_and_unit_of_the_book() -> None:
    # Given
    schema = json.loads(
        resources.files("lambdas.domain.schemas").joinpath("settings.schema.json").read_text(encoding="utf-8")
    )
    fields = schema["properties"]["prices"]["items"]["properties"]

    # When / Then
    assert set(fields["usage"]["enum"]) == set(UNITS)
    assert set(fields["unit"]["enum"]) == set(UNITS.values())


def dataset(train: int, holdout: int) -> Dataset:
    counts = DatasetCounts(lines=train + holdout)
    return Dataset(records(train), records(holdout), counts)


@pytest.mark.parametrize(("train", "holdout"), [(111, 200), (112, 98), (0, 0)])
def test_a_dataset_that_cannot_train_or_prove_is_refused_with_both_numbers(train: int, holdout: int) -> None:
    # Given the defaults: a tenth may be dropped, a margin of 0.2
    # When
    with pytest.raises(DatasetRefused) as refused:
        check_sizes(dataset(train, holdout), TaskDefinition.default())

    # Then
    message = str(refused.value)
    assert f"{train} training records of at least 112" in message
    assert f"{holdout} holdout records of at least 99" in message
    assert "Nothing was paid" in message


def test_a_dataset_of_just_the_needed_sizes_is_accepted() -> None:
    # Given / When / Then: (1.6449 + 0.8416)^2 * 0.8^2 / 0.2^2 = 98.9 and 100 / 0.9 = 111.1
    assert (training_records_needed(0.1), holdout_records_needed(0.2)) == (112, 99)
    check_sizes(dataset(112, 99), TaskDefinition.default())


@given(st.floats(0.01, 4), st.floats(0.01, 4))
def test_a_narrower_margin_never_needs_fewer_records(one: float, other: float) -> None:
    # Given
    narrow, wide = sorted((one, other))

    # When / Then
    assert holdout_records_needed(narrow) >= holdout_records_needed(wide) >= 1


@given(st.floats(0, 0.9))
def test_the_needed_training_records_leave_a_hundred_after_the_worst_drop(rate: Any) -> None:
    # Given / When
    needed = training_records_needed(rate)

    # Then
    assert needed * (1 - rate) >= 100 - 1e-6
