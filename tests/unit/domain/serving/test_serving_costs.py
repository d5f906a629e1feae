"""What each way to serve costs, from which volume a throughput pays, and how many units that volume needs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.prices.price_book import HOURS_A_MONTH, ModelUnit, PriceBook, PriceLine
from lambdas.domain.serving.serving_costs import Student, months_to_recover, throughputs, upkeep
from tests.unit.domain.samples import MICRO

STUDENT = Student(model=MICRO, tokens_per_request=100, usd_per_request=1e-5, model_units=1, expected=None)


def book(*, tokens_per_minute: float | None = None, **hours: float) -> PriceBook:
    lines = [
        PriceLine(model=MICRO, usage=usage, usd=usd, unit="model unit hour", source="a test", date="2026-11-24")
        for usage, usd in hours.items()
    ]
    unit = ModelUnit(model=MICRO, tokens_per_minute=tokens_per_minute or 0.0, source="a test", date="2026-11-24")
    return PriceBook.shipped().with_lines(lines, [unit] if tokens_per_minute else [])


def test_without_a_price_there_is_nothing_to_say() -> None:
    # Given / When / Then
    assert throughputs(STUDENT, PriceBook.shipped()) == []


def test_each_commitment_of_which_the_price_is_known_has_its_own_border() -> None:
    # Given
    prices = book(throughput=20.0, throughput_SixMonths=10.0)

    # When
    free, committed = throughputs(STUDENT, prices)

    # Then
    assert (free.commitment, committed.commitment) == ("none", "SixMonths")
    assert free.break_even_requests_per_month == pytest.approx(20 * HOURS_A_MONTH / 1e-5)
    assert committed.break_even_requests_per_month == pytest.approx(10 * HOURS_A_MONTH / 1e-5)
    assert free.units_at_break_even == "unknown"
    assert free.units_at_expected is None


def test_a_volume_needs_the_units_that_serve_its_tokens() -> None:
    # Given a unit that serves 1,000 requests a minute, 43.8 million a month
    prices = book(throughput=0.1, tokens_per_minute=100_000)

    # When
    [found] = throughputs(replace(STUDENT, expected=100e6), prices)

    # Then
    assert found.units_at_expected == found.units == 3
    assert found.usd_per_month == pytest.approx(3 * 0.1 * HOURS_A_MONTH)
    assert found.usd_per_1k_requests == pytest.approx(3 * 0.1 * HOURS_A_MONTH / 100e3)


def test_a_unit_that_serves_less_than_its_price_buys_never_pays() -> None:
    # Given a unit for $20 an hour whose 60,000 requests an hour cost $0.60 on demand
    prices = book(throughput=20.0, tokens_per_minute=100_000)

    # When
    [found] = throughputs(replace(STUDENT, expected=1e9), prices)

    # Then
    assert found.break_even_requests_per_month is None
    assert found.units_at_break_even is None
    assert found.usd_per_month > 1e9 * STUDENT.usd_per_request


@given(st.floats(0.01, 100), st.floats(1e3, 1e9), st.floats(1, 1e12), st.integers(1, 20))
def test_at_the_border_both_ways_cost_the_same_and_the_task_s_units_serve_it(
    hour: float, per_minute: float, volume: float, units: int
) -> None:
    # Given / When
    student = replace(STUDENT, expected=volume, model_units=units)
    [found] = throughputs(student, book(throughput=hour, tokens_per_minute=per_minute))

    # Then
    capacity = per_minute / STUDENT.tokens_per_request * 60 * HOURS_A_MONTH
    if found.break_even_requests_per_month is None:
        assert capacity * STUDENT.usd_per_request < hour * HOURS_A_MONTH
    else:
        on_demand = found.break_even_requests_per_month * STUDENT.usd_per_request
        assert on_demand == pytest.approx(units * hour * HOURS_A_MONTH)
        assert found.break_even_requests_per_month <= units * capacity
        assert found.units_at_break_even == units
    assert found.units >= units
    assert isinstance(found.units_at_expected, int)
    assert found.units_at_expected * capacity >= volume * (1 - 1e-9)


def test_a_run_is_earned_back_by_what_the_student_saves() -> None:
    # Given
    monthly = {
        "teacher": 110.0,
        "baseline": 60.0,
        "student_on_demand": 10.0,
        "student_provisioned_throughput": 80.0,
    }

    # When / Then
    assert months_to_recover(monthly, "on_demand", 100.0, 0.0) == {"teacher": 1.0, "baseline": 2.0}
    assert months_to_recover(monthly, "provisioned_throughput", 60.0, 0.0) == {"teacher": 2.0, "baseline": None}
    assert months_to_recover(None, "on_demand", 100.0, 0.0) is None
    unknown = {**monthly, "student_provisioned_throughput": None}
    assert months_to_recover(unknown, "provisioned_throughput", 1.0, 0.0) is None


def test_storage_new_distillations_and_the_pipeline_are_earned_first() -> None:
    # Given a student that saves $50 a month against the baseline, and a run of $120 twice a year
    monthly = {"teacher": 110.0, "baseline": 60.0, "student_on_demand": 10.0}
    storage = PriceLine(model=MICRO, usage="storage", usd=1.95, unit="model month", source="a test", date="2026-11-24")

    # When
    kept = upkeep(MICRO, 120.0, 2.0, 8.05, PriceBook({(MICRO, "storage"): storage}, "us-east-1"))

    # Then
    assert kept.to_document() == {"model_storage": 1.95, "distillations": 20.0, "pipeline": 8.05}
    assert months_to_recover(monthly, "on_demand", 120.0, kept.usd_per_month) == pytest.approx(
        {"teacher": 120 / 70, "baseline": 6.0}
    )
    # And where nothing is left of the saving, no number of months is enough
    often = upkeep(MICRO, 120.0, 12.0, 0.0, PriceBook.shipped())
    assert months_to_recover(monthly, "on_demand", 120.0, often.usd_per_month) == {"teacher": None, "baseline": None}


@given(st.floats(1.0, 1_000.0), st.floats(1e4, 1e9))
def test_a_peak_needs_as_many_more_units_as_it_is_higher(peak: float, volume: float) -> None:
    # Given
    prices = book(throughput=0.1, tokens_per_minute=100_000)
    even = replace(STUDENT, expected=volume)

    # When
    [level], [peaked] = throughputs(even, prices), throughputs(replace(even, peak_to_mean=peak), prices)

    # Then the busiest minute is served, with no unit too many
    busiest = volume / HOURS_A_MONTH / 60 * peak * STUDENT.tokens_per_request
    assert busiest <= peaked.units * 100_000 * (1 + 1e-9)
    assert peaked.units == 1 or busiest > (peaked.units - 1) * 100_000 * (1 - 1e-9)
    assert peaked.units >= level.units
