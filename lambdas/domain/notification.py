"""Messages to people. They name runs, outcomes and places, and never carry prompts or answers."""

from __future__ import annotations

MAX_SUBJECT = 100
"""SNS takes subjects of fewer than 100 ASCII characters (SNS API reference, Publish)."""


def outcome_message(
    *, environment: str, run_id: str, task: str, outcome: str, reason: str, report_uri: str, simulated: bool
) -> tuple[str, str]:
    """Write subject and text about a run that has ended."""
    note = "All figures are simulated.\n" if simulated else ""
    retry = f"Try it again without buying twice: python -m cli retry {run_id}\n" if outcome == "FAILED" else ""
    text = (
        f"Run {run_id} of task {task} ({environment}) ended {outcome}.\n{reason}\n{note}Report: {report_uri}\n{retry}"
    )
    return _subject(f"{outcome}: distillation of {task} ({environment})"), text


def approval_message(
    *,
    environment: str,
    run_id: str,
    task: str,
    usd_per_hour: float | None,
    commitment: str,
    expires: str,
    report_uri: str,
    simulated: bool,
) -> tuple[str, str]:
    """Write subject and text of a request for approval."""
    price = "at a price per hour that is not known" if usd_per_hour is None else f"for ${usd_per_hour:,.2f} an hour"
    term = (
        "until it is deleted"
        if commitment == "none"
        else f"for a commitment of {commitment}, which cannot be ended early"
    )
    note = "All figures are simulated.\n" if simulated else ""
    text = (
        f"Run {run_id} of task {task} ({environment}) passed its gate and asks for approval.\n"
        f"Approving creates provisioned throughput {price}, billed {term}.\n{note}"
        f"Read the report first: {report_uri}\n"
        f'Then answer until {expires}: python -m cli approve {run_id} --why "..." (or: python -m cli reject {run_id})\n'
    )
    return _subject(f"Approval wanted: distillation of {task} ({environment})"), text


def _subject(text: str) -> str:
    return text.encode("ascii", "replace").decode()[: MAX_SUBJECT - 1]
