"""The training's section: counts, tries and the loss curve, or that they are unknown."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.report_page.training import LOSS_HEIGHT, UNKNOWN, failed_tries, loss_chart, outcome_facts


def report(**training: Any) -> dict[str, Any]:
    return {"training": training}


def test_where_the_job_tells_nothing_the_page_says_unknown() -> None:
    # Given / When
    facts = outcome_facts(report(learnt={"sent": 120, "counts": None, "lost_share": None, "curve": []}))
    # Then
    assert {fact.label: fact.value for fact in facts}["Of these trained on"] == UNKNOWN
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


@pytest.mark.parametrize("tries", [None, [], "broken", [{}]])
def test_tries_that_are_missing_or_broken_are_no_exception(tries: Any) -> None:
    # Given / When / Then
    assert len(failed_tries(report(failed_tries=tries)).rows) <= 1
