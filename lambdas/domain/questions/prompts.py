"""What each model is asked: teacher and baseline with the long prompt, the student with the short one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambdas.domain.questions.answers import Answer, Question
from lambdas.domain.questions.endings import ending_problem
from lambdas.domain.text.refusals import is_refusal
from lambdas.domain.text.text_rules import reserved_word
from lambdas.domain.text.thoughts import thoughts_tag

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.task.task_definition import TaskDefinition
    from lambdas.domain.text.output_schema import OutputChecker


def inference_parameters(task: TaskDefinition) -> dict[str, float]:
    """Say how a student is asked in the evaluation, and so how callers must ask it.

    The token limit is the same for every contestant and for Bedrock's own teacher calls.
    """
    return {"maxTokens": task.max_answer_tokens, "temperature": 0.0}


def teacher_question(record: Record, task: TaskDefinition) -> Question:
    """Ask with the task's long prompt, or with the record's own system text where the task has none."""
    system = task.teacher_system_prompt or record.system
    return Question(record_id=record.id, system=system, turns=record.turns, max_tokens=task.max_answer_tokens)


def student_question(record: Record, task: TaskDefinition) -> Question:
    """Ask with the task's short prompt, or with the record's own system text where the task has none."""
    system = student_prompt(record, task)
    return Question(record_id=record.id, system=system, turns=record.turns, max_tokens=task.max_answer_tokens)


def student_prompt(record: Record, task: TaskDefinition) -> str | None:
    """Give the system text under which the student is trained and asked."""
    return task.student_system_prompt or record.system


def training_line(record: Record, task: TaskDefinition, answer: str | None) -> str:
    """Write one training record as Bedrock's conversation record: the *short* prompt with the answer, if it has one.

    Source of the form: Amazon Bedrock user guide, prepare training datasets for distillation.
    """
    document: dict[str, Any] = {"schemaVersion": "bedrock-conversation-2024"}
    system = student_prompt(record, task)
    if system:
        document["system"] = [{"text": system}]
    turns = [(turn.role, turn.text) for turn in record.turns]
    if answer is not None:
        turns.append(("assistant", answer))
    document["messages"] = [{"role": role, "content": [{"text": text}]} for role, text in turns]
    return json.dumps(document, ensure_ascii=False)


def drop_reason(answer: Answer, checker: OutputChecker, asked_for: str | None = None) -> str | None:
    """Say why a teacher's answer must not be learnt from.

    Parameters
    ----------
    answer : Answer
    checker : OutputChecker
    asked_for : str, optional
        The prompt that the student will be trained with: tags that it names belong to the answer.

    Returns
    -------
    str or None
        ``truncated``, ``context window exceeded``, ``content filtered``, ``guardrail intervened``, ``malformed``,
        ``refused``, ``thoughts in <…>``, a word that the training file may not have, or how the schema is broken.
    """
    ending = ending_problem(answer.stop_reason)
    if ending:
        return ending
    if is_refusal(answer.text):
        return "refused"
    tag = thoughts_tag(answer.text, asked_for or "")
    if tag:
        return f"thoughts in <{tag}>"
    word = reserved_word(answer.text)
    return f"reserved word '{word}'" if word else checker.problem(answer.text)
