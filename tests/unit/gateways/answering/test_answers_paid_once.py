"""No answer is bought twice, and none is lost once it is stored."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.dataset.records import Turn
from lambdas.domain.questions.answers import Asked, Question
from lambdas.gateways.answering.answer_recorder import FLUSH_EVERY, ModelUse
from lambdas.gateways.answering.answer_store import PROBE
from tests.unit.gateways.answering.desk import TEACHER, USE, Desk, good, questions
from tests.unit.gateways.fakes import FakeRuntime, converse_answer


def test_a_crash_in_the_middle_keeps_what_was_stored_and_the_next_attempt_buys_only_the_rest() -> None:
    # Given a process that dies between the ledger's third line and the third store
    desk, bought = Desk(), questions(200)

    class Killed(BaseException):
        pass

    save = desk.bucket.write
    writes = 0

    def write(key: str, content: bytes, content_type: str = "") -> None:
        nonlocal writes
        writes += not key.endswith(f"/{PROBE}")
        if writes > 2:
            raise Killed
        save(key, content, content_type)

    desk.bucket.write = write  # type: ignore[method-assign]
    with pytest.raises(Killed):
        desk.answerer(FakeRuntime(good), calls_at_once=1).ask(bought, USE, "00-63")
    desk.bucket.write = save  # type: ignore[method-assign]
    paid = desk.ledger.total("calls")
    stored = sum(content.count(b"\n") for content in desk.bucket.objects.values())
    assert 2 * FLUSH_EVERY <= stored < paid

    # When
    runtime = FakeRuntime(good)
    found = desk.answerer(runtime).ask(bought, USE, "00-63")

    # Then what was stored is not bought again; the third batch was paid twice, and the ledger says so
    assert len(found.answers) == 200
    assert len(runtime.calls) == 200 - stored
    assert desk.ledger.total("calls") == paid + 200 - stored


def test_the_second_time_nothing_is_bought_whatever_the_order_and_the_shards() -> None:
    # Given
    desk = Desk()
    first = desk.answerer(FakeRuntime(good)).ask(questions(60), USE, "00-63")
    paid = desk.ledger.total("calls")

    # When the same questions come reordered, from a grown file with narrower shards
    runtime = FakeRuntime(good)
    answerer = desk.answerer(runtime)
    again = answerer.ask(list(reversed(questions(60))), USE, "00-31")

    # Then
    assert again == first
    assert (runtime.calls, answerer.paid, desk.ledger.total("calls")) == ([], 0, paid)


def test_a_grown_file_buys_only_what_is_new() -> None:
    # Given
    desk = Desk()
    desk.answerer(FakeRuntime(good)).ask(questions(60), USE, "00-63")

    # When
    runtime = FakeRuntime(good)
    found = desk.answerer(runtime).ask(questions(70), USE, "00-63")

    # Then
    assert len(found.answers) == 70
    assert sorted(runtime.calls) == sorted(f"query {number}" for number in range(60, 70))


@pytest.mark.parametrize(
    "change",
    [{"system": "another prompt"}, {"temperature": 0.5}, {"max_tokens": 5}, {"turns": (Turn("user", "Query 0"),)}],
    ids=["system", "temperature", "max tokens", "text in another case"],
)
def test_another_question_is_not_answered_from_the_store(change: dict[str, Any]) -> None:
    # Given
    desk = Desk()
    desk.answerer(FakeRuntime(good)).ask(questions(1), USE, "00-63")
    asked = {"record_id": "0" * 16, "system": "long prompt", "turns": (Turn("user", "query 0"),), **change}

    # When
    runtime = FakeRuntime(good)
    desk.answerer(runtime).ask([Question(**asked)], USE, "00-63")

    # Then
    assert len(runtime.calls) == 1


def test_another_model_is_not_answered_from_the_store() -> None:
    # Given
    desk = Desk()
    desk.answerer(FakeRuntime(good)).ask(questions(1), USE, "00-63")
    other = ModelUse(stage="s", identity="arn:custom-model/1", invoke_id="arn:deployment/1", price_model=TEACHER)

    # When
    runtime = FakeRuntime(good)
    desk.answerer(runtime).ask(questions(1), other, "00-63")

    # Then
    assert len(runtime.calls) == 1


def test_a_shard_reads_only_the_objects_that_can_hold_its_answers() -> None:
    # Given answers of two shards
    desk = Desk()
    desk.answerer(FakeRuntime(good)).ask(questions(3), USE, "00-15")
    desk.answerer(FakeRuntime(good)).ask(questions(3, first=3), USE, "16-31")
    desk.bucket.reads.clear()

    # When
    desk.answerer(FakeRuntime(good)).ask(questions(3, first=3), USE, "20-24")

    # Then
    assert len(desk.bucket.reads) == 1
    assert "/16-31_" in desk.bucket.reads[0]


def test_an_answer_with_half_a_character_is_stored_and_read_again() -> None:
    # Given an answer that JSON can spell and UTF-8 cannot
    desk = Desk()
    runtime = FakeRuntime(lambda _text, _earlier: converse_answer("cat \ud83d \U0001f408"))

    # When
    (answer,) = desk.answerer(runtime).ask(questions(1), USE, "00-63").answers.values()

    # Then
    assert answer.text == "cat \ufffd \U0001f408"
    assert desk.answerer(FakeRuntime(good)).ask(questions(1), USE, "00-63") == Asked({answer.record_id: answer}, {})
