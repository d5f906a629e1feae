"""On what a line about quality rests, and what it may claim.

Likeness to the teacher is not quality: a student that copies a teacher's mistakes is scored 5 for them, and a baseline
that gets them right is scored 1. So a comparison with another model rests on trusted answers, on people's labels or on
blinded pairs; what rests on the teacher's answers says how close the student is to the teacher, and nothing else.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lambdas.domain.evaluation.confidence_bounds import ALPHA, error_of_look, error_spent
from lambdas.domain.evaluation.evidence_kinds import CLAIMS, FIDELITY, LABELLED, PAIRWISE, TRUSTED, rests_on
from lambdas.domain.evaluation.judge import HIGHEST, MOST_DIFFERENCE
from lambdas.domain.evaluation.labelled import FEWEST_LABELS, FEWEST_TO_SPREAD, Corrected, labelled_bounds
from lambdas.domain.evaluation.measurements import STUDENT, Measurement, paired_differences, worst_differences
from lambdas.domain.evaluation.pairs import count_outcomes

if TYPE_CHECKING:
    from lambdas.domain.evaluation.labels import PeoplesLabels
    from lambdas.domain.task.task_definition import GateRules


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
    slices : list of mapping of str to str
        Of each of them.
    worst : list of float
        The same over every record, as bad for the student as what is not known can be.
    worst_units : list of str
    unknown : int
        Records of which the difference is not known.
    silent : int
        Records that the reference did not answer.
    outcomes : dict or None
        How pairs ended, where pairs were asked about.
    people : PeoplesComparison or None
        The judge corrected by people, where that is the evidence.
    """

    evidence: str
    differences: list[float]
    units: list[str]
    worst: list[float]
    worst_units: list[str]
    slices: Sequence[Mapping[str, str]] = ()
    unknown: int = 0
    silent: int = 0
    outcomes: dict[str, int] | None = None
    people: PeoplesComparison | None = None

    @property
    def more_looks(self) -> int:
        """Verdicts on these records that the same run had before: one for each earlier sending of its labels."""
        return self.people.labels.calls - 1 if self.people else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PeoplesComparison:
    """The judge's differences beside those of people; by record id, in judge points.

    Attributes
    ----------
    labels : PeoplesLabels
    known : dict of str to float
        The judge's, of the records that it could compare.
    worst : dict of str to float
        Of every record: as bad for the student as what is not known can be.
    units : dict of str to str
        What each record belongs to that is independent of the others.
    """

    labels: PeoplesLabels
    known: dict[str, float]
    worst: dict[str, float]
    units: dict[str, str]

    @property
    def suffices(self) -> bool:
        """Whether the labels are enough to correct the judge."""
        least = max(min(FEWEST_LABELS, len(self._groups(self.labels.drawn_from))), FEWEST_TO_SPREAD)
        return len(self._groups(self.known.keys() & self.labels.differences.keys())) >= least

    def corrected(self, error: float = ALPHA) -> tuple[Corrected, Corrected]:
        """Bound the difference as people see it, over what is known and over every record at its worst.

        Parameters
        ----------
        error : float
            Of each one-sided bound.
        """
        said, drawn = self.labels.differences, self.labels.drawn_from
        known, worst = (
            labelled_bounds(judged, said, self.units, drawn_from=drawn, error=error)
            for judged in (self.known, self.worst)
        )
        return known, worst

    def _groups(self, records: Iterable[str]) -> set[str]:
        return {self.units[record] for record in records}


def compared(
    grouped: Mapping[str, Sequence[Measurement]],
    rules: GateRules,
    trusted: AbstractSet[str],
    labels: PeoplesLabels | None = None,
) -> Comparison:
    """Give the best comparison with the reference model that measurements and people hold.

    Trusted answers decide before people's labels, labels before the judge's pairs: a label is an opinion of an answer,
    a trusted answer is what is right.

    Parameters
    ----------
    grouped : mapping of str to sequence of Measurement
        By role; student and reference must be there.
    rules : GateRules
    trusted : set of str
        Ids of the records whose reference is the user's own answer.
    labels : PeoplesLabels, optional
    """
    found = _without_people(grouped, rules, trusted)
    people = _beside_people(grouped, rules, labels)
    if people is None or not people.suffices or found.evidence == TRUSTED:
        return found
    slices = {item.record_id: item.slices for item in grouped[STUDENT]}
    return replace(
        found,
        evidence=LABELLED,
        differences=list(people.known.values()),
        units=[people.units[record] for record in people.known],
        slices=[slices[record] for record in people.known],
        worst=list(people.worst.values()),
        worst_units=[people.units[record] for record in people.worst],
        unknown=len(people.worst) - len(people.known),
        silent=0,
        people=people,
    )


