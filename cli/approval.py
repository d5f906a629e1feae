"""Answer a request for approval: for the report that was read, and the champion that it names."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from cli.errors import CHECK_FAILED, CliError
from cli.identity_proof import signed_proof
from cli.reports import parsed_report, read_document
from cli.screen import SIMULATED
from lambdas.domain.prices.price_book import HOURS_A_MONTH
from lambdas.domain.report.decision_card import card_lines, decision_card
from lambdas.domain.report.figures import number, pick
from lambdas.domain.serving.approval_message import COMMITMENT_DAYS
from lambdas.gateways.registry.runs import Run

if TYPE_CHECKING:
    from cli.session import Session

APPROVED = "approved"

SHORTEST_HASH = 12
"""Digits of a SHA-256 that tell two reports apart beyond doubt."""


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """What the options say; ``report_sha256`` is what the person claims to have read, or ``None``.

    ``without_asking`` is said by scripts: they know what begins to bill.
    """

    word: str
    why: str
    report_sha256: str | None = None
    hourly_price: float | None = None
    explicitly: bool = False
    without_asking: bool = False


def give_answer(session: Session, run: Run, answer: ApprovalAnswer) -> None:
    """Repeat the report's hash and the champion that it names, and hand the answer over.

    Raises
    ------
    CliError
        When there is no report, or another one than the person read, or nobody can be asked about what bills.
    """
    if not run.report_sha256:
        raise CliError(f"Run '{run.run_id}' has no report yet, so it waits for no approval.", CHECK_FAILED)
    _check_hash(run, answer.report_sha256)
    document = parsed_report(read_document(session.deployment.runs, run), run.run_id)
    if answer.word == APPROVED and not answer.without_asking:
        _ask(session, run, document, answer.hourly_price)
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
    verb = "approve" if answer.word == APPROVED else "reject"
    payload["proof"] = signed_proof(session.deployment, verb, run.run_id, str(run.report_sha256))
    given = session.deployment.invoke("AnswerApprovalFunction", payload)
    session.show(
        given,
        f"Run {run.run_id} is {answer.word}, for the report with SHA-256 {run.report_sha256}.",
        f"Watch it: {session.command} watch {run.run_id}",
        *([SIMULATED] if session.deployment.local else []),
    )


def _ask(session: Session, run: Run, document: Mapping[str, Any], stated: float | None) -> None:
    """Show the card of the report, say what begins to bill, and ask.

    Raises
    ------
    CliError
        Where something would bill by the hour and there is no terminal to ask at.
    click.Abort
        The person says no; nothing was sent.
    """
    by_hour = pick(document, "break_even", "mode") == "provisioned_throughput"
    text = what_bills(document, run.task, stated, session.command) if by_hour else ""
    if not somebody_can_be_asked():
        if by_hour:
            refused = f"{text} Nobody can be asked here: approve with --yes if that is what you want."
            raise CliError(refused, CHECK_FAILED)
        return
    card = decision_card(dict(document))
    for line in card_lines(replace(card, commands=())) if card else ():
        session.aside.say(line, hang=4 if line.startswith("  ") else 0)
    if text:
        session.aside.say(text)
    if session.deployment.local:
        session.aside.say(SIMULATED)
    click.confirm("Approve?", abort=True, err=True)


def somebody_can_be_asked() -> bool:
    """Tell whether a person sits at the other end of the input."""
    return sys.stdin.isatty()


def what_bills(document: Mapping[str, Any], task: str, stated: float | None, command: str) -> str:
    """Say what approving begins to bill, and what ends it.

    Parameters
    ----------
    document : mapping
        ``report.json``, of a student that is to be served on provisioned throughput.
    task : str
    stated : float or None
        US dollars of one model-unit hour, where the person says them.
    command : str
        How the next command begins.
    """
    hour = number(pick(document, "break_even", "provisioned_throughput_usd_per_hour"))
    if hour is None and stated is not None:
        hour = stated * float(number(pick(document, "break_even", "model_units")) or 1)
    price = "at a price that no price book has"
    if hour is not None:
        price = f"${hour:,.2f} an hour, ${hour * HOURS_A_MONTH:,.2f} a month"
    ends = (
        f"What ends it: 'reap --delete --idle' once nobody calls it, the review that moves a champion which nobody "
        f"confirms ('{command} confirm {task}' keeps it), or 'teardown'."
    )
    commitment = pick(document, "break_even", "commitment")
    if commitment in COMMITMENT_DAYS:
        end = f"Nothing ends it before {COMMITMENT_DAYS[commitment]} days are over: the commitment is {commitment}."
        return f"Approving begins to bill {price}, called or not. {end}"
    return f"Approving begins to bill {price}, called or not, until it is deleted. {ends}"


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
