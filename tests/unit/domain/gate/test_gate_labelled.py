"""People's scores of a sample decide before the judge's pairs and never against trusted answers."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from lambdas.domain.evaluation.evidence import compared, evidence_document
from lambdas.domain.evaluation.labels import PeoplesLabels
from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.gate.evaluation_document import Evaluation, waits_for_a_person
from lambdas.domain.gate.quality_rules import JudgeRecord
from lambdas.domain.gate.rule_result import PROMOTE, REJECT, decide
from lambdas.domain.task.task_definition import TaskDefinition
from tests.gate_simulation.populations import Holdout, Population, draw, equal
from tests.gate_simulation.verdicts import TASK, verdict
from tests.unit.domain.gate.gate_samples import line_of

RECORDS = 300


def measurements(population: Population | None = None, **changes: Any) -> dict[str, list[Measurement]]:
    random = Random("labelled gate")  # noqa: S311 - a simulation
    return draw(population or equal(0.5), Holdout(records=RECORDS, **changes), random)


def people(found: dict[str, list[Measurement]], labels: int, human: float | None = None) -> PeoplesLabels:
    """Let people see what the pairs see, or the same difference everywhere."""
    ids = [item.record_id for item in found["student"]]
    pairs = {item.record_id: float((item.pair or {})["difference"]) for item in found["student"]}
    return PeoplesLabels(
        differences={one: pairs[one] if human is None else human for one in ids[:labels]},
        drawn_from=frozenset(ids),
        people=1,
        by=("arn",),
        calls=1,
        outdated=0,
        scored_twice=0,
        agreeing=None,
        apart=None,
    )


def decided(
    found: dict[str, list[Measurement]], labels: PeoplesLabels | None, evidence: str = "pairwise", **gate: Any
) -> tuple[str, Any]:
    task = TaskDefinition.from_document({**TASK, "gate": {**TASK["gate"], **gate}})
    lines = verdict(found, task, evidence, JudgeRecord(labels=labels))
    return decide(lines), line_of(lines, "max_quality_drop")


def test_a_few_labels_correct_nothing_and_pairs_decide() -> None:
    # Given
    found = measurements()

    # When
    _, line = decided(found, people(found, 19, human=-4.0))

    # Then
    assert (line.evidence, line.passed) == ("pairwise", True)


def test_people_who_see_a_worse_student_reject_it_whatever_the_pairs_say() -> None:
    # Given a judge that likes the student
    found = measurements()

    # When
    decision, line = decided(found, people(found, 100, human=-1.0))

    # Then
    assert (decision, line.evidence, line.passed, line.undecided) == (REJECT, "labelled", False, False)
    assert "the scores that 1 person gave 100 of them" in line.explanation


def test_people_who_agree_with_the_judge_let_a_good_student_through() -> None:
    # Given
    found = measurements()

    # When
    decision, line = decided(found, people(found, 100))

    # Then
    assert (decision, line.evidence, line.passed) == (PROMOTE, "labelled", True)


def test_labels_make_a_comparison_where_nothing_else_does() -> None:
    # Given a task that has no pairs asked about
    found = measurements()
    student = [replace(item, pair=None, answer=f"of {item.record_id}") for item in found["student"]]
    alone = {**found, "student": student}

    # When
    _, without = decided(alone, None, evidence="fidelity")
    _, line = decided(alone, people(found, 150), evidence="fidelity")

    # Then
    assert (without.evidence, without.undecided) == ("fidelity", True)
    assert (line.evidence, line.passed) == ("labelled", True)


def test_labels_hide_no_slice_that_is_lost_where_nothing_else_compares() -> None:
    # Given a judge and people who see a student that is three points worse in one of twenty records, a language
    found = measurements()
    rare = {item.record_id for item in found["student"][::20]}
    student = [
        replace(
            item,
            pair=None,
            answer=f"of {item.record_id}",
            score=1 if item.record_id in rare else 4,
            slices={"language": "de" if item.record_id in rare else "en"},
        )
        for item in found["student"]
    ]
    baseline = [replace(item, answer=f"by {item.record_id}", score=4) for item in found["baseline"]]
    seen = {item.record_id: -3.0 if item.record_id in rare else 0.0 for item in student}
    labels = replace(people(found, RECORDS), differences=seen)
    task = TaskDefinition.from_document(
        {**TASK, "gate": {**TASK["gate"], "min_judge_score": 1, "max_quality_drop": 0.5}}
    )

    # When
    lines = verdict({**found, "student": student, "baseline": baseline}, task, "fidelity", JudgeRecord(labels=labels))

    # Then
    assert line_of(lines, "max_quality_drop").passed
    assert line_of(lines, "slice_drop.language=de").undecided


@pytest.mark.parametrize("human", [-4.0, 4.0])
def test_labels_change_nothing_that_trusted_answers_say(human: float) -> None:
    # Given
    found = measurements()

    # When
    alone, with_people = (decided(found, labels, "trusted") for labels in (None, people(found, 100, human)))

    # Then
    assert alone == with_people
    assert with_people[1].evidence == "trusted"


def test_too_few_labels_leave_it_undecided_and_say_how_many_would_do() -> None:
    # Given people who see about what the judge sees, and differ from it by two points in each record
    found = measurements(equal(0.9))
    labels = people(found, 30)
    noisy = {
        record: value + (2 if number % 2 else -2) for number, (record, value) in enumerate(labels.differences.items())
    }
    labels = replace(labels, differences=noisy)

    # When
    task = TaskDefinition.from_document(TASK)
    lines = verdict(found, task, "pairwise", JudgeRecord(labels=labels))

    # Then
    drop, needed = line_of(lines, "max_quality_drop"), line_of(lines, "labelled_records")
    assert (drop.undecided, drop.acceptable, needed.kind, needed.measured) == (True, False, "informs", 30.0)
    assert needed.threshold > 30
    assert "'labelled_records' says how many" in drop.explanation


def test_an_answer_that_the_student_did_not_give_is_as_bad_as_can_be_whatever_people_say_of_others() -> None:
    # Given a fifth of the answers missing
    found = measurements()
    missing = {"against": "baseline", "difference": None, "outcome": "unanswered", "problem": "no answer"}
    student = [
        replace(item, answered=False, pair=missing) if number % 5 == 0 else item
        for number, item in enumerate(found["student"])
    ]
    labels = people(found, 150, human=0.0)
    given = frozenset(item.record_id for item in student if item.answered)
    asked = {record: value for record, value in labels.differences.items() if record in given}
    labels = replace(labels, drawn_from=given, differences=asked)

    # When
    decision, line = decided({**found, "student": student}, labels)

    # Then
    assert decision != PROMOTE
    assert line.bound > 0.8


def test_what_people_said_is_in_the_document_with_their_disagreement() -> None:
    # Given
    found = measurements()
    labels = replace(people(found, 100), people=2, calls=2, scored_twice=40, agreeing=0.75, apart=0.5)
    task = TaskDefinition.from_document(TASK)

    # When
    document = evidence_document(compared(found, task.gate, set(), labels), "fidelity", None, 1, labels)

    # Then
    said = document["labels"]
    assert document["comparison"] == "labelled"
    assert (said["records"], said["drawn_from"], said["people"], said["calls"]) == (100, RECORDS, 2, 2)
    assert (said["scored_twice"], said["agreeing"], said["apart"]) == (40, 0.75, 0.5)
    assert -0.3 < said["drop"] < 0.3


@pytest.mark.parametrize(
    ("approval", "evidence", "reasons", "waits"),
    [
        ("automatic", "pairwise", [], False),
        ("automatic", "labelled", [], True),
        ("automatic", "pairwise", [{"name": "a", "sentence": "b"}], True),
        ("required", "trusted", [], True),
    ],
)
def test_what_rests_on_peoples_scores_is_never_promoted_by_itself(
    approval: str, evidence: str, reasons: list[Any], *, waits: bool
) -> None:
    # Given
    evaluation: Evaluation = {"evidence": {"comparison": evidence}, "explicit_reasons": reasons}

    # When / Then
    assert waits_for_a_person(approval, evaluation) is waits
