"""The decision at one glance: what is saved and on which condition, what is at risk, until when, and the two commands.

Page and terminal show the same card. Every field of a report may be missing, as in one of an earlier version.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lambdas.domain.explicit_reasons import explicit_reasons, sentences
from lambdas.domain.outcomes import PROMOTED
from lambdas.domain.report.comparison import comparison_rows
from lambdas.domain.report.figures import change, count, moment, number, percent, pick, rows_of, score, usd
from lambdas.domain.report.texts import sentence, short

_MODES = {"provisioned_throughput": "student_provisioned_throughput", "on_demand": "student_on_demand"}
_CLAIMS = {
    "trusted": "trusted answers: what it says is about truth",
    "labelled": "people's scores of a sample",
    "pairwise": "blinded pairs, without trusted answers",
    "fidelity": "the teacher's own answers: it shows likeness to the teacher, not truth",
}
_CLOSE = 0.02
"""How near a share may lie to its threshold until a passed rule is named as close."""


@dataclass(frozen=True, slots=True)
class DecisionCard:
    """What a person needs for the word.

    Attributes
    ----------
    question : str
        What is asked, or what was decided.
    saved : tuple of str
        Sentences about money in the mode that is promoted.
    risks : tuple of str
        Sentences: what speaks against it, or what nobody knows.
    until : str
        Until when the answer counts; empty where nobody is asked.
    commands : tuple of str
        Approve and reject, as they can be pasted; empty where nobody is asked.
    """

    question: str
    saved: tuple[str, ...]
    risks: tuple[str, ...]
    until: str
    commands: tuple[str, ...]


def decision_card(report: dict[str, Any]) -> DecisionCard | None:
    """Read the card of a report; ``None`` where the run did not come to a decision of its gate."""
    if not report.get("decision") or not rows_of(report.get("contestants")):
        return None
    waits = not report.get("outcome") and report.get("decision") == "PROMOTE"
    return DecisionCard(
        question=_question(report, waits=waits),
        saved=tuple(_saved(report)),
        risks=tuple(_risks(report)),
        until=_until(report) if waits else "",
        commands=_commands(report) if waits else (),
    )


def command_of(report: dict[str, Any]) -> str:
    """Say how the next command begins, so that it reaches the deployment that the report is of."""
    environment = short(report.get("environment") or "", 60)
    if environment == "local" and report.get("simulated") is True:
        return "python -m cli --local"
    if environment in ("", "dev"):
        return "python -m cli"
    return f"python -m cli --environment {shlex.quote(environment)}"


def _question(report: dict[str, Any], *, waits: bool) -> str:
    if waits:
        return "Promote this student? The gate says yes."
    if report.get("outcome") == PROMOTED:
        return "This student is promoted."
    return "This student is not promoted." if report.get("outcome") else "The gate does not promote this student."


def _saved(report: dict[str, Any]) -> Iterator[str]:
    mode = str(pick(report, "break_even", "mode") or "")
    name = short(mode, 40).replace("_", " ") or "on demand"
    monthly = pick(report, "break_even", "usd_per_month")
    volume = number(pick(report, "break_even", "expected_requests_per_month"))
    ours = number(pick(monthly, _MODES.get(mode, "student_on_demand")))
    if volume and ours is not None:
        for role in ("teacher", "baseline"):
            theirs = number(pick(monthly, role))
            if theirs is not None:
                less = "less" if theirs >= ours else "more"
                yield f"{usd(abs(theirs - ours))} a month {less} than the {role} ({usd(ours)} beside {usd(theirs)})"
        yield f"on condition of {count(volume)} requests a month, served by {name}{_units(report)}"
    else:
        yield from _each_request(report)
        yield _unknown(mode, volume)
    if mode == "provisioned_throughput":
        yield _hourly(report)


def _each_request(report: dict[str, Any]) -> Iterator[str]:
    student = next((row for row in comparison_rows(report) if row.role == "student"), None)
    if student is None:
        return
    for role in ("teacher", "baseline"):
        share = getattr(student, f"cost_reduction_vs_{role}")
        if share is not None:
            yield f"{change(share, 'dearer', 'cheaper')} than the {role} for each request on demand"


def _unknown(mode: str, volume: float | None) -> str:
    if not volume:
        return "dollars a month are not known: the task gives no expected volume"
    return f"dollars a month on {short(mode, 40).replace('_', ' ')} are not known: the price of an hour is not given"


def _units(report: dict[str, Any]) -> str:
    units = number(pick(report, "break_even", "units_for_volume"))
    if pick(report, "break_even", "mode") != "provisioned_throughput" or not units:
        return ""
    return f" ({count(units)} model unit{'' if units == 1 else 's'})"


def _hourly(report: dict[str, Any]) -> str:
    hour = number(pick(report, "break_even", "provisioned_throughput_usd_per_hour"))
    border = number(pick(report, "break_even", "requests_per_month_at_break_even"))
    if hour is None:
        return "it bills every hour, called or not, at a price that is to be stated with the approval"
    kind = "a simulated " if pick(report, "break_even", "price_simulated") is True else ""
    pays = f"pays from {count(border)} requests a month" if border else "never costs less than on demand"
    return f"it bills {kind}{usd(hour)} every hour, called or not, and {pays}"


def _risks(report: dict[str, Any]) -> Iterator[str]:
    for word in sentences(explicit_reasons(report)):
        yield f"needs your explicit word: {short(word, 300)}"
    yield from _worst_group(report)
    yield from _close_rules(report)
    yield _judge(report)
    yield _evidence(report)


def _worst_group(report: dict[str, Any]) -> Iterator[str]:
    """Name the slice that is nearest to its floor or below, and the answers that are found too rarely."""
    gate = rows_of(report.get("gate"))
    for prefix, what in (("slices.", "worst group"), ("recall.", "found least")):
        rows = [row for row in gate if str(row.get("rule", "")).startswith(prefix)]
        known = [row for row in rows if number(row.get("measured")) is not None]
        if not known:
            continue
        worst = min(known, key=lambda row: (number(row["measured"]) or 0.0) - (number(row.get("threshold")) or 0.0))
        text = score if prefix == "slices." else percent
        name = short(str(worst["rule"]).removeprefix(prefix), 80)
        yield f"{what}: {name} at {text(worst['measured'])}, floor {text(worst.get('threshold'))}"
    if not any(str(row.get("rule", "")).startswith("slices.") for row in gate):
        yield "groups of inputs: no floors were given ('gate.slices'), so one group may be worse than the mean"


def _close_rules(report: dict[str, Any]) -> Iterator[str]:
    for row in rows_of(report.get("gate")):
        rule, decided = str(row.get("rule", "")), number(row.get("bound"))
        value, limit = decided if decided is not None else number(row.get("measured")), number(row.get("threshold"))
        share = rule.startswith(("min_cost", "min_latency", "min_schema"))
        if share and row.get("passed") is True and value is not None and limit is not None and limit < 1:
            room = value - limit
            if rule != "min_schema_validity" and 0 <= room < _CLOSE:
                yield f"close: {short(rule, 60)} with {percent(value)} against {percent(limit)}"


def _judge(report: dict[str, Any]) -> str:
    judge = report.get("judge")
    if not isinstance(judge, dict):
        return "judge: not started"
    measured = judge.get("calibration")
    if not isinstance(measured, dict):
        return "judge: not measured, no calibration.jsonl was given"
    within, cases = measured.get("within_one"), measured.get("cases")
    same = "; it is of the student's own family" if judge.get("same_family_as_student") else ""
    return f"judge: within one point for {percent(within)} of {count(cases)} known scores{same}"


def _evidence(report: dict[str, Any]) -> str:
    kind = pick(report, "evidence", "scores")
    if not isinstance(kind, str):
        own = pick(report, "dataset", "own_holdout")
        kind = "trusted" if own is True else "fidelity" if own is False else ""
    if kind not in _CLAIMS:
        return "evidence: on what the scores rest is not recorded in this report"
    compared = pick(report, "evidence", "comparison")
    other = f"; compared with the reference by {_CLAIMS[compared]}" if compared in _CLAIMS and compared != kind else ""
    return f"evidence: scores rest on {_CLAIMS[kind]}{other}"


def _until(report: dict[str, Any]) -> str:
    until = report.get("answer_until")
    if isinstance(until, str) and until:
        return f"Answer before {moment(until)}: after that the run ends EXPIRED and nothing is promoted."
    return "The request expires: 'watch' says when."


def _commands(report: dict[str, Any]) -> tuple[str, ...]:
    run_id, begin = report.get("run_id"), command_of(report)
    run = shlex.quote(short(run_id, 120)) if run_id else "RUN"
    hourly = number(pick(report, "break_even", "provisioned_throughput_usd_per_hour"))
    wanted = pick(report, "break_even", "mode") == "provisioned_throughput" and hourly is None
    price = " --hourly-price USD" if wanted else ""
    word = " --explicitly" if explicit_reasons(report) else ""
    return f"{begin} approve {run}{price}{word}", f"{begin} reject {run} --why '...'"


def card_lines(card: DecisionCard) -> Iterator[str]:
    """Give the card as lines of a terminal."""
    yield card.question
    if card.saved:
        yield f"Saved: {sentence('; '.join(card.saved), '.')}"
    if card.risks:
        yield "At risk:"
        yield from (f"  - {risk}" for risk in card.risks)
    if card.until:
        yield card.until
    yield from (f"  {command}" for command in card.commands)
