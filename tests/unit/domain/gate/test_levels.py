"""Levels are refused where they are shown to be missed; what cannot be told needs a person; a lost class is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.gate.quality_rules import JudgeRecord
from lambdas.domain.gate.rule_result import INFORMS, MAY_BE_ACCEPTED, PROMOTE, REJECT, decide, to_accept
from lambdas.domain.gate.rules import judge_gate
from lambdas.domain.serving.break_even import work_out
from tests.unit.domain.gate.gate_samples import accepted_alone, failed, gate, line_of, task_of
from tests.unit.domain.samples import BOOK, MICRO, grouped, summaries

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"queue": {"enum": ["billing", "repair", "fraud"]}, "urgent": {"type": "boolean"}},
}


@pytest.mark.parametrize(
    ("records", "broken", "shown"),
    [(100, 1, None), (99, 2, False), (150, 3, False), (150, 6, True), (400, 8, False), (400, 10, True)],
)
def test_broken_answers_refuse_only_where_so_many_cannot_be_chance(
    records: int, broken: int, *, shown: bool | None
) -> None:
    # Given answers of which a few break the schema, beside a floor of 0.99
    measurements = grouped(**{role: {"records": records} for role in ("student", "baseline", "teacher")})
    measurements["student"] = [
        replace(item, problem="not JSON" if number < broken else None)
        for number, item in enumerate(measurements["student"])
    ]

    # When
    lines, _ = gate(measurements, gate={"max_quality_drop": 0.5, "min_judge_score": 3})

    # Then
    line = line_of(lines, "min_schema_validity")
    assert (line.passed, line.undecided) == (shown is None and broken / records <= 0.01, shown is False)
    if broken / records > 0.01:
        assert decide(lines) == (REJECT if shown else PROMOTE)
        assert [reason["name"] for reason in to_accept(lines)] == ([] if shown else ["min_schema_validity"])


def test_every_valid_answer_of_270_passes_a_floor_that_its_bound_cannot_reach() -> None:
    # Given 270 of 270, whose lower bound is 0.989
    measurements = grouped(**{role: {"records": 270} for role in ("student", "baseline", "teacher")})

    # When
    lines, _ = gate(measurements)

    # Then
    assert line_of(lines, "min_schema_validity").passed
    assert (decide(lines), to_accept(lines)) == (PROMOTE, [])


@pytest.mark.parametrize(("latency_ms", "noise", "decision", "asks"), [(900, 0.0, REJECT, 0), (890, 0.9, PROMOTE, 1)])
def test_a_latency_near_its_limit_is_refused_only_where_the_times_show_it(
    latency_ms: float, noise: float, decision: str, asks: int
) -> None:
    # Given a student that needs a little more than half the baseline's time, steadily or not
    measurements = grouped(student={"latency_ms": float(latency_ms)})
    measurements["student"] = [
        replace(item, latency_ms=item.latency_ms * (1 + noise * (1 if number % 4 < 2 else -1)))
        for number, item in enumerate(measurements["student"])
    ]

    # When
    lines, _ = gate(measurements)

    # Then
    line = line_of(lines, "min_latency_reduction")
    assert failed(lines) == ["min_latency_reduction"]
    assert (decide(lines), len(to_accept(lines))) == (decision, asks)
    assert line.bound is not None
    assert line.measured is not None
    assert line.measured < 0.5
    assert "95 of 100 answers come within" in line.explanation


def test_five_slices_of_a_small_holdout_do_not_refuse_a_good_student() -> None:
    # Given 99 records in slices of 40, 25, 20, 10 and 5 %, whose floor the student is well above
    shares = [("a", 40), ("b", 65), ("c", 85), ("d", 95), ("e", 99)]
    measurements = grouped(**{role: {"records": 99, "score": 4.5} for role in ("student", "baseline", "teacher")})
    measurements["student"] = [
        replace(item, slices={"kind": next(name for name, end in shares if number < end)})
        for number, item in enumerate(measurements["student"])
    ]

    # When
    lines, _ = gate(measurements, gate={"slices": {"kind": 4.0}, "max_quality_drop": 0.5})

    # Then the one of four records is what a person is asked about, and nothing else
    assert accepted_alone(lines) == ["slices.kind=e"]


def test_a_slice_below_its_floor_is_refused_when_that_is_shown_over_all_slices() -> None:
    # Given twenty slices, one of them far below its floor and one by half a point
    measurements = grouped(student={"score": 4.5}, baseline={"score": 4.0})
    measurements["student"] = [
        replace(
            item,
            slices={"kind": f"k{number % 20:02}"},
            score={0: 2, 1: 3 + (number // 20) % 2}.get(number % 20, item.score),
        )
        for number, item in enumerate(measurements["student"])
    ]

    # When
    lines, _ = gate(measurements, gate={"slices": {"kind": 4.0}, "min_judge_score": 3.0, "max_quality_drop": 0.5})

    # Then
    far, near = line_of(lines, "slices.kind=k00"), line_of(lines, "slices.kind=k01")
    assert (far.passed, far.undecided) == (False, False)
    assert "shown to be below, by Holm over slices" in far.explanation
    assert (near.measured, near.passed) == (3.5, False)
    assert decide(lines) == REJECT


@pytest.mark.parametrize(("slices", "shown"), [(1, True), (20, False)])
def test_the_more_slices_have_a_floor_the_less_chance_refuses_one(slices: int, *, shown: bool) -> None:
    # Given a slice of twenty records at 3.7, of a floor of 4.0, beside others that are above it
    measurements = grouped(student={"score": 4.5}, baseline={"score": 4.0})
    low = [3] * 8 + [4] * 10 + [5] * 2
    measurements["student"] = [
        replace(item, slices={"kind": "k00"}, score=low[number])
        if number < len(low)
        else replace(item, slices={"kind": f"k{number % (slices - 1) + 1:02}"} if slices > 1 else {})
        for number, item in enumerate(measurements["student"])
    ]

    # When
    lines, _ = gate(measurements, gate={"slices": {"kind": 4.0}, "max_quality_drop": 0.5})

    # Then
    line = line_of(lines, "slices.kind=k00")
    assert (line.passed, line.undecided) == (False, not shown)
    assert decide(lines) == (REJECT if shown else PROMOTE)
    assert [reason["name"] for reason in to_accept(lines)] == ([] if shown else ["slices.kind=k00"])


def test_a_student_that_always_gives_the_majority_answer_needs_a_person_who_knows_it() -> None:
    # Given answers of which 3.8 % should be fraud, and a student that never says so
    measurements = grouped()
    measurements["student"] = [
        replace(
            item,
            reference='{"queue": "fraud", "urgent": true}' if number % 26 == 0 else '{"queue": "billing"}',
            answer='{"queue": "billing"}',
        )
        for number, item in enumerate(measurements["student"])
    ]
    task, added_up = task_of(output_schema=SCHEMA), summaries(measurements)

    # When
    lines = judge_gate(measurements, added_up, task, work_out(added_up, task, BOOK, MICRO), JudgeRecord()).lines

    # Then
    assert accepted_alone(lines) == ['recall.queue="fraud"', "recall.urgent=true"]
    lost = line_of(lines, 'recall.queue="fraud"')
    assert (lost.measured, lost.threshold) == (0, 0.5)
    assert "0 of the 16 records" in lost.explanation
    assert line_of(lines, "recall.queue").measured == 1.0
    assert "misses answers of this kind" in to_accept(lines)[1]["sentence"]


def test_what_a_person_may_accept_is_said_for_every_rule_of_the_list() -> None:
    # Given / When / Then
    assert all(sentence and not sentence.endswith(".") for sentence in MAY_BE_ACCEPTED.values())
    lines, _ = gate(grouped())
    assert {line.rule for line in lines if line.kind == INFORMS} == {"holdout_records"}
