"""Serving by the day: what exists costs for the time that it existed, and tokens are charged once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.focus.serving import Existing, existence_charges, token_charges, unpriced
from lambdas.domain.prices.price_book import PriceBook, PriceLine

MICRO = "amazon.nova-micro-v1:0"
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
HOURLY = PriceLine(model=MICRO, usage="throughput", usd=2.0, unit="model unit hour", source="s", date="2026-11-01")
PRICES = PriceBook.shipped().with_lines([HOURLY])


def existing(
    kind: str = "throughput",
    begins_h: float = 0,
    ends_h: float = 48,
    usd_per_hour: float | None = 4.0,
    units: int | None = None,
    commitment: str | None = None,
) -> Existing:
    return Existing(
        kind=kind, task="video", run_id="video-1", arn="arn:aws:bedrock:us-east-1:1:provisioned-model/x",
        base_model=MICRO, begins=NOVEMBER + timedelta(hours=begins_h), ends=NOVEMBER + timedelta(hours=ends_h),
        usd_per_hour=usd_per_hour, model_units=units, commitment=commitment,
    )  # fmt: skip


@given(st.floats(-2_000, 2_000), st.floats(0, 2_000))
def test_the_seconds_of_all_days_are_those_within_the_month(begins: float, lasts: float) -> None:
    thing = existing(begins_h=begins, ends_h=begins + lasts)
    seconds = sum(one for _, one in thing.seconds_by_day("2026-11"))
    within = max(0.0, min(begins + lasts, 30 * 24.0) - max(begins, 0.0)) * 3600
    assert seconds == pytest.approx(within, abs=1e-3)


def test_a_throughput_is_charged_by_its_units_and_hours() -> None:
    charges = list(existence_charges(existing(begins_h=18), PRICES, "2026-11"))
    assert [(one.day, one.usd) for one in charges] == [
        (date(2026, 11, 1), Decimal(24)),
        (date(2026, 11, 2), Decimal(96)),
    ]
    assert charges[0].part is not None
    assert (charges[0].part.quantity, charges[0].part.usd_per_unit) == (12.0, 2.0)  # 6 hours of 2 units


def test_a_price_that_a_person_stated_is_charged_as_it_was_stated() -> None:
    (charge, _) = existence_charges(existing(usd_per_hour=3.1), PRICES, "2026-11")
    assert charge.usd == Decimal("74.4")


@pytest.mark.parametrize(
    ("commitment", "usage"),
    [("none", "throughput"), ("OneMonth", "throughput_OneMonth"), ("SixMonths", "throughput_SixMonths")],
)
def test_a_throughput_is_charged_by_the_unit_hour_of_its_commitment_at_the_price_that_was_recorded(
    commitment: str, usage: str
) -> None:
    thing = existing(usd_per_hour=160.0, units=2, commitment=commitment)
    (charge, _) = existence_charges(thing, PRICES, "2026-11")
    assert charge.part is not None
    assert (charge.part.usage, charge.part.quantity, charge.part.usd_per_unit) == (usage, 48.0, 80.0)
    assert (charge.usd, charge.simulated) == (Decimal(3840), False)


def test_units_without_a_recorded_price_cost_what_the_book_says_of_their_commitment() -> None:
    committed = replace(HOURLY, usage="throughput_OneMonth", usd=1.5, simulated=True)
    thing = existing(usd_per_hour=None, units=3, commitment="OneMonth")
    (charge, _) = existence_charges(thing, PRICES.with_lines([committed]), "2026-11")
    assert (charge.usd, charge.simulated) == (Decimal(108), True)
    assert unpriced(thing, PRICES) == f"throughput of {MICRO}"


def test_what_was_written_down_without_units_is_read_by_the_price_of_which_they_are_a_multiple() -> None:
    committed = replace(HOURLY, usage="throughput_SixMonths", usd=1.1)
    (charge, _) = existence_charges(existing(usd_per_hour=3.3), PRICES.with_lines([committed]), "2026-11")
    assert charge.part is not None
    assert (charge.part.usage, charge.part.quantity) == ("throughput_SixMonths", 72.0)


def test_a_model_is_stored_by_the_month_of_730_hours() -> None:
    (charge, _) = existence_charges(existing(kind="model", usd_per_hour=None), PRICES, "2026-11")
    line = PRICES.line(MICRO, "storage")
    assert float(charge.usd) == pytest.approx(24 / 730 * line.usd)


def test_what_has_no_price_is_named_and_never_free() -> None:
    bare = PriceBook({})
    for kind, named in (
        ("throughput", "throughput of"),
        ("model", "storage of"),
        ("deployment", "input and output of"),
    ):
        thing = existing(kind=kind, usd_per_hour=None)
        assert unpriced(thing, bare).startswith(named)
        assert list(existence_charges(thing, bare, "2026-11")) == [] if kind != "deployment" else True
        assert unpriced(thing, PRICES) == ""


def test_tokens_that_are_in_ledgers_are_not_charged_again() -> None:
    counted = {"InputTokenCount": 1_000.0, "OutputTokenCount": 50.0, "Invocations": 9.0}
    charges = list(
        token_charges(existing("deployment"), date(2026, 11, 3), counted, {"input": 400.0, "output": 60.0}, PRICES)
    )
    assert [(one.part.usage, one.part.quantity) for one in charges if one.part] == [("input", 600.0)]
    assert charges[0].model == f"custom:{MICRO}"
