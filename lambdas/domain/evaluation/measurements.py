"""Measurements of the evaluation: one a record and contestant."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from lambdas.domain.errors import EvaluationIncomplete
from lambdas.domain.evaluation.judge import HIGHEST, LOWEST
from lambdas.domain.stored import read_as

STUDENT, UNDISTILLED, TEACHER, BASELINE, CHAMPION = "student", "undistilled_student", "teacher", "baseline", "champion"

PROMPTED = "prompted_base"
"""The student's base model with the long prompt (:mod:`lambdas.domain.evaluation.prompted_base`)."""

REQUIRED = (STUDENT, UNDISTILLED, TEACHER, BASELINE)
"""Contestants without whom there is no verdict; prompted base and champion join them where they answer."""


OPTIONAL = (CHAMPION, PROMPTED)


def left_out_file(role: str) -> str:
    """Name the note that says why one of :data:`OPTIONAL` is not compared."""
    return "left_out.json" if role == CHAMPION else f"left_out_{role}.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One answer of one contestant to one record of the holdout, checked, timed, counted and judged.

    Attributes
    ----------
    question : str
        The last turn; only the student's measurements have it, of which the report shows the worst.
    problem, repaired_problem : str or None
        How the answer breaks the output schema, as it is and after repair.
    answered : bool
        Whether the contestant answered at all; if not, it counts as a broken answer with the lowest score.
    latency_ms, client_ms : float
        The service's own time, and the client's with the network, of the attempt that succeeded.
    throttled : int
        Throttled or failed attempts before that one.
    batch : bool
        Whether batch inference gave the answer, which has no latency.
    stop_reason : str
        As Converse gave it; empty without an answer.
    timed_apart : bool
        Whether the times are those of a second answer, on demand, which was asked for them alone.
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens : int
        As billed.
    score : int or None
        1 to 5; ``None`` where the judge gave no usable verdict, with ``judge_problem`` saying why.
    group : str
        Records of one group are not independent of each other; empty where the record is a group of its own.
    judged : bool
        Whether the judge was asked for a score; of the teacher's own answers it is asked about a sample.
    pair : dict or None
        :class:`~lambdas.domain.evaluation.pairs.Pair`: the student beside the reference model, on the student's
        measurements where the comparison rests on pairs.
    """

    record_id: str
    role: str
    model: str
    question: str
    reference: str
    answer: str
    problem: str | None
    repaired_problem: str | None = None
    answered: bool = True
    latency_ms: float
    client_ms: float
    throttled: int = 0
    batch: bool = False
    stop_reason: str = ""
    timed_apart: bool = False
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    score: int | None
    judge_problem: str | None = None
    explanation: str
    slices: dict[str, str] = field(default_factory=dict)
    group: str = ""
    judged: bool = True
    pair: dict[str, Any] | None = None

    @property
    def unit(self) -> str:
        """Name what is independent of every other: the record's group, or the record where it has none."""
        return self.group or self.record_id

    @property
    def is_timed(self) -> bool:
        """Whether its latency says something about the model: not after throttling, not from a batch."""
        return self.answered and not self.throttled and (self.timed_apart or not self.batch)

    def to_json(self) -> str:
        """Write the measurement as one line."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote."""
        return read_as(cls, json.loads(line))


def check_complete(
    measurements: Iterable[Measurement], record_ids: AbstractSet[str], left_out: Iterable[str] = ()
) -> dict[str, list[Measurement]]:
    """Group measurements by contestant; every contestant must have every record exactly once.

    Parameters
    ----------
    measurements : iterable of Measurement
    record_ids : set of str
        Records that must have been measured.
    left_out : iterable of str
        Roles that refused in some shard and are not compared; only champion and prompted base may be.

    Raises
    ------
    EvaluationIncomplete
        Names the contestant and how many records are missing: a mean over fewer records would hide them. Also where no
        record has a reference.
    """
    if not record_ids:
        raise EvaluationIncomplete("no holdout record has a reference, so that nothing can be measured")
    grouped: dict[str, dict[str, Measurement]] = {role: {} for role in REQUIRED}
    for item in measurements:
        grouped.setdefault(item.role, {})[item.record_id] = item
    for role in set(left_out) & set(OPTIONAL):
        grouped.pop(role, None)
    if record_ids - grouped.get(PROMPTED, {}).keys():
        grouped.pop(PROMPTED, None)  # no rule of the gate rests on it
    for role, found in grouped.items():
        missing = record_ids - found.keys()
        if missing:
            message = (
                f"{len(missing)} of {len(record_ids)} holdout records were not measured for {role}; "
                "no verdict is given over fewer records. Retry the run: measured records are not asked again"
            )
            raise EvaluationIncomplete(message)
    return {role: [found[key] for key in sorted(found)] for role, found in grouped.items()}


def paired_differences(student: Sequence[Measurement], reference: Sequence[Measurement]) -> list[int]:
    """Subtract the reference's score from the student's, record by record, where the judge scored both."""
    scores = {item.record_id: item.score for item in reference if item.score is not None}
    return [
        item.score - scores[item.record_id] for item in student if item.score is not None and item.record_id in scores
    ]


def worst_differences(student: Sequence[Measurement], reference: Sequence[Measurement]) -> list[int]:
    """Give the same over every record, as bad for the student as what is not known can be.

    Not known are missing verdicts, and how good an answer would have been that the reference did not give: that it
    counts with the lowest score shows nothing of the student.
    """
    scores = {item.record_id: item.score for item in reference if item.answered and item.score is not None}
    return [(LOWEST if item.score is None else item.score) - scores.get(item.record_id, HIGHEST) for item in student]


def worst_answers(measurements: Iterable[Measurement], count: int = 10) -> list[dict[str, Any]]:
    """Pick the student's worst answers for the report, lowest score first, broken schema before that."""
    judged = [item for item in measurements if item.score is not None]
    ranked = sorted(judged, key=lambda item: (item.score, item.problem is None, item.record_id))
    return [
        {
            "record_id": item.record_id,
            "question": item.question,
            "reference": item.reference,
            "answer": item.answer,
            "score": item.score,
            "problem": item.problem,
            "explanation": item.explanation,
        }
        for item in ranked[:count]
    ]
