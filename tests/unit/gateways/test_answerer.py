"""No answer is bought twice, none is lost once it is stored, and every dollar is in the ledger."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from botocore.exceptions import ReadTimeoutError

from lambdas.domain import call_limit
from lambdas.domain.answers import Answer, Asked, Question
from lambdas.domain.errors import ModelUnavailable, RetryLater
from lambdas.domain.judging import InvalidVerdict, judge_question, read_verdict
from lambdas.domain.prices import PriceBook
from lambdas.domain.records import Turn, parse_line
from lambdas.gateways.answer_store import PROBE, AnswerStore
from lambdas.gateways.answerer import (
    FLUSH_EVERY,
    Answerer,
    Kept,
    Limits,
    ModelUse,
)
from lambdas.gateways.failure_store import FailureStore
from lambdas.gateways.purchase import MAX_BROKEN, MAX_STREAK, MAX_UNUSABLE, REFUSALS_OF_THE_MODEL
from tests.unit.gateways.fakes import FakeRuntime, MemoryBucket, MemoryLedger, converse_answer, refusal

TEACHER = "us.amazon.nova-pro-v1:0"
USE = ModelUse(stage="GenerateTeacherData", identity=TEACHER, invoke_id=TEACHER, price_model=TEACHER)


class Desk:
    """A buyer with everything around it, which outlives a crash."""

    def __init__(self) -> None:
        self.bucket, self.ledger = MemoryBucket(), MemoryLedger()
        self.seconds_left = 900.0
        self.attempt = 1

    def answerer(
        self,
        runtime: FakeRuntime,
        calls_at_once: int = 4,
        limits: Limits | None = None,
        callable_model: Callable[[str], str] = str,
    ) -> Answerer:
        return Answerer(
            cast("Any", runtime),
            Kept(
                AnswerStore(self.bucket.as_bucket(), "video"),
                FailureStore(self.bucket.as_bucket(), "video", f"video-1-{self.attempt}"),
            ),
            self.ledger.as_registry(),
            PriceBook.shipped(),
            run_id="video-1",
            limits=limits or Limits(calls_at_once),
            seconds_left=lambda: self.seconds_left,
            backoff_s=0.001,
            callable_model=callable_model,
        )


def questions(count: int, first: int = 0) -> list[Question]:
    return [
        Question(record_id=f"{number:016x}", system="long prompt", turns=(Turn("user", f"query {number}"),))
        for number in range(first, first + count)
    ]


def good(_text: str, _earlier: int) -> dict[str, Any]:
    return converse_answer()


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
    monkeypatch.setattr(call_limit, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(call_limit, "LONGEST_PAUSE_S", 0.002)


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
    assert (runtime.calls, answerer.bought, desk.ledger.total("calls")) == ([], 0, paid)


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


def test_a_verdict_that_cannot_be_used_is_asked_again_and_both_calls_are_paid() -> None:
    # Given a judge that first says 6, then calls no tool, then says 4
    record = parse_line(b'{"prompt": "cats"}')
    question = judge_question(record, "reference", "answer", "rubric")
    script = [
        converse_answer(tool={"score": 6, "explanation": "great"}),
        converse_answer("I would say 4"),
        converse_answer(tool={"score": 4, "explanation": "good"}),
    ]
    desk, runtime = Desk(), FakeRuntime(lambda _text, earlier: script[earlier])

    # When
    found = desk.answerer(runtime).ask([question], USE, "00-63", _no_verdict)

    # Then
    assert read_verdict(found.answers[record.id]).score == 4
    assert desk.ledger.total("calls") == 3
    assert desk.ledger.total("input_tokens") == 300
    (stored,) = desk.bucket.objects.values()
    assert [json.loads(line)["text"] for line in stored.splitlines()] == ['{"explanation": "good", "score": 4}']


def test_a_judge_that_never_gives_a_verdict_is_paid_for_and_never_guessed() -> None:
    # Given
    question = judge_question(parse_line(b'{"prompt": "cats"}'), "reference", "answer", "rubric")
    desk, runtime = Desk(), FakeRuntime(lambda _text, _earlier: converse_answer(tool={"score": True}))

    # When
    found = desk.answerer(runtime).ask([question], USE, "00-63", _no_verdict)

    # Then
    assert found.answers == {}
    assert "not a whole number from 1 to 5" in found.failed[question.record_id]
    assert desk.ledger.total("calls") == MAX_UNUSABLE

    # When the shard is retried in the same attempt, and in a later one
    again = desk.answerer(runtime).ask([question], USE, "00-63", _no_verdict)
    assert again == found
    assert desk.ledger.total("calls") == MAX_UNUSABLE
    desk.attempt = 2
    desk.answerer(runtime).ask([question], USE, "00-63", _no_verdict)

    # Then only the later attempt asks, since a person may have mended the cause
    assert desk.ledger.total("calls") == 2 * MAX_UNUSABLE


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


def test_a_long_shared_prompt_is_kept_by_the_service_and_each_kind_of_token_is_priced() -> None:
    # Given a system prompt of 1,200 tokens, and a model that keeps 1,000 or more
    desk, system = Desk(), "Weigh the modalities. " * 300
    asked = [Question(record_id=str(n), system=system, turns=(Turn("user", f"q{n}"),)) for n in range(3)]
    cached = converse_answer()
    cached["usage"] |= {"cacheReadInputTokens": 1_000, "cacheWriteInputTokens": 200}
    runtime = FakeRuntime(lambda _text, _earlier: cached)

    # When
    found = desk.answerer(runtime).ask(asked, USE, "00-63")

    # Then
    assert {json.dumps(request["system"][1:]) for request in runtime.requests} == {
        '[{"cachePoint": {"type": "default"}}]'
    }
    (entry,) = desk.ledger.entries.values()
    assert (entry.usage["cache_read_tokens"], entry.usage["cache_write_tokens"]) == (3_000, 600)
    # Writing costs Nova's users nothing.
    assert entry.usd == pytest.approx((300 * 0.8 + 30 * 3.2 + 3_000 * 0.2) / 1e6)

    # When the same is asked again, the point changes no content key
    assert desk.answerer(FakeRuntime(good)).ask(asked, USE, "00-63") == found


@pytest.mark.parametrize("systems", [["short"] * 3, ["x" * 9_000, "y" * 9_000]], ids=["too short", "not shared"])
def test_a_prompt_that_would_not_be_read_again_carries_no_cache_point(systems: list[str]) -> None:
    # Given
    asked = [Question(record_id=str(n), system=text, turns=(Turn("user", "q"),)) for n, text in enumerate(systems)]
    runtime = FakeRuntime(good)

    # When
    Desk().answerer(runtime).ask(asked, USE, "00-63")

    # Then
    assert all(len(request["system"]) == 1 for request in runtime.requests)


def _no_verdict(answer: Answer) -> str | None:
    try:
        read_verdict(answer)
    except InvalidVerdict as problem:
        return str(problem)
    return None


def test_calls_to_a_provisioned_throughput_are_not_billed_one_by_one() -> None:
    # Given
    desk = Desk()
    use = ModelUse(stage="EvaluateStudent", identity="arn:model", invoke_id="arn:endpoint", price_model=None)

    # When
    found = desk.answerer(FakeRuntime(good)).ask(questions(2), use, "00-63")

    # Then
    assert len(found.answers) == 2
    assert desk.ledger.entries == {}


def test_latency_and_tokens_are_those_of_the_service() -> None:
    # Given
    desk = Desk()

    # When
    (answer,) = desk.answerer(FakeRuntime(good)).ask(questions(1), USE, "00-63").answers.values()

    # Then
    assert (answer.latency_ms, answer.input_tokens, answer.output_tokens) == (321, 100, 10)
    expected = PriceBook.shipped().call_usd(TEACHER, 100, 10)
    assert [entry.usd for entry in desk.ledger.entries.values()] == [pytest.approx(expected)]


def test_an_answer_with_half_a_character_is_stored_and_read_again() -> None:
    # Given an answer that JSON can spell and UTF-8 cannot
    desk = Desk()
    runtime = FakeRuntime(lambda _text, _earlier: converse_answer("cat \ud83d \U0001f408"))

    # When
    (answer,) = desk.answerer(runtime).ask(questions(1), USE, "00-63").answers.values()

    # Then
    assert answer.text == "cat \ufffd \U0001f408"
    assert desk.answerer(FakeRuntime(good)).ask(questions(1), USE, "00-63") == Asked({answer.record_id: answer}, {})


def test_a_profile_changes_what_a_call_names_and_nothing_else() -> None:
    # Given answers that were bought before there was a profile
    desk, profile = Desk(), "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abcdefghijkl"
    desk.answerer(FakeRuntime(good)).ask(questions(3), USE, "00-63")
    runtime = FakeRuntime(good)

    # When more is asked through one
    asked = desk.answerer(runtime, callable_model={TEACHER: profile}.__getitem__).ask(questions(5), USE, "00-63")

    # Then only the new questions are asked, under the profile's name, and the ledger has the model's price
    assert sorted(runtime.calls) == ["query 3", "query 4"]
    assert {request["modelId"] for request in runtime.requests} == {profile}
    assert len(asked.answers) == 5
    assert {entry.model for entry in desk.ledger.entries.values()} == {TEACHER}
    assert desk.ledger.total("calls") == 5
