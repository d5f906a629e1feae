"""Answer a request for approval: for the report that was read, and the champion that it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.errors import CHECK_FAILED, CliError
from cli.reports import parsed_report, read_document
from cli.screen import SIMULATED
from lambdas.gateways.registry.runs import Run

if TYPE_CHECKING:
    from cli.session import Session

SHORTEST_HASH = 12
"""Digits of a SHA-256 that tell two reports apart beyond doubt."""


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """What the options say; ``report_sha256`` is what the person claims to have read, or ``None``."""

    word: str
    why: str
    report_sha256: str | None = None
    hourly_price: float | None = None
    explicitly: bool = False


def give_answer(session: Session, run: Run, answer: ApprovalAnswer) -> None:
    """Repeat the report's hash and the champion that it names, and hand the answer over.

    Raises
    ------
    CliError
        When there is no report, or another one than the person read.
    """
    if not run.report_sha256:
        raise CliError(f"Run '{run.run_id}' has no report yet, so it waits for no approval.", CHECK_FAILED)
    _check_hash(run, answer.report_sha256)
    document = parsed_report(read_document(session.deployment.runs, run), run.run_id)
    champion = document.get("champion_before")
    payload: dict[str, Any] = {
        "run_id": run.run_id,
        "answer": answer.word,
        "why": answer.why,
        "report_sha256": run.report_sha256,
        "expected_champion": champion["run_id"] if champion else None,
    }
    if answer.hourly_price is not None:
        payload["hourly_price"] = answer.hourly_price
    if answer.explicitly:
        payload["explicitly"] = True
    given = session.deployment.invoke("AnswerApprovalFunction", payload)
    session.show(
        given,
        f"Run {run.run_id} is {answer.word}, for the report with SHA-256 {run.report_sha256}.",
        f"Watch it: {session.command} watch {run.run_id}",
        *([SIMULATED] if session.deployment.local else []),
    )


def _check_hash(run: Run, claimed: str | None) -> None:
    if claimed is None:
        return
    wanted = claimed.strip().lower()
    if len(wanted) < SHORTEST_HASH:
        raise CliError(f"--report-sha256 has {len(wanted)} digits; give at least {SHORTEST_HASH}.", CHECK_FAILED)
    if not str(run.report_sha256).startswith(wanted):
        message = (
            f"The report of run '{run.run_id}' has SHA-256 {run.report_sha256}, not {claimed}: it is not the one you "
            f"read. Read it again ('python -m cli report {run.run_id}'), then answer."
        )
        raise CliError(message, CHECK_FAILED)
