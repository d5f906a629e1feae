"""Each rule fails alone; the published figures pass; what pays is worked out from measured tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.evaluation.contestant_summary import summarise
from lambdas.domain.explicit_reasons import sentences
from lambdas.domain.gate.cost_rule import reduction
from lambdas.domain.gate.quality_rules import JudgeRecord, worse_than_champion
from lambdas.domain.gate.rule_result import INSUFFICIENT_EVIDENCE, PROMOTE, REJECT, decide, reasons
from lambdas.domain.gate.rules import judge_gate
from lambdas.domain.serving.break_even import work_out
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.domain.gate.gate_samples import accepted_alone, failed, gate, line_of, task_of
from tests.unit.domain.samples import BOOK, HAIKU, MICRO, PUBLISHED, grouped, measured, published, summaries


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("min_judge_score", {"score": 3.9}),
        ("min_schema_validity", {"broken": 16}),
        ("min_cost_reduction", {"model": HAIKU}),
        ("min_latency_reduction", {"latency_ms": 900.0}),
    ],
)
def test_each_rule_refuses_alone(rule: str, change: dict[str, Any]) -> None:
    # Given the published figures with one of them worse
    measurements = grouped(student=change)
    task = task_of()
    added_up = summaries(measurements)
    if rule == "min_cost_reduction":
        added_up["student"] = summarise(measurements["student"], HAIKU, BOOK)

    # When
    even = work_out(added_up, task, BOOK, MICRO)
    lines = judge_gate(measurements, added_up, task, even, JudgeRecord()).lines

    # Then
    assert failed(lines) == [rule]
    assert decide(lines) == REJECT
    (reason,) = reasons(lines)
    assert reason.startswith(f"{rule}: measured ")
    assert "at least" in reason


def test_a_student_good_enough_by_itself_is_refused_below_a_better_baseline() -> None:
    # Given / When
    lines, _ = gate(grouped(baseline={"score": 4.5}))

    # Then even the smallest drop that the measurements allow is too large
    assert failed(lines) == ["max_quality_drop"]
    assert decide(lines) == REJECT
    assert "measured 0.5" in reasons(lines)[0]
    assert "even the smallest" in reasons(lines)[0]


def test_the_published_student_at_three_point_seven_is_refused() -> None:
    # Given / When
    lines, _ = gate(grouped(student={"score": 3.7}))

    # Then
    assert failed(lines) == ["min_judge_score", "max_quality_drop"]
    assert decide(lines) == REJECT


def test_the_published_figures_pass_with_the_published_conclusions() -> None:
    # Given / When
    lines, _ = gate(grouped())

    # Then
    assert failed(lines) == []
    assert reasons(lines) == []
    assert decide(lines) == PROMOTE
    assert line_of(lines, "min_latency_reduction").measured == pytest.approx(0.52, abs=0.005)
    assert (line_of(lines, "min_cost_reduction").measured or 0) > 0.95
    drop = line_of(lines, "max_quality_drop")
    assert drop.measured == pytest.approx(0.0)
    assert drop.bound is not None
    assert 0 < drop.bound < 0.2
    costs = {role: summary.usd_per_1k_requests for role, summary in published().items()}
    assert reduction(costs["student"], costs["baseline"]) > 0.95


def test_the_teacher_as_reference_is_what_the_student_is_held_against() -> None:
    # Given
    measurements = grouped(teacher={"score": 4.6})

    # When / Then
    assert failed(gate(measurements)[0]) == []
    assert failed(gate(measurements, gate={"reference": "teacher"})[0]) == ["max_quality_drop"]


def test_too_few_records_for_the_margin_are_no_verdict_and_the_number_needed_is_said() -> None:
    # Given the published scores over twelve records
    few = {role: {"records": 12} for role in PUBLISHED}

    # When
    lines, _ = gate(grouped(**few))

    # Then
    assert failed(lines) == ["max_quality_drop", "holdout_records"]
    assert decide(lines) == INSUFFICIENT_EVIDENCE
    needed = line_of(lines, "holdout_records").threshold
    assert f"{needed:.0f} records could decide it" in line_of(lines, "max_quality_drop").explanation
    assert 12 < needed < 300
    assert all("insufficient evidence" in reason for reason in reasons(lines))


def test_enough_records_that_do_not_show_it_are_a_refusal() -> None:
    # Given a drop of 0.18 with the promised number of records
    lines, _ = gate(grouped(student={"score": 4.0}, baseline={"score": 4.18}))

    # When / Then
    drop = line_of(lines, "max_quality_drop")
    assert failed(lines) == ["max_quality_drop"]
    assert not drop.undecided
    assert drop.bound is not None
    assert drop.measured is not None
    assert drop.measured < 0.2 < drop.bound
    assert decide(lines) == REJECT


def test_every_value_of_a_named_slice_has_its_floor() -> None:
    # Given a student that fails on a quarter of the records, which its mean of the rest makes up for
    measurements = grouped(student={"score": 4.6})
    measurements["student"] = [
        replace(item, score=2) if item.slices["intent"] == "visual" else item for item in measurements["student"]
    ]

    # When
    lines, _ = gate(measurements, gate={"slices": {"intent": 3.5}, "min_judge_score": 3.5, "max_quality_drop": 1})

    # Then
    assert failed(lines) == ["slices.intent=visual"]
    assert line_of(lines, "slices.intent=audio").passed
    assert decide(lines) == REJECT


def test_a_slice_that_no_record_has_or_few_records_have_needs_a_person() -> None:
    # Given nine records of a slice, and none of another
    measurements = grouped()
    measurements["student"] = [
        replace(item, slices={"rare": "yes"} if number < 9 else {})
        for number, item in enumerate(measurements["student"])
    ]

    # When
    lines, _ = gate(measurements, gate={"slices": {"rare": 1, "absent": 1}})

    # Then
    assert failed(lines) == ["slices.absent", "slices.rare=yes"]
    assert accepted_alone(lines) == ["slices.absent", "slices.rare=yes"]


@pytest.mark.parametrize("role", ["student", "baseline"])
@pytest.mark.parametrize(("timed", "passed"), [(0, False), (9, False), (10, True)])
def test_latency_that_was_hardly_ever_measured_needs_a_person(role: str, timed: int, *, passed: bool) -> None:
    # Given a contestant that was throttled at nearly every record
    measurements = grouped()
    measurements[role] = [replace(item, throttled=number >= timed) for number, item in enumerate(measurements[role])]

    # When
    lines, _ = gate(measurements)

    # Then
    assert failed(lines) == ([] if passed else ["min_latency_reduction"])
    assert accepted_alone(lines) == ([] if passed else ["min_latency_reduction"])


def test_a_baseline_without_a_clock_needs_a_person_and_is_no_crash() -> None:
    # Given / When
    lines, _ = gate(grouped(baseline={"latency_ms": 0.0}))

    # Then
    assert failed(lines) == ["min_latency_reduction"]
    assert accepted_alone(lines) == ["min_latency_reduction"]


@pytest.mark.parametrize(("role", "decision"), [("student", REJECT), ("teacher", INSUFFICIENT_EVIDENCE)])
def test_a_contestant_that_answered_nothing_is_not_called_cheap(role: str, decision: str) -> None:
    # Given
    measurements = grouped()
    nothing = {"answered": False, "score": 1, "problem": "refused", "input_tokens": 0, "output_tokens": 0}
    measurements[role] = [replace(item, **nothing) for item in measurements[role]]  # type: ignore[arg-type]

    # When
    lines, _ = gate(measurements)

    # Then nothing is said of its price, and there is no crash
    cost = line_of(lines, "min_cost_reduction")
    assert (cost.measured, cost.passed, cost.undecided) == (None, False, True)
    assert f"no answer of the {role} has a price: 400 were not given" in cost.explanation
    assert decide(lines) == decision


@pytest.mark.parametrize(("score", "said"), [(None, False), (3.5, False), (4.0, False), (4.15, True), (4.6, True)])
def test_a_student_worse_than_the_champion_that_it_would_replace_needs_a_word(
    score: float | None, *, said: bool
) -> None:
    # Given a student at 4.0, as good as the baseline, and a champion that is not measured or measured at this score
    measurements = grouped()
    if score is not None:
        measurements["champion"] = measured("champion", replace(PUBLISHED["student"], score=score))

    # When
    lines, _ = gate({role: found for role, found in measurements.items() if role != "champion"})
    found = worse_than_champion(measurements, TaskDefinition.default().gate)

    # Then no rule of the gate asks for it
    assert decide(lines) == PROMOTE
    assert len(found) == said
    assert all("within 0.2 judge points of the champion" in text for text in sentences(found))


@pytest.mark.parametrize("old", [0.0, -1.0])
def test_nothing_is_compared_with_nothing(old: float) -> None:
    # Given / When / Then
    with pytest.raises(ValueError, match="nothing can be compared"):
        reduction(1.0, old)
