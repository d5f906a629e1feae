"""Messages say what happened, what it costs and what to do next."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.notification import outcome_message


def outcome(**changes: Any) -> tuple[str, str]:
    known = {
        "environment": "dev",
        "run_id": "video-1",
        "task": "video",
        "outcome": "FAILED",
        "reason": "BudgetExceeded: too dear",
        "report_uri": "s3://runs/report.html",
        "simulated": False,
    }
    return outcome_message(**{**known, **changes})


@pytest.mark.parametrize(("ended", "offered"), [("FAILED", True), ("EXPIRED", True), ("REJECTED", False)])
def test_a_retry_is_offered_where_one_is_possible(ended: str, offered: bool) -> None:
    # Given / When
    _, text = outcome(outcome=ended)
    # Then
    assert ("retry video-1" in text) is offered


def test_a_subject_is_short_ascii_whatever_the_task_is_called() -> None:
    # Given / When
    subject, _ = outcome(task="ü" * 200)
    # Then: SNS refuses 100 characters and more, and anything but ASCII
    assert subject.isascii()
    assert len(subject) < 100


def test_simulated_figures_are_called_simulated() -> None:
    assert "simulated" not in outcome()[1]
    assert "All figures are simulated." in outcome(simulated=True)[1]
