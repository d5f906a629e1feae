"""Why a promotion needs a person's explicit word (``approve --explicitly``): one list, whatever asks for it.

A producer calls :func:`explicit_reason`, and ScoreEvaluation puts what it gives into ``explicit_reasons`` of
``evaluation.json``, from where it goes into ``report.json``, the request for approval and the message to people. Where
the list is not empty the state machine asks a person even if the task's approval is automatic, AnswerApproval refuses
an approval without ``--explicitly`` and says the list, and with it keeps the list as ``accepted`` of the run's fact
``approval``, of the report and of the task's history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from lambdas.domain.text.plain_text import one_line

UNNAMED = "unnamed"
"""Name of a reason that an earlier version wrote down: it kept sentences alone."""


class ExplicitReason(TypedDict):
    """One reason, as stored: ``name`` for programs, ``sentence`` for people, without a full stop."""

    name: str
    sentence: str


def explicit_reason(name: str, sentence: str) -> ExplicitReason:
    """Make a reason why promoting needs a person's explicit word.

    Parameters
    ----------
    name : str
        In snake case, the same for each run that it is given for, for example ``too_few_units``; a rule of the gate has
        its own name, ``slices.language=de``.
    sentence : str
        What a person must know before the word, with its figures. It may quote text from people: it is cleaned here.

    Raises
    ------
    ValueError
        When either is empty, since nobody could say yes to it.
    """
    reason: ExplicitReason = {"name": one_line(name), "sentence": one_line(sentence).rstrip(".")}
    if not all(reason.values()):
        raise ValueError(f"a reason needs a name and a sentence: {reason}")
    return reason


def explicit_reasons(document: Mapping[str, Any]) -> list[ExplicitReason]:
    """Read the reasons of an evaluation, a report or a request for approval, as this version or another wrote it.

    Parameters
    ----------
    document : mapping
        Has ``explicit_reasons``, or only sentences, as earlier versions kept them under ``needs_explicit_approval``
        and, in a request, under ``explicit``.
    """
    stored = document.get("explicit_reasons")
    if isinstance(stored, list):
        return [explicit_reason(str(one.get("name") or UNNAMED), str(one["sentence"])) for one in stored if _said(one)]
    before = document.get("needs_explicit_approval", document.get("explicit"))
    return [explicit_reason(UNNAMED, str(one)) for one in before if one] if isinstance(before, list) else []


def sentences(reasons: Iterable[ExplicitReason]) -> list[str]:
    """Give what people read."""
    return [reason["sentence"] for reason in reasons]


def _said(one: object) -> bool:
    return isinstance(one, Mapping) and bool(one.get("sentence"))
