"""A cache point is sent where the service keeps the shared prompt, and nowhere else; the reason says why."""

from __future__ import annotations

import pytest

from lambdas.domain.costs.prompt_caching import decide, explain
from lambdas.domain.dataset.records import Turn, parse_line
from lambdas.domain.evaluation.judge import judge_question
from lambdas.domain.questions.answers import Question
from lambdas.domain.task.model_choice import ModelChoice
from lambdas.domain.task.task_definition import TaskDefinition

PRO, HAIKU = "us.amazon.nova-pro-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0"
SONNET = "us.anthropic.claude-sonnet-4-6"


def asked(characters: int) -> Question:
    return Question(record_id="r", system="x" * characters or None, turns=(Turn("user", "q"),))


@pytest.mark.parametrize(
    ("model", "characters", "reason"),
    [
        (PRO, 0, "no system prompt"),
        (PRO, 5_119, "at least 1023 tokens"),
        (HAIKU, 20_000, "fewer than the 4096"),
        ("us.meta.llama3-3-70b-instruct-v1:0", 90_000, "not known to cache"),
        ("arn:aws:bedrock:us-east-1:000000000000:custom-model-deployment/abc", 90_000, "not known to cache"),
    ],
)
def test_without_hope_of_a_cache_no_point_is_sent(model: str, characters: int, reason: str) -> None:
    decision = decide(asked(characters), model)
    assert not decision.point
    assert reason in decision.reason


@pytest.mark.parametrize(
    ("model", "characters"), [(PRO, 5_120), (HAIKU, 20_480), (SONNET, 20_480), ("amazon.nova-micro-v1:0", 5_120)]
)
def test_a_prompt_that_reaches_the_minimum_carries_a_point(model: str, characters: int) -> None:
    assert decide(asked(characters), model).point


def test_the_judges_tool_counts_where_the_model_caches_tools() -> None:
    # Given a rubric that reaches Sonnet's 4,096 tokens only together with the tool
    record = parse_line(b'{"prompt": "cats"}')
    short = judge_question(record, "reference", "answer", "")
    missing = 4_096 * 5 - len(short.system or "") - 100
    question = judge_question(record, "reference", "answer", "r" * missing)

    # When / Then
    assert len(question.system or "") < 4_096 * 5
    assert decide(question, SONNET).point
    assert question.to_api(cache_point=True)["system"][-1] == {"cachePoint": {"type": "default"}}


def test_each_role_says_why() -> None:
    # Given the published case's prompts, which are far too short
    task = TaskDefinition.from_text(b'{"teacher_system_prompt": "Weigh.", "student_system_prompt": "Return JSON."}')
    models = ModelChoice(
        teacher=PRO,
        student="amazon.nova-micro-v1:0",
        student_customization="amazon.nova-micro-v1:0:128k",
        baseline=HAIKU,
        judge=SONNET,
        training="distillation",
    )

    # When
    found = explain(task, models)

    # Then
    assert list(found) == ["teacher", "student", "baseline", "judge"]
    assert not any(decision["point"] for decision in found.values())
    assert all("fewer than the" in str(decision["reason"]) for decision in found.values())
