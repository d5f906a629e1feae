"""A missing price names its line, and every price has unit, source and date."""

from __future__ import annotations

import datetime as dt
import json
import re
from importlib import resources
from pathlib import Path

import pytest

from lambdas.domain.errors import PriceMissing
from lambdas.domain.prices.price_book import UNITS, PriceLine
from lambdas.domain.task.settings import Settings
from tests.unit.domain.samples import BOOK, HAIKU, MICRO

ROOT = Path(__file__).parents[4]


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
