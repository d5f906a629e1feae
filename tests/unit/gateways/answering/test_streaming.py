"""Questions that come one by one: nothing is bought that cannot be kept, and what is bought is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.domain.errors import ModelUnavailable, RetryLater
from lambdas.gateways.answering.answer_recorder import FLUSH_EVERY
from lambdas.gateways.answering.call_scheduler import REFUSALS_OF_THE_MODEL
from tests.unit.gateways.answering.desk import USE, Desk, good, questions
from tests.unit.gateways.fakes import FakeRuntime, converse_answer, refusal

Buys = Callable[[Desk, FakeRuntime, int], None]


class LedgerAway(Exception):
    """The ledger cannot be written."""


def by_asking(desk: Desk, runtime: FakeRuntime, count: int) -> None:
    desk.answerer(runtime).ask(questions(count), USE, "00-63")


def one_by_one(desk: Desk, runtime: FakeRuntime, count: int) -> None:
    with desk.answerer(runtime).open(questions(1)[0], USE, "00-63") as asking:
        for question in questions(count):
            asking.put(question)


both_ways = pytest.mark.parametrize("buys", [by_asking, one_by_one])


@both_ways
@pytest.mark.parametrize("away", ["ledger", "answers"])
def test_nothing_is_bought_that_cannot_be_written_down(buys: Buys, away: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a place that refuses every write
    desk, runtime = Desk(), FakeRuntime(good)

    def refuse(*_args: Any, **_options: Any) -> None:
        raise LedgerAway

    place, name = (desk.ledger, "record_cost") if away == "ledger" else (desk.bucket, "write")
    monkeypatch.setattr(place, name, refuse)

    # When
    with pytest.raises(LedgerAway):
        buys(desk, runtime, 30)

    # Then
    assert runtime.calls == []


@both_ways
def test_answers_are_kept_where_the_ledger_fails_in_the_middle(buys: Buys, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a ledger that takes the line written before anything is bought, and then no more
    desk = Desk()
    write = desk.ledger.record_cost

    def fails_later(run_id: str, entry: LedgerEntry, *, opened: bool = False) -> None:
        if entry.usage["calls"]:
            raise LedgerAway
        write(run_id, entry, opened=opened)

    monkeypatch.setattr(desk.ledger, "record_cost", fails_later)
    runtime = FakeRuntime(good)
    with pytest.raises(LedgerAway):
        buys(desk, runtime, 2 * FLUSH_EVERY)
    stored = sum(content.count(b"\n") for content in desk.bucket.objects.values())
    assert stored >= FLUSH_EVERY

    # When it is tried again with a ledger that works
    monkeypatch.undo()
    runtime = FakeRuntime(good)
    buys(desk, runtime, 2 * FLUSH_EVERY)

    # Then what was stored is not bought again
    assert len(runtime.calls) == 2 * FLUSH_EVERY - stored


def test_wasted_calls_are_paid_and_counted_apart() -> None:
    # Given a model whose first answer to each question cannot be used
    desk = Desk()
    runtime = FakeRuntime(lambda _text, earlier: converse_answer("no" if earlier == 0 else "yes"))

    # When
    with desk.answerer(runtime).open(questions(1)[0], USE, "00-63", unusable=_must_be_yes) as asking:
        for question in questions(3):
            asking.put(question)

    # Then
    assert (desk.ledger.total("calls"), desk.ledger.total("wasted_calls")) == (6, 3)
    assert [asking.answer(question).text for question in questions(3)] == ["yes"] * 3  # type: ignore[union-attr]


def _must_be_yes(answer: Any) -> str | None:
    return None if answer.text == "yes" else "not yes"


def test_where_nothing_is_put_nothing_is_written() -> None:
    # Given
    desk, runtime = Desk(), FakeRuntime(good)

    # When
    one_by_one(desk, runtime, 0)

    # Then
    assert (runtime.calls, desk.ledger.entries, desk.bucket.objects) == ([], {}, {})


def test_the_same_question_put_twice_is_asked_once() -> None:
    # Given
    desk, runtime = Desk(), FakeRuntime(good)

    # When
    with desk.answerer(runtime).open(questions(1)[0], USE, "00-63") as asking:
        for question in questions(5) * 2:
            asking.put(question)

    # Then
    assert sorted(runtime.calls) == [f"query {number}" for number in range(5)]


def test_a_model_that_refuses_every_request_is_named_and_no_record_is_blamed() -> None:
    # Given
    desk = Desk()

    def refuse(_text: str, _earlier: int) -> dict[str, Any]:
        raise refusal("ValidationException")

    # When
    with pytest.raises(ModelUnavailable, match="refused"):
        one_by_one(desk, FakeRuntime(refuse), REFUSALS_OF_THE_MODEL + 5)

    # Then nothing stays behind that would keep a retry from asking
    assert desk.bucket.objects == {}


@pytest.mark.parametrize(("error", "goes_on"), [(RetryLater("throttled"), True), (ValueError("bad"), False)])
def test_a_caller_that_must_wait_still_lets_the_questions_be_asked(error: Exception, *, goes_on: bool) -> None:
    # Given a caller that ends with an error of its own while its questions wait
    desk, runtime = Desk(), FakeRuntime(good)

    def put_and_fail() -> None:
        with desk.answerer(runtime, calls_at_once=1).open(questions(1)[0], USE, "00-63") as asking:
            for question in questions(40):
                asking.put(question)
            raise error

    # When
    with pytest.raises(type(error)):
        put_and_fail()

    # Then its error is the one that is seen, and what was bought is kept
    stored = sum(content.count(b"\n") for content in desk.bucket.objects.values())
    assert stored == len(runtime.calls)
    if goes_on:
        assert stored == 40
