"""Every dollar is in the ledger: verdicts that cannot be used, each kind of token, and calls that cost none."""

from __future__ import annotations

import json

import pytest

from lambdas.domain.dataset.records import Turn, parse_line
from lambdas.domain.evaluation.judge import InvalidVerdict, judge_question, read_verdict
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.questions.answers import Answer, Question
from lambdas.gateways.answering.answer_recorder import ModelUse
from lambdas.gateways.answering.call_scheduler import MAX_UNUSABLE
from tests.unit.gateways.answering.desk import TEACHER, USE, Desk, good, questions
from tests.unit.gateways.fakes import FakeRuntime, converse_answer


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
