"""Golden answers of the user's own say nothing of the teacher: what it answers itself does."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.dataset.records import Record, Turn
from lambdas.domain.questions.answers import Answer, Question
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.training.hopeless import SAYS_NOTHING, is_teacher_needed, useless_to

TASK = TaskDefinition.from_document({"teacher_data": {"max_drop_rate": 0.2}})


def record(number: int, golden: str | None = None) -> Record:
    return Record(number, None, (Turn("user", f"question {number}"),), golden, {})


def answered(item: Record, stop_reason: str) -> Answer:
    response: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": [{"text": "an answer"}]}},
        "stopReason": stop_reason,
        "usage": {"inputTokens": 1, "outputTokens": 1},
    }
    return Answer.from_api(Question(record_id=item.id, system=None, turns=item.turns), "teacher", response, 1.0)


def test_a_cut_answer_to_a_record_with_a_golden_one_proves_nothing() -> None:
    # Given
    golden, others = record(0, "right"), [record(number) for number in range(1, 10)]
    useless = useless_to([golden, *others], TASK)

    # When / Then
    assert useless(answered(others[0], "max_tokens")) == "truncated"
    assert useless(answered(golden, "max_tokens")) == SAYS_NOTHING
    assert useless(answered(golden, "end_turn")) is None
    assert useless(answered(record(77), "end_turn")) == SAYS_NOTHING


def test_a_cut_answer_counts_to_whoever_asks_of_the_teacher_alone() -> None:
    # Given / When / Then
    golden = record(0, "right")
    assert useless_to([golden], TASK, golden_too=True)(answered(golden, "max_tokens")) == "truncated"


@pytest.mark.parametrize(("lacking", "needed"), [(0, False), (2, False), (3, True), (10, True)])
def test_a_teacher_is_given_up_only_where_more_than_may_be_dropped_needs_it(lacking: int, *, needed: bool) -> None:
    # Given ten records, some without an answer of their own
    records = [record(number, None if number < lacking else "right") for number in range(10)]

    # When
    said = useless_to(records, TASK)(answered(records[0], "max_tokens"))

    # Then
    assert is_teacher_needed(records, TASK) is needed
    assert said == ("truncated" if needed else SAYS_NOTHING)
