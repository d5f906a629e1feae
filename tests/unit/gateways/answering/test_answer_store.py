"""Bought answers lie in few objects, and a shard reads only those that concern it."""

from __future__ import annotations

from lambdas.domain.dataset.records import WHOLE_RANGE, partition_of
from lambdas.domain.questions.answers import Answer
from lambdas.gateways.answering.answer_store import AnswerStore
from tests.unit.gateways.fakes import MemoryBucket


def answer(number: int) -> Answer:
    record_id = f"{number * 2654435761 % 2**64:016x}"
    return Answer(
        key=f"{number:032x}",
        record_id=record_id,
        model="m",
        text="yes",
        stop_reason="end_turn",
        input_tokens=1,
        output_tokens=1,
        latency_ms=0.0,
        client_ms=0.0,
        batch=True,
    )


def test_ten_thousand_answers_of_a_batch_take_a_few_dozen_objects_and_a_shard_reads_its_own() -> None:
    # Given
    bucket = MemoryBucket()
    store = AnswerStore(bucket.as_bucket(), "video")
    answers = [answer(number) for number in range(10_000)]
    # When
    store.save_spread("pool", answers)
    objects = dict(bucket.objects)
    store.save_spread("pool", answers[::-1])
    found = store.load("pool", "04-05")
    # Then
    assert len(objects) <= 64
    assert bucket.objects == objects
    assert {item.key for item in answers if 4 <= partition_of(item.record_id) <= 5} <= found.keys()
    assert len(bucket.reads) <= 3
    assert len(store.load("pool", WHOLE_RANGE)) == 10_000
