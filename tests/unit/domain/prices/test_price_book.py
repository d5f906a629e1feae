"""A missing price names its line, and every price has unit, source and date."""

from __future__ import annotations

import datetime as dt
import json
import re
from importlib import resources
from pathlib import Path

import pytest

from lambdas.domain.errors import PriceMissing
from lambdas.domain.model_ids import custom_model_of
from lambdas.domain.prices.price_book import UNITS, PriceBook, PriceLine
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


def test_a_profile_has_a_price_of_its_own() -> None:
    # Given a regional profile that costs a tenth more, and one that costs the same
    # When / Then
    assert BOOK.line(HAIKU, "input").usd == pytest.approx(1.1 * BOOK.line(HAIKU.removeprefix("us."), "input").usd)
    assert BOOK.line(f"us.{MICRO}", "input").usd == BOOK.line(MICRO, "input").usd
    assert BOOK.line(f"{MICRO}:128k", "training").usd == 1.0


@pytest.mark.parametrize("usage", ["input", "output", "cache_read", "batch_input", "flex_output"])
@pytest.mark.parametrize("scope", ["us", "eu", "global", "jp"])
def test_a_profile_with_only_its_models_line_is_an_error_that_names_the_line(scope: str, usage: str) -> None:
    # Given a book that knows the model alone: its profile of a geography may cost a tenth more
    model = "vendor.new-model-v1:0"
    line = PriceLine(model=model, usage=usage, usd=1.0, unit=UNITS[usage], source="a page", date="2026-11-01")
    book = BOOK.with_lines([line])

    # When / Then
    assert book.usd(model, usage, 1_000_000) == 1.0
    assert book.find(f"{scope}.{model}", usage) is None
    with pytest.raises(PriceMissing) as missing:
        book.usd(f"{scope}.{model}", usage, 1_000_000)
    assert f'"model": "{scope}.{model}", "usage": "{usage}"' in str(missing.value)
    assert f"The line of {model} ($1) is not taken for it" in str(missing.value)


def test_what_is_paid_for_a_base_model_is_found_under_any_of_its_ids() -> None:
    # Given / When / Then: hours, storage and training are no usage of a profile
    assert BOOK.line("amazon.nova-2-lite-v1:0:256k", "throughput").usd == 60.5
    assert BOOK.line("us.amazon.nova-2-lite-v1:0", "training").usd == 3.78


@pytest.mark.parametrize(
    ("model", "custom", "base"),
    [("amazon.nova-2-lite-v1:0", (0.30, 2.50), (0.33, 2.75)), (MICRO, (0.035, 0.14), (0.035, 0.14))],
)
def test_a_custom_model_has_usage_types_of_its_own(
    model: str, custom: tuple[float, float], base: tuple[float, float]
) -> None:
    # Given / When
    found = [
        tuple(BOOK.line(each, usage).usd for usage in ("input", "output")) for each in (custom_model_of(model), model)
    ]

    # Then
    assert found == [custom, base]


def test_a_custom_model_without_a_line_costs_what_its_base_costs() -> None:
    # Given / When / Then: the blog's word, where nobody has read the usage type
    llama = "meta.llama3-3-70b-instruct-v1:0"
    assert BOOK.usd(custom_model_of(llama), "input", 1e6) == BOOK.usd(llama, "input", 1e6)


def test_the_tokens_of_a_model_at_extended_access_cost_the_prices_of_extended_access() -> None:
    # Given a Legacy model whose extended access has begun, and another model beside it
    old = "us.anthropic.claude-3-5-sonnet-20241022-v2:0"
    book = BOOK.at_extended_access([old])

    # When / Then
    assert (book.usd(old, "input", 1e6), book.usd(old, "output", 1e6)) == (6.0, 30.0)
    assert book.usd(old, "batch_output", 1e6) == 15.0
    assert book.usd(HAIKU, "input", 1e6) == BOOK.usd(HAIKU, "input", 1e6)


def test_an_unknown_price_of_extended_access_is_an_error_and_not_the_old_price() -> None:
    # Given
    book = BOOK.at_extended_access([HAIKU])

    # When / Then
    with pytest.raises(PriceMissing, match='"usage": "extended_input"'):
        book.usd(HAIKU, "input", 1e6)


@pytest.mark.parametrize(
    ("region", "model", "usage", "usd"),
    [
        ("us-east-1", "amazon.nova-2-lite-v1:0", "input", 0.33),
        ("us-east-1", "global.amazon.nova-2-lite-v1:0", "output", 2.5),
        ("us-east-1", "us.amazon.nova-2-lite-v1:0", "flex_input", 0.165),
        ("us-east-1", "us.amazon.nova-pro-v1:0", "priority_output", 5.6),
        ("us-east-1", "amazon.nova-lite-v1:0", "training", 2.0),
        ("us-east-1", "amazon.nova-pro-v1:0", "training", 8.0),
        ("us-east-1", "amazon.nova-pro-v1:0", "storage", 1.95),
        ("us-east-1", "amazon.nova-2-lite-v1:0", "storage", 1.95),
        ("us-east-1", "us.anthropic.claude-opus-4-7", "output", 27.5),
        ("us-east-1", "openai.gpt-oss-120b-1:0", "flex_output", 0.3),
        ("us-west-2", "meta.llama3-3-70b-instruct-v1:0", "input", 0.72),
        ("eu-central-1", "eu.amazon.nova-micro-v1:0", "input", 0.046),
        ("eu-central-1", "eu.amazon.nova-micro-v1:0", "output", 0.184),
    ],
)
def test_the_book_has_what_a_first_run_may_need(region: str, model: str, usage: str, usd: float) -> None:
    # Given / When / Then
    assert PriceBook.shipped(region).line(model, usage).usd == pytest.approx(usd)


def test_what_was_read_at_no_source_of_aws_says_that_it_is_to_be_confirmed() -> None:
    # Given figures that nobody has read of a usage type or of two tables
    unread = [line for line in BOOK.lines.values() if "was not read" in line.source or "from memory" in line.source]

    # When / Then
    assert unread
    assert all(line.source.endswith("; to be confirmed, see docs/real-account.md") for line in unread)


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
