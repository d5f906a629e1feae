"""What the evaluation of an attempt came to: ``evaluation.json``, with one reader and one writer.

CalibrateJudge writes it where the judge is not believed, so that there are no contestants; else ScoreEvaluation does.
What was not come to is not in it. Fields: docs/report.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

from lambdas.domain.evaluation.contestant_document import ContestantDocument
from lambdas.domain.evaluation.evidence_kinds import LABELLED
from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reasons
from lambdas.domain.gate.prompting_document import PromptingDocument
from lambdas.domain.gate.rule_result import RuleDocument
from lambdas.domain.run_facts import ChampionFact
from lambdas.domain.stored import check_schema_version

EVALUATION_FILE = "evaluation.json"

_BEFORE = "needs_explicit_approval"
"""What ``explicit_reasons`` was until reasons had names: sentences alone."""


class LeftOut(TypedDict, total=False):
    """A contestant that was not compared, and why."""

    role: str
    reason: str


class Evaluation(TypedDict, total=False):
    """``evaluation.json``; ``shards`` is the number of measured shards, ``decision`` the gate's.

    ``limits`` is what the student was held against; it stays with it where it becomes champion.
    """

    decision: str
    reasons: list[str]
    gate: list[RuleDocument]
    explicit_reasons: list[ExplicitReason]
    evidence: Mapping[str, Any]
    prompting: PromptingDocument | None
    contestants: list[ContestantDocument]
    left_out: Sequence[LeftOut]
    shards: int
    judge: Mapping[str, Any]
    break_even: Mapping[str, Any]
    cascade: Mapping[str, Any] | None
    worst_answers: Sequence[Mapping[str, Any]]
    champion_before: ChampionFact | None
    limits: dict[str, Any]


def read_evaluation(document: Mapping[str, Any]) -> Evaluation:
    """Read ``evaluation.json`` as this version or another wrote it.

    Raises
    ------
    DocumentTooNew
        When a later version wrote it in another way.
    """
    check_schema_version(document, EVALUATION_FILE)
    read = {name: value for name, value in document.items() if name != _BEFORE}
    if _BEFORE in document:
        read.setdefault("explicit_reasons", explicit_reasons(document))
    return cast("Evaluation", read)


def waits_for_a_person(approval: str, evaluation: Evaluation) -> bool:
    """Tell whether a student that the gate lets through is promoted only by a person's word.

    What rests on people's scores is never promoted by itself, or whoever scores would promote.

    Parameters
    ----------
    approval : {"required", "automatic"}
        Of the task.
    evaluation : Evaluation
    """
    labelled = evaluation.get("evidence", {}).get("comparison") == LABELLED
    return approval == "required" or labelled or bool(evaluation.get("explicit_reasons"))


def student_of(evaluation: Evaluation) -> ContestantDocument | None:
    """Give the student's figures; ``None`` where it was not measured."""
    return next((one for one in evaluation.get("contestants", []) if one.get("role") == "student"), None)
