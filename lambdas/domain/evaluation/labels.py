"""People's scores of a random sample of the answers: who is asked about what, what is kept, and what of it counts.

A person sees the answers of student and reference model without their names. The order of the records is a pure
function of the run, so that the first so many are a random sample and nobody, neither judge nor person, chooses them.
Records where both gave the same text are not shown: neither can be better, and no judge errs there.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.caller_identity import Caller, identity_of
from lambdas.domain.errors import LabelsRefused
from lambdas.domain.evaluation.judge import HIGHEST, LOWEST
from lambdas.domain.identity import digest
from lambdas.domain.stored import DOCUMENT_VERSION, check_schema_version

if TYPE_CHECKING:
    from lambdas.domain.evaluation.measurements import Measurement

MOST_AT_ONCE = 1_000
"""Labels of one call: what a person scores in days."""

_FIELDS = ("record_id", "answers", "student", "reference")
_HOW = "run 'python -m cli label' again"


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """The answers of student and reference model to one record of the holdout.

    Attributes
    ----------
    answers : str
        Hash of both: a label holds for these answers and no others.
    student_first : bool
        Whether the student's answer is shown first.
    """

    record_id: str
    student: str
    reference: str
    answers: str
    student_first: bool


@dataclass(frozen=True, slots=True)
class Label:
    """One person's scores, 1 to 5, of both answers to one record."""

    record_id: str
    answers: str
    student: int
    reference: int

    @classmethod
    def from_document(cls, given: object) -> Self:
        """Read a label as it came with a call, or as it is kept.

        Raises
        ------
        LabelsRefused
            When it is not of the form.
        """
        if not isinstance(given, Mapping) or not set(_FIELDS) <= given.keys():
            raise LabelsRefused(f"a label needs {', '.join(_FIELDS)}; {_HOW}")
        scores = [given[name] for name in ("student", "reference")]
        for score in scores:
            if type(score) is not int or not LOWEST <= score <= HIGHEST:
                raise LabelsRefused(
                    f"a score of record {str(given['record_id'])[:40]!r} is {str(score)[:20]!r}; it must be a whole "
                    f"number from {LOWEST} to {HIGHEST}"
                )
        return cls(str(given["record_id"]), str(given["answers"]), *scores)

    def to_document(self) -> dict[str, Any]:
        """Give the label as it is kept: no text of a prompt or an answer."""
        return {name: getattr(self, name) for name in _FIELDS}


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptLabels:
    """The labels of one call, as kept in S3.

    Attributes
    ----------
    attempt : int
        Whose answers were shown; labels count wherever the answers are the same.
    at : str
        ISO 8601.
    by : Caller
        Who scored, by the word of STS.
    reference : str
        Role of the reference model.
    """

    run_id: str
    attempt: int
    at: str
    by: Caller
    reference: str
    labels: tuple[Label, ...]

    def to_document(self) -> dict[str, Any]:
        """Give the file."""
        return {
            "schema_version": DOCUMENT_VERSION,
            "run_id": self.run_id,
            "attempt": self.attempt,
            "at": self.at,
            "by": self.by,
            "reference": self.reference,
            "labels": [label.to_document() for label in self.labels],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_document` wrote.

        Raises
        ------
        DocumentTooNew
            When a later version wrote it in another way.
        """
        check_schema_version(document, "a file of labels")
        return cls(
            run_id=str(document["run_id"]),
            attempt=int(document["attempt"]),
            at=str(document["at"]),
            by=document["by"],
            reference=str(document["reference"]),
            labels=tuple(Label.from_document(one) for one in document["labels"]),
        )


def label_order(run_id: str, student: Sequence[Measurement], reference: Sequence[Measurement]) -> dict[str, AnswerPair]:
    """Put the records about which people are asked in their order, the same at each call.

    Parameters
    ----------
    run_id : str
        Seeds the order, and which answer is shown first.
    student, reference : sequence of Measurement
        Of the same records. Those that one of them did not answer, or both answered alike, are left out.

    Returns
    -------
    dict of str to AnswerPair
        By record id; the first so many are a random sample.
    """
    others = {item.record_id: item for item in reference}
    asked = [
        item
        for item in student
        if item.answered
        and (other := others.get(item.record_id)) is not None
        and other.answered
        and other.answer != item.answer
    ]
    ordered = sorted(asked, key=lambda item: digest("label", run_id, item.record_id, length=32))
    return {
        item.record_id: AnswerPair(
            item.record_id,
            item.answer,
            others[item.record_id].answer,
            answers_hash(item.answer, others[item.record_id].answer),
            _student_first(run_id, item.record_id),
        )
        for item in ordered
    }


def answers_hash(student: str, reference: str) -> str:
    """Hash the answers that a label rests on: 32 hexadecimal digits of SHA-256."""
    return digest("answers", student, reference, length=32)


def labels_subject(run_id: str, labels: Iterable[Label]) -> str:
    """Name what a proof of identity is bound to: the run, and exactly these scores."""
    return f"{run_id} {digest([label.to_document() for label in labels], length=32)}"


def check_new(
    given: Sequence[Label],
    order: Mapping[str, AnswerPair],
    kept: Iterable[KeptLabels],
    by: Caller,
    trusted: Sequence[str],
) -> list[Label]:
    """Refuse labels that cannot count; give those that are new.

    Parameters
    ----------
    given : sequence of Label
        Of one call.
    order : mapping of str to AnswerPair
        As of :func:`label_order`.
    kept : iterable of KeptLabels
        What the run has.
    by : Caller
        Who gives them.
    trusted : sequence of str
        ``trusted_sessions`` of the settings, by which two callers are one person.

    Returns
    -------
    list of Label
        Empty where each of them is kept already, as it is.

    Raises
    ------
    LabelsRefused
        A label is of a record that is not asked about, or of other answers; is given twice, or differs from what the
        same person said; or the labels are not the first ones in the order, so that somebody chose them.
    """
    if not given or len(given) > MOST_AT_ONCE:
        raise LabelsRefused(f"a call takes 1 to {MOST_AT_ONCE:,} labels, and has {len(given):,}")
    mine = _of_person(kept, by, trusted, order)
    seen: set[str] = set()
    for label in given:
        pair = order.get(label.record_id)
        if pair is None:
            raise LabelsRefused(f"record {label.record_id[:40]!r} is none of those that people are asked about; {_HOW}")
        if label.answers != pair.answers:
            raise LabelsRefused(
                f"the label of record {label.record_id} rests on other answers than this attempt's; {_HOW}, and score "
                "the answers that it shows"
            )
        if label.record_id in seen:
            raise LabelsRefused(f"record {label.record_id} is labelled twice in one call; leave one of them out")
        seen.add(label.record_id)
    changed = [label.record_id for label in given if mine.get(label.record_id, label) != label]
    new = [label for label in given if label.record_id not in mine]
    if changed or (new and len(new) < len(given)):
        raise LabelsRefused(
            f"you have labelled {len(given) - len(new)} of these {len(given)} records before, and the first word "
            f"stands: nothing was kept. {len(mine)} of your labels are there; 'python -m cli label RUN --after "
            f"{len(mine)}' goes on behind them"
        )
    if set(list(order)[: len(mine) + len(new)]) != mine.keys() | {label.record_id for label in new}:
        raise LabelsRefused(
            f"the labels are not of the next {len(given)} records in the order of the run, behind your {len(mine)}: a "
            f"sample that somebody chose shows nothing. Import the whole file as it was written, or {_HOW}"
        )
    return new


@dataclass(frozen=True, kw_only=True, slots=True)
class PeoplesLabels:
    """What people said of the answers that a verdict is about.

    Attributes
    ----------
    differences : dict of str to float
        Points by which the student's answer is better, by record id, the mean over people.
    drawn_from : frozenset of str
        The records of which the labelled ones are a random sample.
    people : int
        Different identities.
    by : tuple of str
        Their ARNs, as STS gave them first.
    calls : int
        In how many calls they came: each was followed by a verdict, and is another look at the same records.
    outdated : int
        Labels that are kept and rest on other answers.
    scored_twice : int
        Answers that two people scored; a third makes three pairs of one answer.
    agreeing : float or None
        Share of them with equal scores.
    apart : float or None
        Mean absolute difference, in points.
    """

    differences: dict[str, float]
    drawn_from: frozenset[str]
    people: int
    by: tuple[str, ...]
    calls: int
    outdated: int
    scored_twice: int
    agreeing: float | None
    apart: float | None


def peoples_labels(
    kept: Sequence[KeptLabels], order: Mapping[str, AnswerPair], trusted: Sequence[str], reference: str
) -> PeoplesLabels | None:
    """Add up what counts of the kept labels; ``None`` where there are none.

    Parameters
    ----------
    kept : sequence of KeptLabels
        All that the run has.
    order : mapping of str to AnswerPair
        Of the answers that the verdict is about.
    trusted : sequence of str
        ``trusted_sessions`` of the settings.
    reference : str
        Role with which the rule of quality compares: labels beside another one do not count.
    """
    if not kept:
        return None
    by_record: dict[str, dict[str, Label]] = {}
    arns: dict[str, str] = {}
    calls: set[str] = set()
    total = sum(len(one.labels) for one in kept)
    for file in sorted(kept, key=lambda one: one.at):
        person = identity_of(file.by["arn"], trusted)
        for label in file.labels if file.reference == reference else ():
            if label.record_id in order and order[label.record_id].answers == label.answers:
                by_record.setdefault(label.record_id, {}).setdefault(person, label)
                arns.setdefault(person, file.by["arn"])
                calls.add(file.at)
    counted = sum(map(len, by_record.values()))
    twice = [abs(one - other) for said in by_record.values() for one, other in _scored_by_two(said.values())]
    return PeoplesLabels(
        differences={
            record: statistics.fmean(label.student - label.reference for label in said.values())
            for record, said in by_record.items()
        },
        drawn_from=frozenset(order),
        people=len(arns),
        by=tuple(arns.values()),
        calls=len(calls),
        outdated=total - counted,
        scored_twice=len(twice),
        agreeing=twice.count(0) / len(twice) if twice else None,
        apart=statistics.fmean(twice) if twice else None,
    )


def _scored_by_two(labels: Iterable[Label]) -> Iterator[tuple[int, int]]:
    for one, other in combinations(labels, 2):
        yield one.student, other.student
        yield one.reference, other.reference


def _of_person(
    kept: Iterable[KeptLabels], by: Caller, trusted: Sequence[str], order: Mapping[str, AnswerPair]
) -> dict[str, Label]:
    """Give a person's labels of these answers by record id."""
    person = identity_of(by["arn"], trusted)
    of_person = [file for file in kept if identity_of(file.by["arn"], trusted) == person]
    return {
        label.record_id: label
        for file in of_person
        for label in file.labels
        if label.record_id in order and order[label.record_id].answers == label.answers
    }


def _student_first(run_id: str, record_id: str) -> bool:
    return int(digest("shown first", run_id, record_id, length=2), 16) % 2 == 0
