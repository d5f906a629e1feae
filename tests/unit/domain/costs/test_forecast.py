"""What is foreseen of serving: dollars a month, the saving, the border of throughput, and rules that will be close."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.costs.forecast import Forecast, Span

TEACHER, BASELINE, STUDENT = Span(0.0008, 0.001, 0.0012), Span(0.0016, 0.002, 0.0024), Span(4e-5, 5e-5, 6e-5)
ROLES = ("teacher", "baseline", "student")


def foreseen(**changes: Any) -> Forecast:
    known: dict[str, Any] = {
        "mode": "on_demand",
        "requests_per_month": 1_000_000,
        "usd_per_request": {"teacher": TEACHER, "baseline": BASELINE, "student": STUDENT},
        "usd_per_unit_hour": 2.0,
        "units": 1,
        "pays_from_requests": None,
        "run_usd": 95.0,
        "min_cost_reduction": 0.9,
    }
    return Forecast(**{**known, **changes})


def test_without_a_volume_nothing_is_said_of_a_month() -> None:
    found = foreseen(requests_per_month=None)
    assert found.saved("teacher") is None
    assert found.months_to_recover("teacher") is None
    assert found.a_month("teacher") is None
    assert found.a_month("provisioned_throughput") == Span(1460, 1460, 1460)


def test_without_a_price_of_the_hour_only_on_demand_is_foreseen() -> None:
    found = foreseen(mode="provisioned_throughput", usd_per_unit_hour=None)
    on_demand = found.saved("teacher", "student")
    assert found.promoted is None
    assert found.saved("teacher") is None
    assert on_demand is not None
    assert (on_demand.low, on_demand.expected, on_demand.high) == pytest.approx((760, 950, 1140))


@pytest.mark.parametrize(
    ("change", "unknown"),
    [
        ({"requests_per_month": None}, "volume"),
        ({"usd_per_unit_hour": None}, "price of an hour"),
        ({"capacity_known": False}, "requests that a unit serves"),
    ],
)
def test_what_the_gate_will_not_know_of_a_throughput_is_told_and_the_price_by_the_token_is_not_taken_for_it(
    change: dict[str, Any], unknown: str
) -> None:
    # Given a threshold that the student misses by the token
    costs = {"min_cost_reduction": 0.96, **change}

    # When / Then
    assert foreseen(mode="provisioned_throughput", requests_per_month=10**9, capacity_known=True).unknown == []
    assert foreseen(mode="provisioned_throughput", **{"requests_per_month": 10**9, **costs}).unknown == [unknown]
    assert foreseen(**costs).unknown == []
    assert not list(foreseen(mode="provisioned_throughput", **{"requests_per_month": 10**9, **costs}).near_misses())


def test_a_student_that_costs_more_saves_less_than_nothing_and_earns_nothing_back() -> None:
    found = foreseen(mode="provisioned_throughput")
    saved = found.saved("teacher")
    assert saved is not None
    assert saved.expected == pytest.approx(1000 - 1460)
    assert found.months_to_recover("teacher") is None
    [miss] = found.near_misses()
    assert miss.misses
    assert miss.foreseen == pytest.approx(-0.46)


def test_the_saving_and_the_months_are_those_of_the_mode_that_is_promoted() -> None:
    found = foreseen()
    saved = found.saved("teacher")
    assert saved is not None
    assert (saved.low, saved.expected, saved.high) == pytest.approx((760, 950, 1140))
    assert found.months_to_recover("teacher") == pytest.approx(0.1)
    dearer = foreseen(mode="provisioned_throughput", requests_per_month=10_000_000).saved("baseline")
    assert dearer is not None
    assert dearer.expected == pytest.approx(20_000 - 1460)


@pytest.mark.parametrize(
    ("threshold", "told", "misses"), [(0.9, False, False), (0.94, True, False), (0.96, True, True)]
)
def test_a_rule_that_will_be_close_is_told_before_it_costs_anything(threshold: float, told: bool, misses: bool) -> None:
    found = list(foreseen(min_cost_reduction=threshold).near_misses())
    assert bool(found) is told
    if told:
        assert found[0].misses is misses
        assert found[0].foreseen == pytest.approx(0.95)


POSITIVE = st.floats(min_value=1e-7, max_value=1.0)


@given(st.tuples(POSITIVE, POSITIVE, POSITIVE), st.integers(1, 10**12), st.floats(0, 1))
def test_figures_are_in_order_and_the_document_is_whole(
    each: tuple[float, float, float], volume: int, threshold: float
) -> None:
    spans = {role: Span(usd * 0.75, usd, usd * 1.25) for role, usd in zip(ROLES, each, strict=True)}
    found = foreseen(usd_per_request=spans, requests_per_month=volume, min_cost_reduction=threshold)
    document = found.to_document()
    month = document["usd_per_month"]
    for role in ("teacher", "baseline"):
        saved = document["saved_usd_per_month"][role]
        assert saved["low"] <= saved["expected"] <= saved["high"]
        assert saved["expected"] == pytest.approx(month[role]["expected"] - month["student"]["expected"])
