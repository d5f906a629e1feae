"""Rows of FOCUS: each cost is its quantity at its price, and each line of a ledger is there once."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.costs.ledger import LedgerEntry, exact_usd
from lambdas.domain.focus.charges import BilledAccount, Row, as_csv, charges_of_line, row_of, rows_of_charges
from lambdas.domain.focus.columns import COLUMNS, FOCUS_1_0, OWN, SINCE_1_1, SINCE_1_2
from lambdas.domain.focus.columns import UNITS as FOCUS_UNITS
from lambdas.domain.identity import Upload
from lambdas.domain.prices.price_book import UNITS, PriceBook
from lambdas.domain.prices.priced_parts import PricedPart

ACCOUNT = BilledAccount(
    account_id="123456789012",
    region="us-east-1",
    region_name="US East (N. Virginia)",
    environment="dev",
    simulated=True,
)
NOVA = "us.amazon.nova-pro-v1:0"
AT = "2026-11-24T10:00:00.000Z"


def entry(*parts: PricedPart, usd: float | None = None, at: str = AT, id_: str = "a") -> LedgerEntry:
    total = float(sum((part.usd for part in parts), Decimal()))
    return LedgerEntry(
        id=id_, stage="CheckRun", model=NOVA, kind="actual", usd=total if usd is None else usd, at=at, priced=[*parts]
    )


def part(quantity: float = 1_234, usd_per_unit: float = 0.8, usage: str = "input") -> PricedPart:
    return PricedPart(usage=usage, quantity=quantity, usd_per_unit=usd_per_unit)


def rows(*entries: LedgerEntry) -> list[Row]:
    charges = [charge for one in entries for charge in charges_of_line("video", "video-1", one, "2026-11-30T00:00:00Z")]
    return list(rows_of_charges(charges, ACCOUNT))


@pytest.mark.parametrize(
    "line",
    [
        entry(usd=0.25),
        entry(part(), usd=0.25),
        entry(usd=0.0),
    ],
    ids=["from before there were parts", "parts that do not come to the dollars", "nothing"],
)
def test_what_is_not_known_as_quantity_and_price_is_one_amount(line: LedgerEntry) -> None:
    (row,) = rows(line)
    assert (row["PricingQuantity"], row["PricingUnit"], row["x_TokenType"]) == ("1", "Ledger Lines", "")
    assert Decimal(row["BilledCost"]) == Decimal(row["ListUnitPrice"]) == exact_usd(line)


def test_a_line_that_says_no_time_has_that_of_its_run() -> None:
    (row,) = rows(entry(usd=1.0, at=""))
    assert row["ChargePeriodStart"] == "2026-11-30T00:00:00Z"
    assert row["ChargePeriodEnd"] == "2026-12-01T00:00:00Z"


def test_the_billing_period_of_december_ends_in_the_next_year() -> None:
    (row,) = rows(entry(usd=1.0, at="2026-12-31T23:59:59.999Z"))
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")


PARTS = st.lists(
    st.builds(
        PricedPart,
        usage=st.sampled_from(sorted(UNITS)),
        quantity=st.one_of(st.integers(0, 10**9), st.integers(0, 10**9).map(lambda quarters: quarters / 4)),
        usd_per_unit=st.integers(0, 10**7).map(lambda millionths: millionths / 10**5),
        simulated=st.booleans(),
    ),
    max_size=5,
)


@given(st.lists(PARTS, max_size=6))
def test_each_line_is_there_once_and_each_cost_is_its_quantity_at_its_price(lines: list[list[PricedPart]]) -> None:
    # Given
    entries = [entry(*parts, id_=str(number)) for number, parts in enumerate(lines)]
    # When
    found = rows(*entries)
    # Then
    for row in found:
        assert Decimal(row["BilledCost"]) == Decimal(row["PricingQuantity"]) * Decimal(row["ListUnitPrice"])
        assert "e" not in "".join(row[name] for name in ("BilledCost", "PricingQuantity", "ListUnitPrice")).lower()
    for line in entries:
        of_line = [Decimal(row["EffectiveCost"]) for row in found if row["x_LineId"].endswith(f"/{line.id}")]
        assert of_line
        assert sum(of_line) == pytest.approx(exact_usd(line), rel=Decimal("1e-11"))


def test_the_same_charges_in_another_order_are_the_same_file() -> None:
    lines = [entry(part(usage="output"), part(), id_=str(number)) for number in range(4)]
    assert as_csv(rows(*lines)) == as_csv(rows(*reversed(lines)))


def test_a_file_has_every_column_whatever_it_holds() -> None:
    for written in (as_csv([]), as_csv(rows(entry(part())))):
        header = next(csv.reader(io.StringIO(written)))
        assert header == list(COLUMNS)
    assert set(COLUMNS) == {*FOCUS_1_0, *SINCE_1_1, *SINCE_1_2, *OWN}
    assert len(set(COLUMNS)) == len(COLUMNS)


def test_every_unit_of_the_price_book_has_one_of_focus() -> None:
    assert set(FOCUS_UNITS) == set(UNITS.values())


@pytest.mark.parametrize(
    ("model", "service", "publisher"),
    [
        (NOVA, "Amazon Bedrock", "Amazon Web Services"),
        ("custom:amazon.nova-micro-v1:0", "Amazon Bedrock", "Amazon Web Services"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "Amazon Bedrock", "Anthropic"),
        ("AWS Lambda", "AWS Lambda", "Amazon Web Services"),
    ],
)
def test_whose_service_it_is(model: str, service: str, publisher: str) -> None:
    (charge,) = charges_of_line("t", "t-1", entry(part()), AT)
    row = row_of(
        type(charge)(**{**{name: getattr(charge, name) for name in charge.__slots__}, "model": model}), ACCOUNT
    )
    assert (row["ServiceName"], row["PublisherName"]) == (service, publisher)


def test_every_service_of_the_price_book_has_a_category() -> None:
    services = {line.model for line in PriceBook.shipped().lines.values() if line.model.startswith(("AWS ", "Amazon "))}
    (charge,) = charges_of_line("t", "t-1", entry(part()), AT)
    for service in services:
        assert row_of(replace(charge, model=service), ACCOUNT)["ServiceCategory"] != "Other", service


def test_a_row_says_whose_it_is() -> None:
    (row,) = rows(entry(part()))
    assert json.loads(row["Tags"]) == {
        "distillation:environment": "dev", "run": "video-1", "task": "video",
    }  # fmt: skip
    assert (row["x_RunId"], row["x_Simulated"], row["x_Evidence"]) == ("video-1", "true", "actual")
    assert date.fromisoformat(row["ChargePeriodStart"][:10]) == date(2026, 11, 24)


@given(
    folder=st.text(min_size=1, max_size=40).filter(lambda text: text[0] != "/"),
    day=st.dates(date(2024, 1, 1), date(2030, 12, 31)),
)
def test_no_folder_of_a_task_makes_a_cell_that_a_spreadsheet_would_run(folder: str, day: date) -> None:
    # Given a task whose folder somebody named =cmd(), with commas, quotes, line ends, or in any script
    upload = Upload("uploads", f"{folder}/a.jsonl", "1")
    line = entry(part(), at=f"{day}T23:59:59.999Z")
    # When
    charges = charges_of_line(upload.task, upload.run_id, line, AT)
    (row,) = csv.DictReader(io.StringIO(as_csv(rows_of_charges(charges, ACCOUNT)), newline=""))
    # Then
    assert [value for value in row.values() if value[:1] in tuple("=+-@\t\r")] == []
    assert (row["x_Task"], row["x_RunId"]) == (upload.task, upload.run_id)
    assert row["ChargePeriodStart"][:10] == str(day)
    assert row["BillingPeriodStart"][:10] == str(day.replace(day=1))
    assert row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]


@pytest.mark.parametrize("usd", [1e-12, 1e-9, 1.23456789012e-7])
def test_the_smallest_price_is_written_in_digits(usd: float) -> None:
    (row,) = rows(entry(part(quantity=1, usd_per_unit=usd)))
    assert "E" not in row["BilledCost"].upper()
    assert Decimal(row["BilledCost"]) == Decimal(row["PricingQuantity"]) * Decimal(row["ListUnitPrice"]) > 0
