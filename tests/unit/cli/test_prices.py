"""The price book beside the AWS Price List: what changed is said with its dates, and written only on demand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from cli.price_list import NoPriceListError, read_price_list
from cli.prices import compare, write_book
from lambdas.domain.prices.price_book import UNITS, PriceBook
from lambdas.domain.prices.usage_types import FAMILIES, meaning_of
from tests.unit.cli.conftest import FakeAws

Call = Callable[..., Result]
BOOK = Path(__file__).parents[3] / "lambdas" / "domain" / "prices" / "price_book.json"


def product(usage_type: str, usd: str, unit: str = "1K tokens", region: str = "us-east-1") -> dict[str, Any]:
    """Write a product as GetProducts gives it, in the shape of its terms."""
    rate = {"unit": unit, "pricePerUnit": {"USD": usd}, "description": "a price"}
    term = {"effectiveDate": "2026-10-01T00:00:00Z", "priceDimensions": {f"{usage_type}.RATE": rate}}
    attributes = {"usagetype": usage_type, "regionCode": region, "servicecode": "AmazonBedrock"}
    return {"product": {"sku": usage_type, "attributes": attributes}, "terms": {"OnDemand": {f"{usage_type}.T": term}}}


def bulk(*products: dict[str, Any]) -> dict[str, Any]:
    """Write the bulk file of an offer."""
    return {
        "formatVersion": "v1.0",
        "publicationDate": "2026-11-20T10:00:00Z",
        "products": {item["product"]["sku"]: item["product"] for item in products},
        "terms": {"OnDemand": {item["product"]["sku"]: item["terms"]["OnDemand"] for item in products}},
    }


LISTED = (
    product("USE1-NovaMicro-input-tokens", "0.000035"),
    product("USE1-NovaMicro-output-tokens", "0.00015"),
    product("USE1-NovaMicro-ProvisionedThroughput-Custom-NoCommit-ModelUnits", "42.5", "hour"),
    product("USE1-Nova2.0Lite-input-tokens-cross-region-global-flex", "0.00015"),
    product("USE1-NovaMicro-Customization-Storage", "1.95", "Model/month"),
    product("EUC1-NovaMicro-input-tokens", "0.000046", region="eu-central-1"),
    product("USE1-NovaPro-input-image-token-count", "0.0008"),
    product("USE1-TitanEmbedV2-Text-input-tokens", "0.00002"),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "offer.json"
    path.write_text(json.dumps(bulk(*LISTED)))
    return path


@pytest.mark.parametrize(
    ("usage_type", "meaning"),
    [
        ("USE1-NovaPro-Customization-Training", ("amazon.nova-pro-v1:0", "training")),
        ("USE1-NovaPro-input-tokens-flex", ("amazon.nova-pro-v1:0", "flex_input")),
        ("USE1-NovaLite-input-tokens-priority", ("amazon.nova-lite-v1:0", "priority_input")),
        ("USE1-NovaMicro-cache-read-input-token-count", ("amazon.nova-micro-v1:0", "cache_read")),
        ("USE1-NovaMicro-output-tokens-custom-model", ("custom:amazon.nova-micro-v1:0", "output")),
        (
            "USE1-Nova2.0Lite-input-tokens-priority-cross-region-global",
            ("global.amazon.nova-2-lite-v1:0", "priority_input"),
        ),
        ("USW2-Llama3-3-70B-output-tokens-batch", ("meta.llama3-3-70b-instruct-v1:0", "batch_output")),
        ("USE1-openai.gpt-oss-120b-mantle-input-tokens-standard", ("openai.gpt-oss-120b-1:0", "input")),
        ("USE1-NovaPro-input-tokens-latency-optimized", ("amazon.nova-pro-v1:0", "")),
        ("USE1-NovaPro-input-image-token-count", ("amazon.nova-pro-v1:0", "")),
        ("USE1-NovaProX-input-tokens", None),
        ("", None),
    ],
    ids=str,
)
def test_what_a_usage_type_means(usage_type: str, meaning: tuple[str, str] | None) -> None:
    assert meaning_of(usage_type) == meaning


@pytest.mark.parametrize("unit", ["1K tokens", "1M tokens", "tokens"])
def test_the_unit_is_read_and_never_assumed(unit: str) -> None:
    # Given one price in three units
    usd = {"1K tokens": "0.0008", "1M tokens": "0.8", "tokens": "0.0000008"}[unit]

    # When
    (price,) = read_price_list([bulk(product("USE1-NovaPro-input-tokens", usd, unit))], "us-east-1").prices

    # Then
    assert price.usd == pytest.approx(0.8)
    assert price.date == "2026-10-01"


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (product("USE1-NovaPro-input-tokens", "0.8", "furlong"), "its unit is 'furlong'"),
        (product("USE1-NovaPro-input-tokens-latency-optimized", "0.001"), "do not know what it counts"),
        ({**product("USE1-NovaPro-input-tokens", "1"), "terms": {}}, "0 prices in US dollars"),
    ],
    ids=["unit", "meaning", "no price"],
)
def test_what_cannot_be_read_of_a_known_model_is_said_and_not_guessed(listed: dict[str, Any], said: str) -> None:
    # Given / When
    found = read_price_list([{"PriceList": [json.dumps(listed)]}], "us-east-1")

    # Then
    assert not found.prices
    assert said in found.unread[0]


@pytest.mark.parametrize("document", [{}, [], {"PriceList": []}, {"prices": 1}, [1], None], ids=str)
def test_what_is_no_price_list_is_refused(document: object) -> None:
    with pytest.raises(NoPriceListError):
        read_price_list([document] if document != [] else [], "us-east-1")


def test_refresh_says_what_changed_with_both_dates_and_writes_nothing(call: Call, file: Path) -> None:
    # Given
    before = BOOK.read_bytes()

    # When
    said = call("prices", "refresh", "--file", str(file))

    # Then
    assert said.exit_code == 1
    lines = said.output.splitlines()
    assert (
        "changed: amazon.nova-micro-v1:0 output, million tokens: $0.14 of 2026-09-01; "
        "$0.15 since 2026-10-01 (USE1-NovaMicro-output-tokens)" in lines
    )
    assert any(line.startswith("changed: us.amazon.nova-micro-v1:0 output") for line in lines)
    assert any(
        line.startswith("new: amazon.nova-micro-v1:0 throughput, model unit hour: not in the book; $42.5")
        for line in lines
    )
    assert any(line.startswith("new: global.amazon.nova-2-lite-v1:0 flex_input") for line in lines)
    assert any("not read: USE1-NovaPro-input-image-token-count" in line for line in lines)
    assert "1 usage types of other models" in lines[-1]
    assert BOOK.read_bytes() == before


def test_refresh_asks_aws_where_no_file_is_given(aws: FakeAws, call: Call) -> None:
    # Given two pages of the Query API, and prices as the book has them
    filters = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"}]
    wanted = {"ServiceCode": "AmazonBedrock", "Filters": filters}
    pages = [json.dumps(product("USE1-NovaMicro-input-tokens", "0.000035")), json.dumps(LISTED[4])]
    aws.stub("pricing").add_response("get_products", {"PriceList": pages[:1], "NextToken": "more"}, wanted)
    aws.stub("pricing").add_response("get_products", {"PriceList": pages[1:]}, {**wanted, "NextToken": "more"})

    # When
    said = call("prices", "refresh")

    # Then
    assert said.exit_code == 0
    assert "0 changed, 0 new, 3 same" in said.output


def test_refresh_as_json_has_every_line(call: Call, file: Path) -> None:
    said = call("--json", "prices", "refresh", "--file", str(file))

    document = json.loads(said.output)
    assert {line["state"] for line in document["lines"]} == {"changed", "new", "same", "not listed"}
    assert not document["written"]


def test_a_file_that_is_no_price_list_is_a_usage_error(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"products": []}')

    said = call("prices", "refresh", "--file", str(path))

    assert said.exit_code == 2
    assert "no AWS Price List" in said.output


def test_what_is_written_is_the_list_with_its_source_and_the_rest_as_it_was(tmp_path: Path) -> None:
    # Given a copy of the book
    path = tmp_path / "price_book.json"
    path.write_bytes(BOOK.read_bytes())
    listed = read_price_list([bulk(*LISTED)], "us-east-1").prices

    # When
    write_book("us-east-1", listed, path)

    # Then
    before, after = (json.loads(one.read_text()) for one in (BOOK, path))
    known = {(line["region"], line["model"], line["usage"]): line for line in after["prices"]}
    assert known["us-east-1", "us.amazon.nova-micro-v1:0", "output"]["usd"] == 0.15
    hour = known["us-east-1", "amazon.nova-micro-v1:0", "throughput"]
    assert (hour["usd"], hour["unit"], hour["date"]) == (42.5, "model unit hour", "2026-10-01")
    assert "usage type USE1-NovaMicro-ProvisionedThroughput" in hour["source"]
    touched = {(line.model, line.usage) for line in listed} | {
        (f"us.{line.model}", line.usage) for line in listed if not line.model.startswith(("global.", "custom:"))
    }
    for line in before["prices"]:
        if line["region"] != "us-east-1" or (line["model"], line["usage"]) not in touched:
            assert known[line["region"], line["model"], line["usage"]] == line
    assert all(line["unit"] == UNITS[line["usage"]] for line in after["prices"])


def test_what_was_written_is_the_same_at_the_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    path = tmp_path / "price_book.json"
    path.write_bytes(BOOK.read_bytes())
    listed = read_price_list([bulk(*LISTED)], "us-east-1").prices
    write_book("us-east-1", listed, path)
    monkeypatch.setattr("lambdas.domain.prices.price_book.resources.files", lambda _package: tmp_path)

    # When
    found = list(compare(PriceBook.shipped(), listed))

    # Then
    assert {item.state for item in found} <= {"same", "not listed"}


def test_a_profile_of_another_geography_is_compared_with_its_own_region(file: Path) -> None:
    # Given / When
    listed = read_price_list([json.loads(file.read_text())], "eu-central-1").prices
    found = {(item.model, item.usage): item.state for item in compare(PriceBook.shipped("eu-central-1"), listed)}

    # Then
    assert found["eu.amazon.nova-micro-v1:0", "input"] == "same"


def test_every_family_of_the_tables_is_in_the_book() -> None:
    assert set(FAMILIES.values()) <= {line.model for line in PriceBook.shipped().lines.values()}
