"""The one question that each chosen model is asked before anything else is paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.evaluation.judge import judge_question
from lambdas.domain.questions.prompts import student_question, teacher_question

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.questions.answers import Question
    from lambdas.domain.task.task_definition import TaskDefinition

ASKED_FIRST = ("teacher", "judge", "baseline", "student")
"""Roles whose models are asked; the student by its base model, which the evaluation measures too."""

NO_ANSWER_YET = "yes"
"""Stands for the answer that a judge is asked about where no trusted one is known."""


def first_question(role: str, record: Record, task: TaskDefinition) -> Question:
    """Write the question of a role in the form that the run uses later: system prompt, temperature, forced tool.

    Parameters
    ----------
    role : str
        ``teacher``, ``judge``, ``baseline`` or ``student``.
    record : Record
    task : TaskDefinition
    """
    if role == "judge":
        answer = record.golden or NO_ANSWER_YET
        return judge_question(record, answer, answer, task.judge_rubric)
    return student_question(record, task) if role == "student" else teacher_question(record, task)
