"""Messages say what happened, what it costs and what to do next."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.notification import approval_message, outcome_message
from lambdas.domain.task_definition import Serving


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


def approval(serving: Serving, usd_per_hour: float | None) -> str:
    _, text = approval_message(
        environment="dev",
        run_id="video-1",
        task="video",
        serving=serving,
        usd_per_hour=usd_per_hour,
        expires="2026-11-27T08:00:00.000Z",
        report_uri="s3://runs/report.html",
        simulated=False,
    )
    return text


def serving(mode: str = "provisioned_throughput", commitment: str = "none") -> Serving:
    return Serving(mode=mode, model_units=1, commitment=commitment, expected_requests_per_month=None)


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


def test_what_approving_costs_is_said_before_anybody_approves() -> None:
    assert "$2.00 an hour, billed until it is deleted" in approval(serving(), 2.0)
    assert "price per hour that is not known" in approval(serving(), None)
    assert "SixMonths, which cannot be ended early" in approval(serving(commitment="SixMonths"), 2.0)
    assert "nothing bills by the hour" in approval(serving(mode="on_demand"), None)
