"""Who uploads again and again gets another verdict on the same records each time: each must show more than the last."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from lambdas.domain.evaluation.labels import PeoplesLabels
from lambdas.domain.gate.quality_rules import JudgeRecord
from lambdas.domain.gate.rule_result import INSUFFICIENT_EVIDENCE, REJECT, decide
from lambdas.domain.gate.rules import judge_gate
from lambdas.domain.serving.break_even import work_out
from lambdas.domain.task.task_definition import TaskDefinition
from tests.gate_simulation.populations import Holdout, draw, equal, people_see
from tests.gate_simulation.verdicts import TASK
from tests.unit.domain.gate.gate_samples import failed, gate, line_of
from tests.unit.domain.samples import BOOK, MICRO, grouped, summaries

A_LITTLE_WORSE = {"score": 3.9}
GATE = {"min_judge_score": 3.5}


def test_what_the_first_look_shows_the_second_refuses() -> None:
    # Given a drop of 0.1 over 400 records
    measurements = grouped(student=A_LITTLE_WORSE)

    # When
    first, second = (gate(measurements, look=look, gate=GATE)[0] for look in (1, 2))

    # Then
    assert failed(first) == []
    assert failed(second) == ["max_quality_drop"]
    drop = line_of(second, "max_quality_drop")
    assert (drop.bound or 0) > (line_of(first, "max_quality_drop").bound or 0)
    assert "one-sided 0.983, since this is verdict 2 on the same records" in drop.explanation
    assert decide(second) == REJECT


def test_records_that_were_enough_for_the_first_look_are_not_called_enough_for_the_tenth() -> None:
    # Given
    measurements = grouped(student=A_LITTLE_WORSE)

    # When
    lines, _ = gate(measurements, look=10, gate=GATE)

    # Then
    needed = line_of(lines, "holdout_records").threshold
    assert needed > len(measurements["student"])
    assert f"{needed:.0f} records could decide it" in line_of(lines, "max_quality_drop").explanation
    assert decide(lines) == INSUFFICIENT_EVIDENCE


@pytest.mark.parametrize(("calls", "look"), [(1, 1), (2, 2), (4, 4)])
def test_each_sending_of_labels_is_another_look(calls: int, look: int) -> None:
    # Given
    random = Random("sendings")  # noqa: S311 - a simulation
    measurements = draw(equal(0.5), Holdout(records=300), random)
    labels: PeoplesLabels = replace(people_see(measurements, 100, random), calls=calls)
    task, added_up = TaskDefinition.from_document(TASK), summaries(measurements)
    even = work_out(added_up, task, BOOK, MICRO)

    # When
    result = judge_gate(measurements, added_up, task, even, JudgeRecord(labels=labels), (), frozenset())

    # Then
    assert (result.comparison.evidence, result.look) == ("labelled", look)
    said = f"this is verdict {look} on the same records" in line_of(result.lines, "max_quality_drop").explanation
    assert said == (look > 1)
