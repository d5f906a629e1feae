"""Messages to people. They name runs, outcomes and places, and never carry prompts or answers."""

from __future__ import annotations

from lambdas.domain.task_definition import Serving

MAX_SUBJECT = 100
"""SNS takes subjects of fewer than 100 ASCII characters (SNS API reference, Publish)."""


def outcome_message(
    *, environment: str, run_id: str, task: str, outcome: str, reason: str, report_uri: str, simulated: bool
) -> tuple[str, str]:
    """Write subject and text about a run that has ended."""
    note = "All figures are simulated.\n" if simulated else ""
    may_retry = outcome in ("FAILED", "EXPIRED")
    retry = f"Try it again without buying twice: python -m cli retry {run_id}\n" if may_retry else ""
    text = (
        f"Run {run_id} of task {task} ({environment}) ended {outcome}.\n{reason}\n{note}Report: {report_uri}\n{retry}"
    )
    return _subject(f"{outcome}: distillation of {task} ({environment})"), text


def approval_message(
    *,
    environment: str,
    run_id: str,
    task: str,
    serving: Serving,
    usd_per_hour: float | None,
    expires: str,
    report_uri: str,
    simulated: bool,
) -> tuple[str, str]:
    """Write subject and text of a request for approval."""
    note = "All figures are simulated.\n" if simulated else ""
    text = (
        f"Run {run_id} of task {task} ({environment}) passed its gate and asks for approval.\n"
        f"{_consequence(serving, usd_per_hour)}\n{note}"
        f"Read the report first: {report_uri}\n"
        f'Then answer until {expires}: python -m cli approve {run_id} --why "..." (or: python -m cli reject {run_id})\n'
    )
    return _subject(f"Approval wanted: distillation of {task} ({environment})"), text


def _consequence(serving: Serving, usd_per_hour: float | None) -> str:
    """Say what approving costs."""
    if serving.mode == "on_demand":
        return "Approving serves the student on demand: it is paid by the token and nothing bills by the hour."
    price = "at a price per hour that is not known" if usd_per_hour is None else f"for ${usd_per_hour:,.2f} an hour"
    term = "until it is deleted"
    if serving.commitment != "none":
        term = f"for a commitment of {serving.commitment}, which cannot be ended early"
    return f"Approving serves the student on provisioned throughput {price}, billed {term}."


def _subject(text: str) -> str:
    return text.encode("ascii", "replace").decode()[: MAX_SUBJECT - 1]