def _without_people(
    grouped: Mapping[str, Sequence[Measurement]], rules: GateRules, trusted: AbstractSet[str]
) -> Comparison:
    student = grouped[STUDENT]
    evidence = rests_on(sum(item.record_id in trusted for item in student), len(student), rules)
    if evidence == TRUSTED:
        return _by_scores(student, grouped[rules.reference], trusted)
    if evidence == PAIRWISE and any(item.pair for item in student):
        return _by_pairs(student)
    return Comparison(evidence=FIDELITY, differences=[], units=[], worst=[], worst_units=[])


def _beside_people(
    grouped: Mapping[str, Sequence[Measurement]], rules: GateRules, labels: PeoplesLabels | None
) -> PeoplesComparison | None:
    """Put the judge's difference of each record beside people's: of its pair, or of both scores where it saw none."""
    if labels is None or not labels.differences:
        return None
    others = {item.record_id: item for item in grouped[rules.reference]}
    known = {
        item.record_id: difference
        for item in grouped[STUDENT]
        if (difference := _difference(item, others[item.record_id])) is not None
    }
    return PeoplesComparison(
        labels=labels,
        known=known,
        worst={item.record_id: known.get(item.record_id, -float(MOST_DIFFERENCE)) for item in grouped[STUDENT]},
        units={item.record_id: item.unit for item in grouped[STUDENT]},
    )


def _difference(student: Measurement, reference: Measurement) -> float | None:
    """Give the judge's difference of one record; ``None`` where it could compare nothing."""
    if student.pair:
        return float(student.pair["difference"]) if _is_known(student.pair) else None
    if not (student.answered and reference.answered):
        return None
    if student.answer == reference.answer:
        return 0.0
    # What nobody asked the judge about is the reference itself, which has the highest score.
    other = reference.score if reference.judged else HIGHEST
    return None if student.score is None or other is None else float(student.score - other)


def evidence_of_scores(student: Sequence[Measurement], trusted: AbstractSet[str]) -> str:
    """Say on what the student's scores against the references rest."""
    return TRUSTED if student and all(item.record_id in trusted for item in student) else FIDELITY


def teacher_ceiling(teacher: Sequence[Measurement], trusted: AbstractSet[str]) -> float | None:
    """Give the mean score of the teacher's second answers against its first ones, 1 to 5.

    Nobody is closer to a teacher than it is to itself. ``None`` where no second answer was judged. Where the reference
    is the user's own answer the teacher is scored by what is right, and not by itself.
    """
    scores = [
        item.score for item in teacher if item.timed_apart and item.score is not None and item.record_id not in trusted
    ]
    return sum(scores) / len(scores) if scores else None


def evidence_document(
    comparison: Comparison, of_scores: str, ceiling: float | None, look: int, labels: PeoplesLabels | None = None
) -> dict[str, Any]:
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
        "labels": labels and _labels_document(labels, comparison.people),
        "spread": _spread(comparison.differences),
        "look": look,
        "error": error_of_look(look),
        "error_spent": error_spent(look),
    }


def _labels_document(labels: PeoplesLabels, people: PeoplesComparison | None) -> dict[str, Any]:
    """Give what people said; ``people`` where it decides."""
    bounds = people.corrected()[0].bounds if people else None
    return {
        "records": len(labels.differences),
        "drawn_from": len(labels.drawn_from),
        "people": labels.people,
        "by": list(labels.by),
        "calls": labels.calls,
        "outdated": labels.outdated,
        "mean_difference": statistics.fmean(labels.differences.values()) if labels.differences else None,
        "drop": None if bounds is None else -bounds.mean,
        "scored_twice": labels.scored_twice,
        "agreeing": labels.agreeing,
        "apart": labels.apart,
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
        slices=[item.slices for item in known],
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
        slices=[item.slices for item, _ in known],
        worst=[float(pair["difference"]) if _is_known(pair) else -float(MOST_DIFFERENCE) for pair in pairs],
        worst_units=[item.unit for item in student],
        unknown=len(student) - len(known),
        outcomes=count_outcomes(str(pair.get("outcome", "no_verdict")) for pair in pairs),
    )


def _is_known(pair: Mapping[str, Any]) -> bool:
    return pair.get("difference") is not None
