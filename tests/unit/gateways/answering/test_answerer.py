"""A service that throttles, breaks or refuses: what was bought is kept, and nobody is asked in vain."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from lambdas.domain.errors import DailyQuotaUsed, ModelUnavailable, OutOfTime, RetryLater
from lambdas.domain.questions import concurrency_limit
from lambdas.gateways.answering.call_scheduler import MAX_BROKEN, MAX_STREAK, REFUSALS_OF_THE_MODEL
from lambdas.gateways.answering.shared_limit import Limits
from tests.unit.gateways.answering.desk import TEACHER, USE, Desk, good, questions
from tests.unit.gateways.fakes import FakeRuntime, converse_answer, refusal


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "ResourceNotFoundException"])
def test_a_model_that_refuses_for_good_ends_the_stage_at_once(code: str) -> None:
    # Given a teacher without access
    desk, runtime = Desk(), FakeRuntime(lambda _text, _earlier: refusal(code, "you don't have access"))

    # When
    with pytest.raises(ModelUnavailable) as refused:
        desk.answerer(runtime).ask(questions(200), USE, "00-63")

    # Then the message is the service's, and no more was asked than was under way
    assert all(word in str(refused.value) for word in (code, TEACHER, "you don't have access"))
    assert len(runtime.calls) <= (REFUSALS_OF_THE_MODEL + 8 if code == "ValidationException" else 8)
    assert desk.ledger.entries == {}


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency_limit, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(concurrency_limit, "LONGEST_PAUSE_S", 0.002)


@pytest.mark.usefixtures("short_pauses")
def test_endless_throttling_ends_in_retry_later_and_keeps_what_was_bought() -> None:
    # Given a service that answers one question and throttles all others
    desk = Desk()
    runtime = FakeRuntime(
        lambda text, _earlier: converse_answer() if text == "query 0" else refusal("ThrottlingException")
    )

    # When
    with pytest.raises(RetryLater, match=f"throttled {MAX_STREAK} times without an answer: ThrottlingException"):
        desk.answerer(runtime).ask(questions(4), USE, "00-63")

    # Then
    assert desk.ledger.total("calls") == 1
    again = FakeRuntime(good)
    assert len(desk.answerer(again).ask(questions(4), USE, "00-63").answers) == 4
    assert sorted(again.calls) == ["query 1", "query 2", "query 3"]


@pytest.mark.usefixtures("short_pauses")
def test_a_model_that_is_busy_is_told_apart_from_time_that_is_over() -> None:
    # Given
    desk, busy = Desk(), FakeRuntime(lambda _text, _earlier: refusal("ThrottlingException"))

    # When
    with pytest.raises(RetryLater) as throttled:
        desk.answerer(busy).ask(questions(4), USE, "00-63")
    desk.seconds_left = 1.0
    with pytest.raises(RetryLater) as over:
        desk.answerer(FakeRuntime(good)).ask(questions(4), USE, "00-63")

    # Then
    assert (throttled.value.busy, over.value.busy) == (True, False)


def test_a_use_may_allow_fewer_calls_at_once_than_the_settings() -> None:
    # Given
    limits = Limits(32)

    # When / Then
    assert limits.of("champion", 2).most == 2
    assert limits.of("teacher").most == limits.of("another", 100).most == 32


@pytest.mark.usefixtures("short_pauses")
def test_a_retry_in_a_warm_lambda_is_as_patient_as_the_first_try() -> None:
    # Given a Lambda that gave up in a storm, and keeps what it found out about the quota
    desk, limits = Desk(), Limits(4)
    with pytest.raises(RetryLater):
        desk.answerer(FakeRuntime(lambda _text, _earlier: refusal("ThrottlingException")), limits=limits).ask(
            questions(4), USE, "00-63"
        )

    # When the storm lasts a little longer
    calls = itertools.count(1)
    storm = FakeRuntime(lambda _t, _e: refusal("ThrottlingException") if next(calls) <= 6 else converse_answer())

    # Then
    assert len(desk.answerer(storm, limits=limits).ask(questions(4), USE, "00-63").answers) == 4


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize(
    "passing",
    [refusal("ThrottlingException"), refusal("ModelErrorException"), ReadTimeoutError(endpoint_url="https://x")],
    ids=["throttled", "model error", "time-out"],
)
def test_a_passing_error_is_tried_again_and_counted(passing: Exception) -> None:
    # Given two refusals before each answer
    desk = Desk()
    runtime = FakeRuntime(lambda _text, earlier: passing if earlier < 2 else converse_answer())

    # When
    found = desk.answerer(runtime).ask(questions(3), USE, "00-63")

    # Then three answers are paid, not nine calls, and each says that it was not got at the first try
    assert [answer.throttled for answer in found.answers.values()] == [2, 2, 2]
    assert len(runtime.calls) == 9
    assert desk.ledger.total("calls") == 3


@pytest.mark.parametrize("code", ["ModelErrorException", "InternalServerException"])
def test_one_request_that_always_breaks_the_model_holds_nobody_up_but_a_broken_service_does(code: str) -> None:
    # Given a service that never answers the last of the questions
    desk = Desk()
    runtime = FakeRuntime(lambda text, _earlier: refusal(code) if text == "query 5" else converse_answer())

    # When / Then the service's own trouble is waited for, the model's with one request is not
    if code == "InternalServerException":
        with pytest.raises(RetryLater, match=f"no answer in {MAX_BROKEN} tries, at last: {code}"):
            desk.answerer(runtime).ask(questions(6), USE, "00-63")
        assert desk.ledger.total("calls") == 5
    else:
        found = desk.answerer(runtime).ask(questions(6), USE, "00-63")
        assert (len(found.answers), list(found.failed)) == (5, [f"{5:016x}"])
    assert runtime.calls.count("query 5") == MAX_BROKEN


@pytest.mark.usefixtures("short_pauses")
def test_the_service_is_not_asked_again_before_it_wants_to_be() -> None:
    # Given one throttle that names a time far beyond what the Lambda has left
    desk, waiting = Desk(), refusal("ThrottlingException")
    waiting.response["ResponseMetadata"] = {"HTTPHeaders": {"retry-after": "850"}}  # type: ignore[typeddict-item]
    runtime = FakeRuntime(lambda text, _earlier: waiting if text == "query 0" else converse_answer())

    # When / Then the Lambda ends instead of waiting
    with pytest.raises(RetryLater, match="out of time"):
        desk.answerer(runtime, calls_at_once=1).ask(questions(4), USE, "00-63")
    assert runtime.calls == ["query 0"]


def test_out_of_time_stops_before_the_next_call() -> None:
    # Given
    desk, runtime = Desk(), FakeRuntime(good)
    desk.seconds_left = 124  # a call may take that long, and one cut off with its Lambda is paid for nothing

    # When / Then
    with pytest.raises(RetryLater, match="out of time"):
        desk.answerer(runtime).ask(questions(3), USE, "00-63")
    assert runtime.calls == []


@pytest.mark.parametrize("answered", [0, 2])
def test_a_lambda_that_got_on_before_its_time_was_over_is_told_apart(answered: int) -> None:
    # Given
    desk = Desk()

    def answer(text: str, earlier: int) -> dict[str, Any]:
        desk.seconds_left = 900 if len(runtime.calls) < answered else 1
        return good(text, earlier)

    runtime = FakeRuntime(answer)
    desk.seconds_left = 900 if answered else 1

    # When / Then
    with pytest.raises(RetryLater) as raised:
        desk.answerer(runtime, calls_at_once=1).ask(questions(6), USE, "00-63")
    assert type(raised.value) is (OutOfTime if answered else RetryLater)
    assert len(runtime.calls) == answered


def test_a_record_that_the_service_refuses_costs_the_others_nothing() -> None:
    # Given a service that finds one record too long
    desk = Desk()
    too_long = refusal("ValidationException", "Input is too long for requested model.")
    runtime = FakeRuntime(lambda text, _earlier: too_long if text == "query 7" else converse_answer())

    # When
    found = desk.answerer(runtime).ask(questions(40), USE, "00-63")

    # Then
    assert len(found.answers) == 39
    assert found.failed == {f"{7:016x}": "refused: ValidationException: Input is too long for requested model."}
    assert len(runtime.calls) == 40


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
@pytest.mark.parametrize("name", ["", "InternalFailure", "ValidationException", "AccessDeniedException"])
def test_one_bare_error_among_many_calls_is_tried_again(status: int, name: str) -> None:
    # Given
    bare = refusal(name or str(status), "")
    bare.response["ResponseMetadata"] = {"HTTPStatusCode": status, "HTTPHeaders": {}}  # type: ignore[typeddict-item]
    runtime = FakeRuntime(lambda text, earlier: bare if (text, earlier) == ("query 7", 0) else converse_answer())

    # When
    found = Desk().answerer(runtime).ask(questions(20), USE, "00-63")

    # Then
    assert (len(found.answers), found.failed) == (20, {})


PROFILE = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc"


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ThrottlingException", "Too many tokens per day, please wait before trying again."),
        ("ThrottlingException", "Too many tokens, please wait before trying again."),
        ("ModelErrorException", "Model produced invalid sequence as part of ToolUse."),
        ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
        ("ValidationException", "`temperature` is deprecated for this model."),
    ],
)
def test_every_message_has_the_words_of_the_service_and_names_the_model(code: str, message: str) -> None:
    # Given a model that is called through an application inference profile, whose ARN says nothing
    desk, runtime = Desk(), FakeRuntime(lambda _text, _earlier: refusal(code, message))

    # When
    with pytest.raises((RetryLater, ModelUnavailable)) as ended:
        desk.answerer(runtime, callable_model=lambda _model: PROFILE).ask(questions(5), USE, "00-63")

    # Then
    assert f"{code}: {message}"[:-1] in str(ended.value)
    assert TEACHER in str(ended.value)
    assert PROFILE not in str(ended.value)


def test_a_quota_of_the_day_ends_the_lambda_at_once_and_keeps_what_was_bought() -> None:
    # Given a quota that is enough for three answers
    desk = Desk()
    used_up = refusal("ThrottlingException", "Too many tokens per day, please wait before trying again.")
    calls = itertools.count(1)
    runtime = FakeRuntime(lambda _text, _earlier: converse_answer() if next(calls) <= 3 else used_up)

    # When
    with pytest.raises(DailyQuotaUsed, match=r"Too many tokens per day.*resets within a day"):
        desk.answerer(runtime).ask(questions(50), USE, "00-63")

    # Then nobody asked on and on, and the next Lambda buys the rest
    assert len(runtime.calls) <= 3 + 8
    assert desk.ledger.total("calls") == 3
    assert len(desk.answerer(FakeRuntime(good)).ask(questions(50), USE, "00-63").answers) == 50
