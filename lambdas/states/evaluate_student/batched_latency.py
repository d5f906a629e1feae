"""Time teacher and baseline on a sample of the holdout, where batch inference gave their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.errors import ModelUnavailable, RetryLater
from lambdas.domain.evaluation.latency_sample import LATENCY_CALLS, identity_for_timing, records_to_time
from lambdas.domain.evaluation.measurements import BASELINE, TEACHER
from lambdas.workflow.stage import logger

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.questions.answers import Answer, Asked
    from lambdas.gateways.answering.answerer import Answerer
    from lambdas.states.evaluate_student.contestants import Contestant

TIMED_APART = (TEACHER, BASELINE)
"""Whose answers may have come by batch: the teacher's of this run, and the baseline's where it is or was a teacher."""


def time_batched(
    answerer: Answerer, contestant: Contestant, records: Sequence[Record], asked: Asked, *, shard: str, holdout: int
) -> dict[str, Answer]:
    """Ask a contestant once more, on demand, about some records that a batch answered; nothing where none did.

    The answers serve for their times alone: what is judged, counted and priced stays the batch's. No rule of the gate
    rests on the teacher's times, so that a teacher that does not answer on demand leaves its latency unknown and holds
    nothing up; the baseline's latency is what the student is held against.

    Parameters
    ----------
    answerer : Answerer
    contestant : Contestant
        One of :data:`TIMED_APART`.
    records : sequence of Record
        Of the shard.
    asked : Asked
        The contestant's answers to them.
    shard : str
    holdout : int
        Records of all shards.

    Returns
    -------
    dict of str to Answer
        By record id.

    Raises
    ------
    ModelUnavailable, RetryLater
        The baseline does not answer.
    """
    questions = [contestant.ask(record) for record in records_to_time(records, asked.answers, holdout)]
    timing = replace(contestant.use, identity=identity_for_timing(contestant.use.identity), counted_as=LATENCY_CALLS)
    try:
        return answerer.ask(questions, timing, shard).answers
    except (ModelUnavailable, RetryLater) as problem:
        if contestant.role != TEACHER:
            raise
        logger.warning("the teacher's latency is measured on fewer records", extra={"reason": str(problem)})
        return answerer.known(questions, timing, shard)
