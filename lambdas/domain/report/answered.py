"""Who submitted a run, and what a person answered: on the page and in the terminal."""

from __future__ import annotations

from typing import Any

from lambdas.domain.explicit_reasons import explicit_reasons, sentences
from lambdas.domain.report.figures import moment, pick
from lambdas.domain.report.sections import Fact
from lambdas.domain.report.texts import sentence, short

NOT_KNOWN = "not known"


def answered_facts(report: dict[str, Any]) -> list[Fact]:
    """Say who submitted, who answered, when and why, and to what they said yes explicitly.

    Parameters
    ----------
    report : dict
        The document of ``report.json``; every text in it is taken as hostile.
    """
    facts = []
    if isinstance(report.get("submitter"), dict):
        why = short(pick(report, "submitter", "unknown") or "", 300)
        arn = short(pick(report, "submitter", "caller", "arn") or "", 300)
        facts.append(Fact("Submitted by", arn or f"{NOT_KNOWN}: {why}" if why or arn else NOT_KNOWN, is_code=bool(arn)))
    answer = pick(report, "approval", "answer")
    if answer not in ("approved", "rejected"):
        return facts
    by = short(pick(report, "approval", "by", "arn") or "", 300)
    facts.append(Fact(f"{str(answer).capitalize()} by", by or NOT_KNOWN, is_code=bool(by)))
    facts.append(Fact(f"{str(answer).capitalize()} at", moment(short(pick(report, "approval", "at") or "", 60))))
    if why := pick(report, "approval", "why"):
        facts.append(Fact("Why", short(why, 500)))
    accepted = explicit_reasons({"explicit_reasons": pick(report, "approval", "accepted")})
    return [*facts, *(Fact("Accepted explicitly", sentence(short(text, 400))) for text in sentences(accepted))]
