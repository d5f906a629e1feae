"""Each rule fails alone; the published figures pass; what pays is worked out from measured tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.break_even import BreakEven, work_out
from lambdas.domain.evaluation import ContestantSummary
from lambdas.domain.gate import GateLine, judge_gate, reasons, reduction
from lambdas.domain.prices import PriceLine
from lambdas.domain.task_definition import TaskDefinition
from tests.unit.domain.samples import BOOK, MICRO, published

HOUR = PriceLine(
    model=MICRO,
    usage="throughput",
    usd=20.0,
    unit="model unit hour",
    source="made up",
    date="2026-09-01",
    simulated=True,
)


def gate(
    summaries: dict[str, ContestantSummary], *, hour: bool = False, **document: Any
) -> tuple[list[GateLine], BreakEven]:
    task = TaskDefinition.from_document(document)
    even = work_out(summaries, task, BOOK.with_lines([HOUR] if hour else []), MICRO)
    return judge_gate(summaries, task, even), even


def failed(lines: list[GateLine]) -> list[str]:
    return [line.rule for line in lines if not line.passed]


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("min_judge_score", {"mean_score": 3.9}),
        ("min_schema_validity", {"schema_validity": 0.98}),
        ("min_cost_reduction", {"usd_per_1k_requests": 0.1}),
        ("min_latency_reduction", {"latency_mean_ms": 900.0}),
    ],
)
def test_each_rule_refuses_alone(rule: str, change: dict[str, float]) -> None:
    # Given the published figures with one of them worse
    summaries = published()
    summaries["student"] = replace(summaries["student"], **change)  # type: ignore[arg-type]

    # When
    lines, _ = gate(summaries)

    # Then
    assert failed(lines) == [rule]
    (reason,) = reasons(lines)
    assert reason.startswith(f"{rule}: measured ")
    assert "at least" in reason


def test_a_student_good_enough_by_itself_is_refused_below_a_better_baseline() -> None:
    # Given
    summaries = published()
    summaries["baseline"] = replace(summaries["baseline"], mean_score=4.5)

    # When
    lines, _ = gate(summaries)

    # Then
    assert reasons(lines) == ["max_quality_drop: measured 0.5, at most 0.2 (judge points below the baseline (4.50))"]


def test_the_published_student_at_three_point_seven_is_refused() -> None:
    # Given
    summaries = published()
    summaries["student"] = replace(summaries["student"], mean_score=3.7)

    # When / Then
    assert failed(gate(summaries)[0]) == ["min_judge_score", "max_quality_drop"]


def test_the_published_figures_pass_with_the_published_conclusions() -> None:
    # Given / When
    lines, _ = gate(published())

    # Then
    measured = {line.rule: line.measured for line in lines}
    assert failed(lines) == []
    assert reasons(lines) == []
    assert measured["min_latency_reduction"] == pytest.approx(0.52, abs=0.005)
    assert measured["min_cost_reduction"] > 0.95
    summaries = published()
    assert reduction(summaries["student"].usd_per_1k_requests, summaries["baseline"].usd_per_1k_requests) > 0.95


@pytest.mark.parametrize(("student", "reference"), [(3.8, 4.0), (4.1, 4.3), (4.4, 4.6)])
def test_a_drop_of_exactly_the_margin_passes(student: float, reference: float) -> None:
    # Given figures whose difference is not exactly 0.2 in binary
    summaries = published()
    summaries["student"] = replace(summaries["student"], mean_score=student)
    summaries["baseline"] = replace(summaries["baseline"], mean_score=reference)

    # When / Then
    assert failed(gate(summaries, gate={"min_judge_score": 3})[0]) == []


def test_the_teacher_as_reference_is_what_the_student_is_held_against() -> None:
    # Given
    summaries = published()
    summaries["teacher"] = replace(summaries["teacher"], mean_score=4.6)

    # When / Then
    assert failed(gate(summaries)[0]) == []
    assert failed(gate(summaries, gate={"reference": "teacher"})[0]) == ["max_quality_drop"]


def test_a_throughput_that_does_not_pay_at_the_expected_volume_is_refused() -> None:
    # Given $20 an hour, which is $14,600 a month, and a teacher who costs $1.41 per 1,000 requests
    serving = {"expected_requests_per_month": 1_000_000}

    # When
    lines, even = gate(published(), hour=True, serving=serving)

    # Then
    assert failed(lines) == ["min_cost_reduction"]
    assert even.usd_per_month is not None
    assert even.usd_per_month["student_provisioned_throughput"] == pytest.approx(14_600)
    assert "$14,600 against the teacher's $1,405" in reasons(lines)[0]
    assert even.price_simulated


def test_the_same_throughput_pays_at_a_large_volume() -> None:
    # Given / When
    lines, even = gate(published(), hour=True, serving={"expected_requests_per_month": 1_000_000_000})

    # Then the break-even against the student on demand is month / price of a request
    per_request = published()["student"].usd_per_1k_requests / 1000
    assert failed(lines) == []
    assert even.requests_per_month_at_break_even == pytest.approx(14_600 / per_request)


def test_without_a_price_of_an_hour_nothing_is_guessed() -> None:
    # Given / When
    lines, even = gate(published(), serving={"expected_requests_per_month": 1_000_000})

    # Then
    assert even.provisioned_throughput_usd_per_hour is None
    assert even.requests_per_month_at_break_even is None
    assert even.usd_per_month is not None
    assert even.usd_per_month["student_provisioned_throughput"] is None
    assert "price of a throughput hour is unknown" in next(line for line in lines if "cost" in line.rule).explanation


def test_the_hour_counts_every_unit() -> None:
    # Given
    task = TaskDefinition.from_document({"serving": {"model_units": 3}})

    # When
    even = work_out(published(), task, BOOK.with_lines([HOUR]), MICRO)

    # Then
    assert even.provisioned_throughput_usd_per_hour == 3 * HOUR.usd
    assert even.price_simulated is HOUR.simulated
    assert even.usd_per_month is None


@pytest.mark.parametrize("old", [0.0, -1.0])
def test_nothing_is_compared_with_nothing(old: float) -> None:
    # Given / When / Then
    with pytest.raises(ValueError, match="nothing can be compared"):
        reduction(1.0, old)
