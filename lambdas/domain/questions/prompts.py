"""What each model is asked: teacher and baseline with the long prompt, the student with the short one."""

from __future__ import annotations

import json
from typing import Any

from lambdas.domain.dataset.records import Record
from lambdas.domain.questions.answers import Answer, Question
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.text.output_schema import OutputChecker
from lambdas.domain.text.refusals import is_refusal
from lambdas.domain.text.text_rules import reserved_word

ANSWER_TOKENS = 1000
"""Most tokens of an answer; the same for every contestant and for Bedrock's own teacher calls."""

INFERENCE_PARAMETERS = {"maxTokens": ANSWER_TOKENS, "temperature": 0.0}
"""How a student is asked in the evaluation, and so how callers must ask it."""


def teacher_question(record: Record, task: TaskDefinition) -> Question:
    """Ask with the task's long prompt, or with the record's own system text where the task has none."""
    system = task.teacher_system_prompt or record.system
    return Question(record_id=record.id, system=system, turns=record.turns, max_tokens=ANSWER_TOKENS)


def student_question(record: Record, task: TaskDefinition) -> Question:
    """Ask with the task's short prompt, or with the record's own system text where the task has none."""
    system = task.student_system_prompt or record.system
    return Question(record_id=record.id, system=system, turns=record.turns, max_tokens=ANSWER_TOKENS)


def training_line(record: Record, task: TaskDefinition, answer: str | None) -> str:
    """Write one training record as Bedrock's conversation record: the *short* prompt with the answer, if it has one.

    Source of the form: Amazon Bedrock user guide, prepare training datasets for distillation.
    """
    document: dict[str, Any] = {"schemaVersion": "bedrock-conversation-2024"}
    system = task.student_system_prompt or record.system
    if system:
        document["system"] = [{"text": system}]
    turns = [(turn.role, turn.text) for turn in record.turns]
    if answer is not None:
        turns.append(("assistant", answer))
    document["messages"] = [{"role": role, "content": [{"text": text}]} for role, text in turns]
    return json.dumps(document, ensure_ascii=False)


def drop_reason(answer: Answer, checker: OutputChecker) -> str | None:
    """Say why a teacher's answer must not be learnt from.

    Returns
    -------
    str or None
        ``truncated``, ``content filtered``, ``malformed``, ``refused``, a word that the training file may not have, or
        how the output schema is broken.
    """
    if answer.stop_reason == "max_tokens":
        return "truncated"
    if answer.stop_reason in ("content_filtered", "guardrail_intervened"):
        return "content filtered"
    if answer.stop_reason not in ("end_turn", "stop_sequence", "tool_use"):
        return "malformed"
    if is_refusal(answer.text):
        return "refused"
    word = reserved_word(answer.text)
    return f"reserved word '{word}'" if word else checker.problem(answer.text)
