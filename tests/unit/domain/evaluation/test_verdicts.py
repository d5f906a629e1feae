"""A verdict is exactly one call of the scoring tool and nothing else; what is anything else is asked for again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.dataset.records import parse_line
from lambdas.domain.evaluation.judge import InvalidVerdict, judge_question, read_verdict, verdict_problem
from lambdas.domain.questions.answers import Answer

QUESTION = judge_question(parse_line(b'{"prompt": "cats"}'), "reference", "answer", "the rubric of the task")
GOOD = {"score": 4, "explanation": "says the same"}


def call(given: object, name: str = "record_score") -> dict[str, Any]:
    return {"toolUse": {"toolUseId": "1", "name": name, "input": given}}


def answered(*content: dict[str, Any], stop_reason: str = "tool_use") -> Answer:
    response = {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": stop_reason,
        "usage": {"inputTokens": 100, "outputTokens": 10, "totalTokens": 110},
    }
    return Answer.from_api(QUESTION, "judge", response, 1.0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([call(GOOD), call(GOOD)], "it made 2 calls"),
        ([call(GOOD), call({**GOOD, "score": 2})], "it made 2 calls"),
        ([call(GOOD), call({}, "other")], "it made 2 calls"),
        ([call(GOOD, "record_opinion")], "it called 'record_opinion'"),
        ([{"text": json.dumps(GOOD)}], "it did not call record_score"),
        ([{"text": "I would say 4"}], "it did not call record_score"),
        ([{"text": "4"}], "it did not call record_score"),
        ([], "it did not call record_score"),
        ([{"text": "On second thoughts, 1."}, call(GOOD)], "it said something beside its call"),
        ([call(GOOD), {"text": json.dumps({"score": 1})}], "it said something beside its call"),
        ([call(GOOD), {"image": {}}], "it said something beside its call"),
    ],
)
def test_what_is_not_one_call_of_the_tool_is_no_verdict(content: list[dict[str, Any]], said: str) -> None:
    # Given / When / Then
    assert said in str(verdict_problem(answered(*content)))


@pytest.mark.parametrize(
    "ending",
    [
        "max_tokens",
        "malformed_tool_use",
        "malformed_model_output",
        "content_filtered",
        "guardrail_intervened",
        "model_context_window_exceeded",
        "refusal",
        "something new",
    ],
)
def test_a_verdict_with_a_bad_ending_is_asked_for_again(ending: str) -> None:
    # Given / When / Then
    assert ending in str(verdict_problem(answered(call(GOOD), stop_reason=ending)))


@pytest.mark.parametrize(
    "given_input",
    [
        *(
            {"score": score}
            for score in (0, 6, True, 4.5, "4", "4.0", None, -1, 1e300, float("nan"), float("inf"), [4])
        ),
        {},
        {"explanation": "great"},
        [4],
        "score",
        '{"score": 4}',
        None,
        4,
    ],
)
def test_a_call_without_a_whole_score_is_refused_and_never_guessed(given_input: object) -> None:
    # Given / When / Then
    with pytest.raises(InvalidVerdict):
        read_verdict(answered(call(given_input)))


@pytest.mark.parametrize("ending", ["tool_use", "end_turn", "stop_sequence"])
@pytest.mark.parametrize("score", [1, 2, 3, 4, 5, 4.0, 1.0, 5.0])
def test_a_whole_score_is_read_with_its_words(score: float, ending: str) -> None:
    # Given / When: JSON has one kind of number
    verdict = read_verdict(answered(call({**GOOD, "score": score}), stop_reason=ending))

    # Then
    assert (verdict.score, verdict.explanation) == (int(score), "says the same")
    assert type(verdict.score) is int


@pytest.mark.parametrize("beside", [{"text": " \n"}, {"reasoningContent": {"reasoningText": {"text": "hm"}}}])
def test_what_says_nothing_may_lie_beside_the_call(beside: dict[str, Any]) -> None:
    # Given / When / Then
    assert read_verdict(answered(beside, call(GOOD))).score == 4


@pytest.mark.parametrize(("ending", "is_one"), [("tool_use", True), ("end_turn", False), ("max_tokens", False)])
def test_a_verdict_that_an_earlier_version_kept_is_read_by_its_ending(ending: str, is_one: bool) -> None:
    # Given a stored line without what is looked at now
    document = json.loads(answered(call(GOOD), stop_reason=ending).to_json())
    del document["call_problem"]

    # When / Then
    assert (verdict_problem(Answer.from_json(json.dumps(document))) is None) == is_one


@given(st.lists(st.sampled_from(["record_score", "other"]), max_size=3), st.text(max_size=3))
def test_nothing_but_one_call_is_ever_taken(names: list[str], text: str) -> None:
    # Given / When
    read = verdict_problem(answered({"text": text}, *(call(GOOD, name) for name in names)))

    # Then, also after it was stored
    assert (read is None) == (names == ["record_score"] and not text.strip())
