"""How many records of a shard the teacher is timed on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.dataset.records import Record
from lambdas.domain.evaluation.latency_sample import TIMED_RECORDS, records_to_time
from lambdas.domain.questions.answers import Answer
from tests.unit.domain.samples import records

RECORDS = records(400)


def answer(record: Record, *, batch: bool) -> Answer:
    return Answer(
        key=record.id,
        record_id=record.id,
        model="m",
        text="t",
        stop_reason="end_turn",
        input_tokens=1,
        output_tokens=1,
        latency_ms=0.0 if batch else 9.0,
        client_ms=0.0 if batch else 9.0,
        batch=batch,
    )


def test_a_record_that_the_teacher_did_not_answer_is_not_asked_about_again() -> None:
    # Given one record without an answer
    answers = {record.id: answer(record, batch=True) for record in RECORDS[:9]}

    # When
    chosen = records_to_time(RECORDS[:10], answers, 10)

    # Then
    assert {record.id for record in chosen} == answers.keys()


def test_an_answer_that_was_throttled_times_nothing() -> None:
    # Given a shard of which one answer was bought on demand, after a throttle
    answers = {record.id: answer(record, batch=True) for record in RECORDS[:10]}
    first = RECORDS[0].id
    answers[first] = replace(answer(RECORDS[0], batch=False), throttled=1)

    # When / Then
    assert len(records_to_time(RECORDS[:10], answers, 10)) == 9


@pytest.mark.parametrize("shards", [1, 3, 7])
def test_all_shards_together_time_the_sample(shards: int) -> None:
    # Given
    parts = [RECORDS[number::shards] for number in range(shards)]
    answers = {record.id: answer(record, batch=True) for record in RECORDS}

    # When
    chosen = [record for part in parts for record in records_to_time(part, answers, len(RECORDS))]

    # Then, but for the rounding up of each shard
    assert TIMED_RECORDS <= len(chosen) < TIMED_RECORDS + shards


@given(st.integers(1, 400), st.permutations(range(40)), st.integers(0, 40))
def test_the_choice_does_not_depend_on_the_order_and_never_exceeds_the_shard(
    holdout: int, order: list[int], on_demand: int
) -> None:
    # Given a shard of 40 records
    holdout = max(holdout, 40)
    shard = RECORDS[:40]
    answers = {record.id: answer(record, batch=number >= on_demand) for number, record in enumerate(shard)}

    # When
    chosen = records_to_time(shard, answers, holdout)

    # Then
    assert chosen == records_to_time([shard[number] for number in order], answers, holdout)
    assert all(answers[record.id].batch for record in chosen)
    assert len(chosen) <= 40 - on_demand
