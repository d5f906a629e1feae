"""Messages say what happened, what it costs and what to do next."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.serving.notification import outcome_message


def outcome(**changes: Any) -> tuple[str, str]:
    known = {
        "environment": "dev",
        "run_id": "video-1",
        "task": "video",
        "outcome": "FAILED",
        "reason": "BudgetExceeded: too dear",
        "report_uri": "s3://runs/report.html",
        "simulated": False,
        "may_be_retried": True,
    }
    return outcome_message(**{**known, **changes})


@pytest.mark.parametrize("possible", [True, False])
def test_a_retry_is_offered_where_one_is_possible(possible: bool) -> None:
    # Given / When
    _, text = outcome(may_be_retried=possible)
    # Then
    assert ("retry video-1" in text) is possible


def test_a_subject_is_short_ascii_whatever_the_task_is_called() -> None:
    # Given / When
    subject, _ = outcome(task="ü" * 200)
    # Then: SNS refuses 100 characters and more, and anything but ASCII
    assert subject.isascii()
    assert len(subject) < 100


def test_simulated_figures_are_called_simulated() -> None:
    assert "simulated" not in outcome()[1]
    assert "All figures are simulated." in outcome(simulated=True)[1]
