"""The records on which the teacher is timed: batch inference, which gives most of its answers, has no latency."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.questions.answers import Answer

TIMED_RECORDS = 100
"""Holdout records whose latency is enough: about as few as a 95th percentile can be read from."""

LATENCY_CALLS = "latency_calls"
"""What the ledger counts calls as that were made for the time alone."""


TEACHER_JUDGED = 30
"""Records at most of which the judge is asked about the teacher's own answer, where that answer is the reference."""


def teacher_sample(record_ids: Iterable[str]) -> list[str]:
    """Choose the records on which the teacher is judged against itself: the smallest ids, which are timed first too.

    Parameters
    ----------
    record_ids : iterable of str
        Of those whose reference is the teacher's own answer.
    """
    return sorted(record_ids)[:TEACHER_JUDGED]


def identity_for_timing(model: str) -> str:
    """Name what the timed answers are kept under: beside the batch's, which they must not replace."""
    return f"{model}#latency"


def records_to_time(records: Sequence[Record], answers: Mapping[str, Answer], holdout: int) -> list[Record]:
    """Choose the records of one shard that the teacher is asked about once more, on demand.

    A shard times its share of :data:`TIMED_RECORDS`; answers that were paid for on demand count. The ids are hashes, so
    the smallest are a random choice, and a retry makes the same.

    Parameters
    ----------
    records : sequence of Record
        Of the shard.
    answers : mapping of str to Answer
        The teacher's, by record id; a record that it did not answer is not asked about again.
    holdout : int
        Records of all shards, at least one.
    """
    share = math.ceil(min(1.0, TIMED_RECORDS / holdout) * len(records))
    timed = sum(not answer.batch and not answer.throttled for answer in answers.values())
    untimed = [record for record in records if record.id in answers and answers[record.id].batch]
    return sorted(untimed, key=lambda record: record.id)[: max(0, share - timed)]
