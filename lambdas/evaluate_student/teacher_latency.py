"""Time the teacher on a sample of the holdout, where batch inference gave its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lambdas.domain.answers import Answer, Asked
from lambdas.domain.errors import ModelUnavailable, RetryLater
from lambdas.domain.latency_sample import LATENCY_CALLS, identity_for_timing, records_to_time
from lambdas.domain.prompts import teacher_question
from lambdas.domain.records import Record
from lambdas.domain.task_definition import TaskDefinition
from lambdas.gateways.answerer import Answerer
from lambdas.gateways.till import ModelUse
from lambdas.pipeline import logger


def time_teacher(
    answerer: Answerer,
    task: TaskDefinition,
    use: ModelUse,
    records: Sequence[Record],
    asked: Asked,
    *,
    shard: str,
    holdout: int,
) -> dict[str, Answer]:
    """Ask the teacher once more, on demand, about some records that a batch answered.

    The answers serve for their times alone: what is judged, counted and priced stays the batch's. No rule of the gate
    rests on them, so that a teacher that does not answer on demand leaves its latency unknown and holds nothing up.

    Parameters
    ----------
    answerer, task, shard
        As for the contestants.
    use : ModelUse
        The teacher as a contestant.
    records : sequence of Record
        Of the shard.
    asked : Asked
        The teacher's answers to them.
    holdout : int
        Records of all shards.

    Returns
    -------
    dict of str to Answer
        By record id.
    """
    questions = [teacher_question(record, task) for record in records_to_time(records, asked.answers, holdout)]
    timing = replace(use, identity=identity_for_timing(use.identity), counted_as=LATENCY_CALLS)
    try:
        return answerer.ask(questions, timing, shard).answers
    except (ModelUnavailable, RetryLater) as problem:
        logger.warning("the teacher's latency is measured on fewer records", extra={"reason": str(problem)})
        return answerer.known(questions, timing, shard)
