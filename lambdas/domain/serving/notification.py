"""Messages to people. They name runs, outcomes and places, and never carry prompts or answers."""

from __future__ import annotations

from typing import Any

from lambdas.domain.prices.price_book import HOURS_A_MONTH
from lambdas.domain.text.plain_text import one_line

MAX_SUBJECT = 100
"""SNS takes subjects of fewer than 100 ASCII characters (SNS API reference, Publish)."""


def outcome_message(
    *,
    environment: str,
    run_id: str,
    task: str,
    outcome: str,
    reason: str,
    report_uri: str,
    simulated: bool,
    may_be_retried: bool,
) -> tuple[str, str]:
    """Write subject and text about a run that has ended."""
    note = "All figures are simulated.\n" if simulated else ""
    retry = f"Try it again without buying twice: python -m cli retry {run_id}\n" if may_be_retried else ""
    text = (
        f"Run {run_id} of task {task} ({environment}) ended {outcome}.\n"
        f"{one_line(reason)}\n{note}Report: {report_uri}\n{retry}"
    )
    return subject_line(f"{outcome}: distillation of {task} ({environment})"), text


def serving_message(*, environment: str, run_id: str, task: str, endpoint_arn: str, minutes: int) -> tuple[str, str]:
    """Write subject and text about a student that serves and is watched before its run ends."""
    text = (
        f"The student of run {run_id} serves task {task} ({environment}) at {endpoint_arn}.\n"
        f"Its errors and latency are watched for {minutes} minutes; if they are bad the former champion is put back.\n"
        f"The report follows then. Roll back by hand: python -m cli rollback {task}\n"
    )
    return subject_line(f"Serving: distillation of {task} ({environment})"), text


def unknown_run_message(*, environment: str, run_id: str, problem: str) -> tuple[str, str]:
    """Write subject and text about a slot that was held by a run which the registry cannot read."""
    text = (
        f"ReconcileRuns freed the slot of run {run_id} ({environment}): {one_line(problem)}.\n"
        "Look for what it may have left: python -m cli reap\n"
    )
    return subject_line(f"Freed the slot of an unknown run ({environment})"), text


def idle_message(
    *, environment: str, findings: list[dict[str, Any]], usd_per_hour: float, simulated: bool
) -> tuple[str, str]:
    """Write subject and text about what bills for nobody.

    Parameters
    ----------
    environment : str
    findings : list of dict
        As :meth:`~lambdas.domain.serving.idle_rules.Finding.to_document` gives them.
    usd_per_hour : float
        What they still bill by the hour, as far as it is known.
    simulated : bool
    """
    note = "All figures are simulated.\n" if simulated else ""
    lines = "".join(f"- {_finding_line(finding)}\n" for finding in findings)
    text = (
        f"ReapIdleThroughput looked at environment {environment}. What it found bills ${usd_per_hour:,.2f} an hour, "
        f"${usd_per_hour * HOURS_A_MONTH:,.0f} a month, as far as prices are known.\n{note}{lines}"
        "Look again: python -m cli reap. Take it away: python -m cli reap --delete. Keep a champion: "
        "python -m cli confirm TASK.\n"
    )
    return subject_line(f"${usd_per_hour:,.2f} an hour for nobody: distillation ({environment})"), text


def _finding_line(finding: dict[str, Any]) -> str:
    price = finding["usd_per_hour"]
    cost = "at a price per hour that is not known" if price is None else f"${price:,.4f} an hour"
    done = f" Done: {finding['done']}." if finding["done"] else ""
    return one_line(
        f"{finding['reason']}: {finding['kind']} {finding['name']} ({cost}): {finding['explanation']}.{done}"
    )


def subject_line(text: str) -> str:
    """Make a subject that SNS takes, whatever the task is called."""
    return one_line(text).encode("ascii", "replace").decode()[: MAX_SUBJECT - 1]
