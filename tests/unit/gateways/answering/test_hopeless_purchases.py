"""A purchase of which nothing usable is to be hoped for stops early; one that brings something goes on to its end."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.errors import ModelUnavailable
from lambdas.domain.questions.answers import Answer
from lambdas.domain.questions.endings import ending_problem
from lambdas.gateways.answering.call_scheduler import HOPELESS_AFTER
from tests.unit.gateways.answering.desk import USE, Desk, good, questions
from tests.unit.gateways.fakes import FakeRuntime, converse_answer

AT_ONCE = 4


def truncated(_text: str = "", _earlier: int = 0) -> dict[str, Any]:
    return converse_answer("half") | {"stopReason": "max_tokens"}


def problem(answer: Answer) -> str | None:
    return ending_problem(answer.stop_reason)


def test_answers_that_are_kept_and_of_no_use_end_a_purchase_and_are_not_paid_again() -> None:
    # Given a model that is cut off each time
    desk, runtime = Desk(), FakeRuntime(truncated)

    # When
    with pytest.raises(ModelUnavailable, match=r"gave 2\d answers and none that can be used.*truncated") as said:
        desk.answerer(runtime, AT_ONCE).ask(questions(300), USE, "00-63", useless=problem)

    # Then what was in progress is kept and paid for, and no more
    assert said.value.useless == "truncated"
    assert HOPELESS_AFTER <= len(runtime.calls) < HOPELESS_AFTER + AT_ONCE
    assert desk.ledger.total("calls") == len(runtime.calls)

    # When it is tried again, in the next attempt too / Then what is known is enough
    before = len(runtime.calls)
    for attempt in (1, 2):
        desk.attempt = attempt
        with pytest.raises(ModelUnavailable, match="truncated"):
            desk.answerer(runtime, AT_ONCE).ask(questions(300), USE, "00-63", useless=problem)
    assert len(runtime.calls) == before

    # When the questions are others / Then they have their own chance
    desk.answerer(FakeRuntime(good), AT_ONCE).ask(questions(30, first=500), USE, "00-63", useless=problem)


def test_one_answer_of_use_is_enough_to_go_on() -> None:
    # Given one whole answer among the first ones
    runtime = FakeRuntime(lambda text, earlier: good(text, earlier) if text == "query 7" else truncated())

    # When
    found = Desk().answerer(runtime, AT_ONCE).ask(questions(60), USE, "00-63", useless=problem)

    # Then
    assert len(found.answers) == len(runtime.calls) == 60


def test_answers_that_say_nothing_neither_end_a_purchase_nor_keep_it_going() -> None:
    # Given answers of use to nobody, of which the first ten show nothing
    silent, others = questions(10), questions(100, first=10)
    ids = {question.record_id for question in silent}

    def useless(answer: Answer) -> str | None:
        return "" if answer.record_id in ids else problem(answer)

    runtime = FakeRuntime(truncated)

    # When / Then
    with pytest.raises(ModelUnavailable, match=r"gave 2\d answers and none.*truncated"):
        Desk().answerer(runtime, AT_ONCE).ask([*silent, *others], USE, "00-63", useless=useless)
    assert len(silent) + HOPELESS_AFTER <= len(runtime.calls) < len(silent) + HOPELESS_AFTER + AT_ONCE

    # When every answer says nothing / Then all are asked for
    found = Desk().answerer(FakeRuntime(truncated), AT_ONCE).ask(others, USE, "00-63", useless=lambda _: "")
    assert len(found.answers) == len(others)


def test_answers_that_are_not_kept_end_a_purchase_with_no_more_tries_than_answers() -> None:
    # Given
    desk, runtime = Desk(), FakeRuntime(truncated)

    # When
    with pytest.raises(ModelUnavailable, match="none that can be used"):
        desk.answerer(runtime, AT_ONCE).ask(questions(100), USE, "00-63", problem)

    # Then, and no record is blamed for it: a retry asks again
    assert len(runtime.calls) < HOPELESS_AFTER + AT_ONCE
    assert len(desk.answerer(FakeRuntime(good)).ask(questions(100), USE, "00-63", problem).answers) == 100


def test_questions_that_come_one_by_one_stop_too() -> None:
    # Given
    desk, runtime = Desk(), FakeRuntime(truncated)
    asked = questions(100)

    def one_by_one() -> None:
        with desk.answerer(runtime, AT_ONCE).open(asked[0], USE, "00-63", unusable=problem) as asking:
            for question in asked:
                asking.put(question)

    # When / Then
    with pytest.raises(ModelUnavailable, match="none that can be used"):
        one_by_one()
    assert len(runtime.calls) < HOPELESS_AFTER + AT_ONCE


def test_answers_of_earlier_runs_do_not_speak_for_the_model_of_today() -> None:
    # Given a pool that is full of an earlier run's usable answers
    desk = Desk()
    desk.answerer(FakeRuntime(good)).ask(questions(50, first=1_000), USE, "00-63", problem)
    runtime = FakeRuntime(truncated)

    # When / Then
    with pytest.raises(ModelUnavailable):
        desk.answerer(runtime, AT_ONCE).ask(questions(100), USE, "00-63", problem)
    assert len(runtime.calls) < HOPELESS_AFTER + AT_ONCE
