"""What a run ended with, why in one sentence, and what a person does next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from lambdas.domain.explicit_reasons import explicit_reasons, sentences
from lambdas.domain.outcomes import EXPIRED, FAILED, PROMOTED, REJECTED, STOPPED
from lambdas.domain.prices.price_book import HOURS_A_MONTH
from lambdas.domain.report.break_even import commitment_term
from lambdas.domain.report.decision_card import command_of
from lambdas.domain.report.figures import number, pick, usd
from lambdas.domain.report.texts import sentence, short
from lambdas.domain.serving.approval_message import COMMITMENT_DAYS

_SYMBOLS = {
    PROMOTED: "✓",
    REJECTED: "✕",
    EXPIRED: "◷",
    FAILED: "!",
    STOPPED: "■",
    "AWAITING APPROVAL": "…",
    "UNDER WAY": "…",
}
_MEANINGS = {
    PROMOTED: "The student passed every rule of the gate and is serving the task.",
    REJECTED: "The student was not promoted.",
    EXPIRED: "The student passed the gate, but nobody approved its promotion in time.",
    FAILED: "The run stopped on an error before it came to a verdict.",
    STOPPED: "A person stopped the run before it came to an end of its own.",
    "AWAITING APPROVAL": "The student passed the gate; a person has to approve its promotion.",
    "UNDER WAY": "The run has not come to a verdict yet.",
}
_UPLOAD_ERRORS = {
    "InvalidUpload": "Correct the prompt file",
    "DatasetRefused": "Correct or complete the prompts (rejected.jsonl lists every rejected line with its reason)",
    "InvalidTaskDefinition": "Correct task.json",
    "SecretsFound": "Take what looks like a secret out of the lines named",
    "TeacherDataRefused": "Mend what the message names in task.json or the prompts",
    "BudgetExceeded": "Raise budget_usd in task.json or take fewer prompts",
    "CeilingExceeded": "Ask for no more in task.json than the message allows",
}
"""Errors whose cause lies in the object version that the run is bound to: trying again would meet it again."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do next, and the command where there is one."""

    text: str
    command: str | None


@dataclass(frozen=True, slots=True)
class Headline:
    """The head of the page: outcome, symbol, one sentence, further reasons, next step."""

    outcome: str
    symbol: str
    sentence: str
    reasons: tuple[str, ...]
    next_step: NextStep | None
    needs_word: tuple[str, ...] = ()
    qualifier: str = ""

    @property
    def tone(self) -> str:
        """Name of the colours on the page."""
        return self.outcome.split(" ", maxsplit=1)[0].lower()


def read_headline(report: dict[str, Any]) -> Headline:
    """Read outcome and reasons of a report.

    Parameters
    ----------
    report : dict
        The document of ``report.json``. Without an outcome it is the report that an approver reads.
    """
    outcome = _outcome(report)
    given = report.get("reasons")
    reasons = [short(reason) for reason in given if reason] if isinstance(given, list) else []
    message = pick(report, "error", "message")
    meaning = _MEANINGS.get(outcome, "The run ended with an outcome that this page does not know.")
    if outcome == FAILED:
        first = short(message, 1_000) if message else meaning
        reasons = [reason for reason in reasons if not message or short(message)[:80] not in reason]
    elif outcome in (EXPIRED, "AWAITING APPROVAL") or not reasons:
        first = meaning
    else:
        first, reasons = _without_repetition(given if isinstance(given, list) else []), reasons[1:]
    enough = prompting_is_enough(report)
    if enough and outcome != FAILED:
        first, reasons = enough, [first, *reasons]
    others = tuple(reason for reason in dict.fromkeys(reasons) if reason != first)
    words = tuple(sentence(short(word, 400)) for word in sentences(explicit_reasons(report)))
    step = _next_step(outcome, report)
    unproven = outcome == REJECTED and report.get("decision") == "INSUFFICIENT EVIDENCE"
    return Headline(
        outcome=outcome,
        symbol="?" if unproven else _SYMBOLS.get(outcome, "?"),
        sentence=sentence(first, "."),
        reasons=others,
        next_step=step,
        needs_word=words,
        qualifier="insufficient evidence" if unproven else "",
    )


def prompting_is_enough(report: dict[str, Any]) -> str:
    """Say that nothing has to be distilled, where the run shows it; else nothing."""
    found = pick(report, "prompting", "sentence")
    return short(found) if pick(report, "prompting", "enough") is True and isinstance(found, str) else ""


def _without_repetition(reasons: list[Any]) -> str:
    """Give the first reason without the others, which it repeats in a message to people and which stand below it."""
    first, others = str(reasons[0]), "; ".join(str(reason) for reason in reasons[1:])
    return short(first.removesuffix(others).rstrip(": ") if others else first)


def _outcome(report: dict[str, Any]) -> str:
    outcome = report.get("outcome")
    if outcome:
        return short(outcome, 40)
    return "AWAITING APPROVAL" if report.get("decision") == "PROMOTE" else "UNDER WAY"


def _next_step(outcome: str, report: dict[str, Any]) -> NextStep | None:
    run_id = report.get("run_id")
    run = shlex.quote(short(run_id, 120)) if run_id else "RUN"
    begin = command_of(report)
    if outcome == "AWAITING APPROVAL":
        text = f"{_price(report)} Read the gate and the worst answers before you answer."
        price = " --hourly-price USD" if _price_wanted(report) else ""
        word = " --explicitly" if explicit_reasons(report) else ""
        return NextStep(text, f"{begin} approve {run}{price}{word}")
    if outcome == EXPIRED:
        return NextStep("To be asked again, without paying again for what exists:", f"{begin} retry {run}")
    if outcome == STOPPED:
        return NextStep("To go on, without paying again for what exists:", f"{begin} retry {run}")
    if outcome != FAILED:
        return None
    correction = _UPLOAD_ERRORS.get(str(pick(report, "error", "name")))
    if correction is not None:
        text = f"{correction} and upload the prompts again: a new version of the file is a new run. "
        return NextStep(
            f"{text}Only if the cause was outside the upload, try this version again:", f"{begin} retry {run}"
        )
    text = "Remove the cause that the message names, then try again; what was paid for is not paid for again:"
    return NextStep(text, f"{begin} retry {run}")


def _price_wanted(report: dict[str, Any]) -> bool:
    hourly = number(pick(report, "break_even", "provisioned_throughput_usd_per_hour"))
    return pick(report, "break_even", "mode") == "provisioned_throughput" and hourly is None


def _price(report: dict[str, Any]) -> str:
    """Say what an approval will cost, and when that can end."""
    if pick(report, "break_even", "mode") != "provisioned_throughput":
        return "Serving on demand costs nothing while nobody asks."
    hourly = number(pick(report, "break_even", "provisioned_throughput_usd_per_hour"))
    term = commitment_term(report)
    bound = f" It is purchased for {term} and cannot be ended before." if term else ""
    if hourly is None:
        return (
            "Approval purchases provisioned throughput, at a price per hour that the price book does not know: read it "
            f"on the Bedrock console (Provisioned Throughput, Purchase) and state it with the approval.{bound}"
        )
    kind = "a simulated " if pick(report, "break_even", "price_simulated") is True else ""
    month = usd(hourly * HOURS_A_MONTH)
    begin = f"Approval purchases provisioned throughput at {kind}{usd(hourly)} per hour, {month} a month"
    if not term:
        return f"{begin}, until it is deleted."
    days = COMMITMENT_DAYS[str(pick(report, "break_even", "commitment"))]
    return f"{begin}, {usd(hourly * 24 * days)} in all.{bound}"
