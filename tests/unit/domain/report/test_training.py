"""The training's section: counts, tries and the loss curve, or that they are unknown."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.report.training import (
    COUNTS_UNKNOWN,
    LOSS_HEIGHT,
    failed_tries,
    loss_chart,
    outcome_facts,
    training_facts,
    training_phases,
)


def report(**training: Any) -> dict[str, Any]:
    return {"training": training}


def test_where_the_job_tells_nothing_the_page_says_unknown() -> None:
    # Given / When
    facts = outcome_facts(report(learnt={"sent": 120, "counts": None, "lost_share": None, "curve": []}))
    # Then
    assert {fact.label: fact.value for fact in facts}["Of these trained on"] == COUNTS_UNKNOWN
    assert loss_chart(report(learnt={"curve": []})) is None
    assert outcome_facts({}) == []


def test_counts_and_loss_are_told() -> None:
    # Given
    counts = {"processed": 1000, "accepted": 985, "partially_accepted": 5, "rejected": 10}
    learnt = {"sent": 1000, "counts": counts, "lost_share": 0.01, "first_loss": 2.5, "last_loss": 0.25, "steps": 60}
    # When
    facts = {fact.label: fact.value for fact in outcome_facts(report(learnt=learnt, pair_refused="not supported"))}
    # Then
    assert facts["Of these trained on"] == "985, 5 more in part (1% lost)"
    assert facts["Training loss, first to last"] == "2.5 to 0.25"
    assert facts["Distillation refused by Bedrock"] == "not supported"


def test_steps_without_a_loss_and_counts_of_more_than_was_sent_are_told() -> None:
    # Given
    counts = {"processed": 5000, "accepted": 4600, "partially_accepted": 0, "rejected": 400}
    learnt = {"sent": 1000, "counts": counts, "lost_share": 0.08, "last_loss": 0.5, "steps": 2, "steps_without_loss": 3}
    # When
    facts = {fact.label: fact.value for fact in outcome_facts(report(learnt=learnt))}
    # Then
    assert facts["Of these trained on"] == "4,600 of 5,000 that the job counts (8% lost)"
    assert facts["Steps"] == "2, and 3 without a loss: it was no number there, as when a training diverges"


def test_the_curve_falls_from_left_to_right() -> None:
    # Given
    curve = [{"step": step, "epoch": 0, "loss": 2.0 - step / 10} for step in range(11)]
    # When
    chart = loss_chart(report(learnt={"curve": curve}))
    # Then
    assert chart is not None
    points = [tuple(map(float, point.split(","))) for point in chart.points.split()]
    assert (points[0][0], points[-1][0]) == (0, 1000)
    assert all(0 <= y <= LOSS_HEIGHT for _, y in points)
    assert points[0][1] < points[-1][1]
    assert chart.takeaway == "The training loss went from 2 to 1."


@pytest.mark.parametrize(
    ("way", "mode", "labelled", "meaning"),
    [
        ("distillation", "label", 900, "distillation: Bedrock asks the teacher again and takes our answers as golden"),
        ("distillation", None, None, "distillation: Bedrock asks the teacher again and takes our answers as golden"),
        ("distillation", "golden", 200, "asks the teacher about every prompt and takes the 200 answers that the"),
        ("distillation", "golden", 0, "about every prompt; the training file has no answers"),
        ("distillation", "prompts_only", 0, "about every prompt; the training file has no answers"),
        ("distillation", "logged", 900, "on exactly the logged answers: Bedrock does not ask the teacher again"),
        ("fine_tuning", "label", 900, "fine-tuning on exactly the teacher's answers that this run collected"),
        ("fine_tuning", "logged", 900, "fine-tuning on exactly the teacher's answers of the invocation logs"),
        ("another way", "label", 900, "another way"),
        (None, "label", 900, "not measured"),
    ],
)
def test_the_way_of_training_is_told_with_what_the_student_learnt_from_and_why(
    way: str | None, mode: str | None, labelled: int | None, meaning: str
) -> None:
    # Given
    models = {"training": way, "training_reason": "the pair is closed"}
    training = report(records=900, mode=mode, labelled=labelled)

    # When
    facts = {fact.label: fact.value for fact in training_facts(training | {"models": models})}

    # Then
    assert meaning in facts["Way of training"]
    assert facts["Why this way"] == "The pair is closed"


def test_each_phase_has_its_status_its_beginning_and_its_duration() -> None:
    # Given a job whose training is under way
    began, then, later = "2026-11-24T10:00:00Z", "2026-11-24T10:05:00Z", "2026-11-24T12:05:00Z"
    phases = [
        {"name": "validation", "status": "Completed", "started_at": began, "ended_at": then},
        {"name": "data processing", "status": "Completed", "started_at": then, "ended_at": later},
        {"name": "training", "status": "InProgress", "started_at": later, "ended_at": None},
    ]

    # When
    rows = training_phases(report(phases=phases)).rows

    # Then
    assert [row[:2] for row in rows] == [
        ("validation", "Completed"),
        ("data processing", "Completed"),
        ("training", "InProgress"),
    ]
    assert ["10:00" in rows[0][2], rows[0][3], rows[1][3], rows[2][3]] == [True, "5 min", "2 h 00 min", "not measured"]


def test_a_failed_try_is_told_with_its_phases() -> None:
    # Given a job that was stopped while it prepared its data
    began, then = "2026-11-24T10:00:00Z", "2026-11-24T10:05:00Z"
    phases = [
        {"name": "validation", "status": "Completed", "started_at": began, "ended_at": then},
        {"name": "data processing", "status": "InProgress", "started_at": then, "ended_at": None},
        {"name": "training", "status": "NotStarted", "started_at": None, "ended_at": None},
    ]
    # When
    rows = failed_tries(report(failed_tries=[{"job_name": "job", "reason": "stalled", "phases": phases}, {}])).rows
    # Then
    assert rows[0][3] == (
        "validation Completed after 5 min; data processing InProgress since 24 Nov 2026, 10:05 UTC; training NotStarted"
    )
    assert rows[1][3] == "not measured"


@pytest.mark.parametrize("tries", [None, [], "broken", [{}]])
def test_tries_that_are_missing_or_broken_are_no_exception(tries: Any) -> None:
    # Given / When / Then
    assert len(failed_tries(report(failed_tries=tries)).rows) <= 1
