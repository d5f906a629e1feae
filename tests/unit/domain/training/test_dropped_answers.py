"""What is not an answer of the teacher is dropped with a reason of its own, shown, and told with what mends it."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.dataset.records import Record, Turn
from lambdas.domain.errors import TeacherDataRefused
from lambdas.domain.questions.answers import Answer, Asked, Question
from lambdas.domain.questions.endings import guardrail_intervened
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.training.teacher_data import SAMPLES_A_REASON, check_drops, check_references, collect

TASK = TaskDefinition.from_document({"max_answer_tokens": 700})
BLOCKED = "Sorry, the model cannot answer this question."


def record(number: int, system: str | None = None) -> Record:
    return Record(number, system, (Turn("user", f"question {number}"),), None, {})


def answered(item: Record, text: str, stop_reason: str = "end_turn", **body: Any) -> Answer:
    response = {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": stop_reason,
        "usage": {"inputTokens": 1, "outputTokens": 1},
        **body,
    }
    question = Question(record_id=item.id, system=None, turns=item.turns)
    return Answer.from_api(question, "teacher", response, 1.0)


@pytest.mark.parametrize(
    ("text", "stop_reason", "body", "reason", "advice"),
    [
        ("half", "max_tokens", {}, "truncated", "raise 'max_answer_tokens', which is 700"),
        ("half", "model_context_window_exceeded", {}, "context window exceeded", "shorten the prompts"),
        ("", "refusal", {}, "refused", "take out what the teacher refuses"),
        ("很抱歉，我无法回答这个问题。", "end_turn", {}, "refused", "take out what the teacher refuses"),  # noqa: RUF001
        ("<think>hm</think>yes", "end_turn", {}, "thoughts in <think>", "without its thoughts"),
        (BLOCKED, "guardrail_intervened", {}, "guardrail intervened", "the guardrail that the account enforces"),
        (BLOCKED, "end_turn", {"amazon-bedrock-guardrailAction": "INTERVENED"}, "guardrail intervened", "guardrail"),
        ("blocked", "content_filtered", {}, "content filtered", "content filter"),
        ("{", "malformed_model_output", {}, "malformed", "plainer form"),
        ("yes", "pause_turn", {}, "malformed", "plainer form"),
    ],
)
def test_each_ending_has_its_reason_and_its_advice(
    text: str, stop_reason: str, body: dict[str, Any], reason: str, advice: str
) -> None:
    # Given a teacher all of whose answers are of one kind
    train, holdout = [record(n) for n in range(5)], [record(n) for n in range(5, 10)]
    asked = Asked({item.id: answered(item, text, stop_reason, **body) for item in [*train, *holdout]}, {})

    # When
    collected = collect(train, holdout, asked, TASK, own_holdout=False)

    # Then nothing is learnt from, three are shown, and the message says what mends it
    assert not collected.training
    assert collected.reasons() == {reason: 10}
    samples = collected.samples()
    assert [item["answer"] for item in samples] == [text] * SAMPLES_A_REASON
    assert [item["question"] for item in samples] == ["question 0", "question 1", "question 2"]
    with pytest.raises(TeacherDataRefused, match=advice):
        check_drops(collected, len(train), TASK)
    with pytest.raises(TeacherDataRefused, match=advice):
        check_references(collected, len(holdout), TASK)


def test_what_breaks_the_schema_is_mended_by_the_prompt_and_not_by_the_limit() -> None:
    # Given
    task = TaskDefinition.from_document({"output_schema": {"type": "object"}})
    train = [record(n) for n in range(5)]
    collected = collect(
        train, [], Asked({item.id: answered(item, "[1]") for item in train}, {}), task, own_holdout=True
    )

    # When / Then
    with pytest.raises(TeacherDataRefused, match="so that the teacher keeps the schema") as said:
        check_drops(collected, len(train), task)
    assert "max_answer_tokens" not in str(said.value)


def test_tags_that_the_student_is_asked_for_are_learnt() -> None:
    # Given
    item = record(1, system="Write <reasoning> first.")
    asked = Asked({item.id: answered(item, "<reasoning>short</reasoning>yes")}, {})

    # When / Then
    assert len(collect([item], [], asked, TASK, own_holdout=True).training) == 1


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"amazon-bedrock-guardrailAction": "INTERVENED"}, True),
        ({"amazon-bedrock-guardrailAction": "NONE"}, False),
        ([{"type": "content_block_delta"}, {"amazon-bedrock-guardrailAction": "INTERVENED"}], True),
        ([{"messageStop": {"stopReason": "end_turn", "amazon-bedrock-guardrailAction": "INTERVENED"}}], True),
        ({"content": [{"text": "amazon-bedrock-guardrailAction: INTERVENED"}]}, False),
        ({"amazon-bedrock-guardrailAction": None}, False),
        (None, False),
        ("INTERVENED", False),
    ],
)
def test_a_guardrail_is_found_wherever_a_body_says_so(body: object, found: bool) -> None:
    assert guardrail_intervened(body) is found
