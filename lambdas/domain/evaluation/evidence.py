"""On what a line about quality rests, and what it may claim.

Likeness to the teacher is not quality: a student that copies a teacher's mistakes is scored 5 for them, and a baseline
that gets them right is scored 1. So a comparison with another model rests on trusted answers, on people's labels or on
blinded pairs; what rests on the teacher's answers says how close the student is to the teacher, and nothing else.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from lambdas.domain.evaluation.confidence_bounds import error_of_look, error_spent
from lambdas.domain.evaluation.judge import MOST_DIFFERENCE
from lambdas.domain.evaluation.measurements import STUDENT, TEACHER, Measurement, paired_differences, worst_differences
from lambdas.domain.evaluation.pairs import count_outcomes
from lambdas.domain.evaluation.sample_sizes import holdout_records_needed
from lambdas.domain.task.task_definition import GateRules

TRUSTED, LABELLED, PAIRWISE, FIDELITY = "trusted", "labelled", "pairwise", "fidelity"

CLAIMS: Mapping[str, str] = {
    TRUSTED: "better or worse than the reference, by answers that the user trusts",
    LABELLED: "better or worse than the reference, by the judge corrected with people's scores",
    PAIRWISE: "better or worse than the reference, by the judge's view of blinded pairs, less surely than by trusted "
    "answers",
    FIDELITY: "how close the student is to the teacher; nothing about the baseline",
}
"""What each kind of evidence may claim."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The student beside the reference model, record by record.

    Attributes
    ----------
    evidence : str
    differences : list of float
        Judge points by which the student is better, where that is known.
    units : list of str
        What each of them belongs to that is independent of the others.
    worst : list of float
        The same over every record, as bad for the student as what is not known can be.
    worst_units : list of str
    unknown : int
        Records of which the difference is not known.
    silent : int
        Records that the reference did not answer.
    outcomes : dict or None
        How pairs ended, where the evidence is pairs.
    """

    evidence: str
    differences: list[float]
    units: list[str]
    worst: list[float]
    worst_units: list[str]
    unknown: int = 0
    silent: int = 0
    outcomes: dict[str, int] | None = None


def is_trusted(reference: Mapping[str, Any]) -> bool:
    """Tell whether a line of ``references.jsonl`` is the user's own answer; each attempt writes that file anew."""
    return reference.get("trusted") is True


def rests_on(trusted: int, records: int, rules: GateRules) -> str:
    """Say on what the comparison with the reference model rests, before anything is asked.

    Parameters
    ----------
    trusted : int
        Records of the holdout whose reference is the user's own answer.
    records : int
        All records with a reference.
    rules : GateRules
    """
    if trusted and trusted >= min(records, holdout_records_needed(rules.max_quality_drop)):
        return TRUSTED
    return FIDELITY if rules.evidence == FIDELITY else PAIRWISE


def compared(grouped: Mapping[str, Sequence[Measurement]], rules: GateRules, trusted: AbstractSet[str]) -> Comparison:
    """Give the best comparison with the reference model that the measurements hold.

    Parameters
    ----------
    grouped : mapping of str to sequence of Measurement
        By role; student and reference must be there.
    rules : GateRules
    trusted : set of str
        Ids of the records whose reference is the user's own answer.
    """
    student = grouped[STUDENT]
    evidence = rests_on(sum(item.record_id in trusted for item in student), len(student), rules)
    if evidence == TRUSTED:
        return _by_scores(student, grouped[rules.reference], trusted)
    if evidence == PAIRWISE and any(item.pair for item in student):
        return _by_pairs(student)
    return Comparison(evidence=FIDELITY, differences=[], units=[], worst=[], worst_units=[])


def evidence_of_scores(student: Sequence[Measurement], trusted: AbstractSet[str]) -> str:
    """Say on what the student's scores against the references rest."""
    return TRUSTED if student and all(item.record_id in trusted for item in student) else FIDELITY


def teacher_ceiling(teacher: Sequence[Measurement]) -> float | None:
    """Give the mean score of the teacher's second answers against its first ones, 1 to 5.

    Nobody is closer to a teacher than it is to itself. ``None`` where no second answer was judged.
    """
    scores = [item.score for item in teacher if item.role == TEACHER and item.timed_apart and item.score is not None]
    return sum(scores) / len(scores) if scores else None


def evidence_document(comparison: Comparison, of_scores: str, ceiling: float | None, look: int) -> dict[str, Any]:
    """Give what a verdict on quality rests on, as written to ``report.json``."""
    return {
        "comparison": comparison.evidence,
        "comparison_may_claim": CLAIMS[comparison.evidence],
        "scores": of_scores,
        "scores_may_claim": CLAIMS[of_scores],
        "records": len(comparison.worst),
        "groups": len(set(comparison.worst_units)),
        "pairs": comparison.outcomes,
        "teacher_agrees_with_itself": ceiling,
        "spread": _spread(comparison.differences),
        "look": look,
        "error": error_of_look(look),
        "error_spent": error_spent(look),
    }


def _spread(differences: Sequence[float]) -> float | None:
    """Give the standard deviation of one paired difference, with which the next holdout is planned."""
    return statistics.stdev(differences) if len(differences) > 1 else None


def _by_scores(
    student: Sequence[Measurement], reference: Sequence[Measurement], trusted: AbstractSet[str]
) -> Comparison:
    ours = [item for item in student if item.record_id in trusted]
    theirs = [item for item in reference if item.record_id in trusted]
    scored = {item.record_id for item in theirs if item.score is not None}
    known = [item for item in ours if item.score is not None and item.record_id in scored]
    return Comparison(
        evidence=TRUSTED,
        differences=[float(one) for one in paired_differences(ours, theirs)],
        units=[item.unit for item in known],
        worst=[float(one) for one in worst_differences(ours, theirs)],
        worst_units=[item.unit for item in ours],
        unknown=len(ours) - len(known),
        silent=sum(not item.answered for item in theirs),
    )


def _by_pairs(student: Sequence[Measurement]) -> Comparison:
    pairs = [item.pair or {} for item in student]
    known = [(item, pair["difference"]) for item, pair in zip(student, pairs, strict=True) if _is_known(pair)]
    return Comparison(
        evidence=PAIRWISE,
        differences=[float(difference) for _, difference in known],
        units=[item.unit for item, _ in known],
        worst=[float(pair["difference"]) if _is_known(pair) else -float(MOST_DIFFERENCE) for pair in pairs],
        worst_units=[item.unit for item in student],
        unknown=len(student) - len(known),
        outcomes=count_outcomes(str(pair.get("outcome", "no_verdict")) for pair in pairs),
    )


def _is_known(pair: Mapping[str, Any]) -> bool:
    return pair.get("difference") is not None
