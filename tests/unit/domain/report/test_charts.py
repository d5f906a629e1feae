"""Charts: what is drawn where, and what is said about it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.report.break_even import PLOT_HEIGHT, STUDENT_ON_THROUGHPUT, break_even_chart
from lambdas.domain.report.charts import cost_chart, latency_chart, quality_chart
from lambdas.domain.report.comparison import comparison_rows
from lambdas.domain.report.figures import plain
from lambdas.domain.report.scales import LogScale, linear_ticks

Sample = Callable[[str], dict[str, Any]]


def test_without_measurements_there_are_no_charts() -> None:
    # Given contestants of which nothing was measured
    rows = comparison_rows({"contestants": [{"role": "student"}, {"role": "baseline"}]})
    # When
    charts = [quality_chart(rows, None), latency_chart(rows), cost_chart(rows), break_even_chart({}, rows)]
    # Then
    assert charts == [None] * 4


def test_quality_shows_mean_interval_distribution_and_the_gate(sample: Sample) -> None:
    # Given
    report = sample("promoted")
    # When
    chart = quality_chart(comparison_rows(report), report["gate"])
    # Then the axis runs from 0.5 to 5.5, so that 4 is at 70 %
    assert chart is not None
    assert chart.floor is not None
    assert chart.floor.at == pytest.approx(70)
    student = chart.strips[0]
    assert student.value == "4.29 (4.19 to 4.40)"
    assert student.low is not None
    assert student.mean is not None
    assert student.high is not None
    assert student.low < student.mean < student.high
    assert sum(column.share for column in student.columns) == pytest.approx(1)
    assert chart.takeaway == (
        "The student scores 4.29 of 5: 1.75 above the undistilled student and level with the baseline."
    )


def test_a_contestant_without_interval_or_distribution_keeps_its_mean(sample: Sample) -> None:
    # Given
    report = sample("promoted")
    report["contestants"][2]["judge_score"] = {"mean": 4.2, "ci95": None, "distribution": None}
    # When
    chart = quality_chart(comparison_rows(report), None)
    # Then
    assert chart is not None
    assert chart.floor is None
    assert (chart.strips[0].low, chart.strips[0].columns, chart.strips[0].value) == (None, (), "4.20")


def test_latency_starts_at_zero_and_has_room_for_the_slowest(sample: Sample) -> None:
    # Given
    rows = comparison_rows(sample("promoted"))
    # When
    chart = latency_chart(rows)
    # Then
    assert chart is not None
    assert [tick.label for tick in chart.ticks] == ["0 ms", "1,000 ms", "2,000 ms", "3,000 ms"]
    assert chart.bars[0].p50 == pytest.approx(401 / 3000 * 100, abs=0.01)
    assert chart.takeaway == "The student is 76.2% faster than the baseline and 68% faster than the teacher."


@pytest.mark.parametrize(
    ("p50", "p95", "expected"),
    [
        (401, 950, "p50 401 · p95 950 ms"),
        (9_800, 12_300, "p50 9,800 ms · p95 12.3 s"),
        (11_000, 12_300, "p50 11.0 s · p95 12.3 s"),
        (401, None, "p50 401 ms · p95 not measured"),
    ],
)
def test_a_time_keeps_its_unit_where_the_other_has_another(p50: float, p95: float | None, expected: str) -> None:
    # Given
    rows = comparison_rows({"contestants": [{"role": "student", "latency_ms": {"p50": p50, "p95": p95}}]})
    # When
    chart = latency_chart(rows)
    # Then
    assert chart is not None
    assert chart.bars[0].value == expected


def test_cost_is_on_a_logarithmic_axis_and_zero_has_no_place_there() -> None:
    # Given a free teacher
    costs = {"student": 0.01, "baseline": 1.0, "teacher": 0.0}
    rows = comparison_rows({"contestants": [{"role": role, "usd_per_1k_requests": usd} for role, usd in costs.items()]})
    # When
    chart = cost_chart(rows)
    # Then
    assert chart is not None
    assert [dot.at for dot in chart.dots] == [0, 100, None]
    assert chart.has_zero
    assert chart.dots[1].value == "$1.00 · 100\N{MULTIPLICATION SIGN} student"
    assert chart.takeaway == "The student is 99% cheaper than the baseline."


def test_a_dearer_student_is_called_dearer() -> None:
    # Given
    costs = {"student": 2.0, "baseline": 1.0}
    rows = comparison_rows({"contestants": [{"role": role, "usd_per_1k_requests": usd} for role, usd in costs.items()]})
    # When
    chart = cost_chart(rows)
    # Then
    assert chart is not None
    assert chart.takeaway == "The student is 100% dearer than the baseline."


def test_the_break_even_lies_where_the_two_lines_of_the_student_cross(sample: Sample) -> None:
    # Given
    report = sample("promoted")
    # When
    chart = break_even_chart(report, comparison_rows(report))
    # Then the rising line has, at the mark, the height of the level one
    assert chart is not None
    lines = {line.key: line for line in chart.lines}
    rising, level = lines["student_on_demand"], lines[STUDENT_ON_THROUGHPUT]
    assert chart.break_even is not None
    at_mark = rising.y_left + (rising.y_right - rising.y_left) * chart.break_even.at / 100
    assert at_mark == pytest.approx(level.y_left, abs=0.1)
    assert level.y_left == level.y_right == chart.break_even.y
    assert 0 < level.y_left < PLOT_HEIGHT
    assert chart.takeaway == (
        "Provisioned throughput costs $0.62 per hour, whether it is used or not. "
        "It is cheaper than the student on demand from 37,613,230 requests a month on. "
        "At the expected 50,000,000 requests a month the cheapest is the student on provisioned throughput, "
        "at $452.60 a month."
    )
    assert chart.price_simulated


def test_without_an_expected_volume_lines_come_from_measured_costs(sample: Sample) -> None:
    # Given a report without expected volume: the months are null
    report = sample("expired")
    # When
    chart = break_even_chart(report, comparison_rows(report))
    # Then
    assert chart is not None
    assert chart.expected is None
    assert chart.break_even is not None
    assert [line.at_expected for line in chart.lines] == [""] * 4
    assert "At the expected" not in chart.takeaway


def test_without_a_price_of_throughput_the_other_ways_are_still_drawn(sample: Sample) -> None:
    # Given
    report = sample("promoted")
    report["break_even"] |= {"provisioned_throughput_usd_per_hour": None, "requests_per_month_at_break_even": None}
    report["break_even"]["usd_per_month"]["student_provisioned_throughput"] = None
    # When
    chart = break_even_chart(report, comparison_rows(report))
    # Then
    assert chart is not None
    assert [line.key for line in chart.lines] == ["teacher", "baseline", "student_on_demand"]
    assert chart.break_even is None


def priced(report: dict[str, Any], *, capacity: float | None, **hours: float) -> dict[str, Any]:
    """Give the sample prices of commitments beside its own $0.62 an hour of one unit."""
    rows = [{"commitment": term, "usd_per_unit_hour": usd} for term, usd in {"none": 0.62, **hours}.items()]
    report["break_even"] |= {"commitment": "none", "model_units": 1, "throughputs": rows}
    report["break_even"] |= {"unit_requests_per_month": capacity}
    return report


def test_every_commitment_of_which_the_price_is_known_is_drawn_and_the_others_are_named(sample: Sample) -> None:
    # Given a price of one month, none of six
    report = priced(sample("promoted"), capacity=None, OneMonth=0.5)
    # When
    chart = break_even_chart(report, comparison_rows(report))
    # Then
    assert chart is not None
    lines = {line.key: line for line in chart.lines}
    assert list(lines) == ["teacher", "baseline", "student_on_demand", STUDENT_ON_THROUGHPUT, "commitment_OneMonth"]
    assert lines["commitment_OneMonth"].name == "Student, provisioned throughput, one month"
    assert lines["commitment_OneMonth"].at_expected == "$365.00"
    assert lines["commitment_OneMonth"].y_left > lines[STUDENT_ON_THROUGHPUT].y_left
    assert "The price of throughput for six months is unknown." in chart.unknown
    assert "drawn for one model unit: which volume that serves is unknown" in chart.unknown
    assert "the cheapest is the student on provisioned throughput, one month, at $365.00" in chart.takeaway


def test_where_it_is_known_what_a_unit_serves_throughput_rises_by_the_unit(sample: Sample) -> None:
    # Given units for 30 million requests each, and 50 million expected
    report = priced(sample("promoted"), capacity=30e6, OneMonth=0.5, SixMonths=0.4)
    # When
    chart = break_even_chart(report, comparison_rows(report))
    # Then two units are paid at the expected volume, and each step goes straight up
    assert chart is not None
    lines = {line.key: line for line in chart.lines}
    assert lines[STUDENT_ON_THROUGHPUT].at_expected == "$905.20"
    assert lines["commitment_SixMonths"].at_expected == "$584.00"
    corners = [tuple(map(float, corner.split(","))) for corner in lines[STUDENT_ON_THROUGHPUT].points.split()]
    assert [x for x, _ in corners] == sorted(x for x, _ in corners)
    assert [y for _, y in corners] == sorted((y for _, y in corners), reverse=True)
    rises = [(first, second) for first, second in itertools.pairwise(corners) if first[1] != second[1]]
    assert len(rises) > 3
    assert all(first[0] == second[0] for first, second in rises[:-1])
    assert chart.unknown == ""


def test_a_commitment_that_nobody_knows_is_not_drawn(sample: Sample) -> None:
    # Given a text where a commitment should stand
    report = priced(sample("promoted"), capacity=None, **{'"><script>': 0.1})
    # When
    chart = break_even_chart(report, comparison_rows(report))
    # Then
    assert chart is not None
    assert len(chart.lines) == 4


@given(st.floats(min_value=1e-9, max_value=1e12))
def test_linear_axes_hold_the_largest_value_and_have_few_round_ticks(largest: float) -> None:
    # Given any largest value
    # When
    scale, ticks = linear_ticks(largest, plain)
    # Then
    assert scale.high >= largest * 0.999
    assert scale.high <= largest * 3
    assert 2 <= len(ticks) <= 7
    assert (ticks[0].at, ticks[-1].at) == (0, 100)


@given(st.lists(st.floats(min_value=1e-9, max_value=1e12), min_size=1, max_size=6))
def test_logarithmic_axes_hold_every_value(values: list[float]) -> None:
    # Given any positive values
    # When
    scale = LogScale.around(values)
    # Then
    assert all(-1e-6 <= scale.at(value) <= 100 + 1e-6 for value in values)
    assert len(scale.ticks(plain)) <= 8
    assert all(math.isfinite(tick.at) for tick in scale.ticks(plain))


@given(
    st.floats(min_value=1e3, max_value=1e12),
    st.floats(min_value=1e-3, max_value=1e3),
)
def test_labels_of_the_volumes_stand_on_the_side_that_has_room(expected: float, ratio: float) -> None:
    # Given any expected volume and any break-even, far apart or close together
    facts = {
        "mode": "provisioned_throughput",
        "expected_requests_per_month": expected,
        "requests_per_month_at_break_even": expected * ratio,
        "provisioned_throughput_usd_per_hour": 2.0,
        "usd_per_month": {"teacher": 100.0, "baseline": 200.0, "student_on_demand": 10.0},
    }
    # When
    chart = break_even_chart({"break_even": facts}, [])
    # Then a label never begins in the last half or ends in the first: a telephone has no room there
    assert chart is not None
    for mark in (chart.expected, chart.break_even):
        assert mark is not None
        assert mark.anchor == ("end" if mark.at > 50 else "start")
