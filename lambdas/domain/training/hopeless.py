"""Give the teacher up where nothing can be learnt from its first answers: the rest is not paid for.

A model that reaches the token limit, or that thinks aloud, does so with each question: 1,249 truncated answers say no
more than twenty.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lambdas.domain.errors import ModelUnavailable, TeacherDataRefused
from lambdas.domain.questions.prompts import drop_reason, student_prompt
from lambdas.domain.text.output_schema import OutputChecker
from lambdas.domain.training.drop_advice import what_to_do

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.questions.answers import Answer
    from lambdas.domain.task.task_definition import TaskDefinition

FEWEST = 20
"""Answers of which none can be used before the rest is given up."""

SAYS_NOTHING = ""
"""Stands for the reason of an answer that shows neither that others are of use nor that they are not."""

_ERROR = 1e-6
"""How often a teacher that is as bad as the task allows may be given up by chance."""


def hopeless_after(task: TaskDefinition) -> int:
    """Give the number of answers without a usable one that a teacher within 'max_drop_rate' practically never gives."""
    allowed = task.teacher_data.max_drop_rate
    return max(FEWEST, math.ceil(math.log(_ERROR) / math.log(allowed))) if allowed > 0 else FEWEST


def is_teacher_needed(records: Sequence[Record], task: TaskDefinition) -> bool:
    """Tell whether more records lack an answer of their own than may be dropped."""
    lacking = sum(record.golden is None for record in records)
    return lacking > task.teacher_data.max_drop_rate * len(records)


def useless_to(
    records: Sequence[Record], task: TaskDefinition, *, golden_too: bool = False
) -> Callable[[Answer], str | None]:
    """Say of answers to records why nothing can be learnt from them.

    Parameters
    ----------
    records : sequence of Record
    task : TaskDefinition
    golden_too : bool
        Whether answers to records with a golden answer count as any other. Nothing need be learnt from them, so that
        one that cannot be used says nothing; nor does any where the records hardly need the teacher.
    """
    checker, needed = OutputChecker(task.output_schema), golden_too or is_teacher_needed(records, task)
    prompts = {record.id: student_prompt(record, task) for record in records}
    counting = {record.id for record in records if needed and (golden_too or record.golden is None)}

    def useless(answer: Answer) -> str | None:
        if answer.record_id not in prompts:
            return SAYS_NOTHING
        reason = drop_reason(answer, checker, prompts[answer.record_id])
        return reason if reason is None or answer.record_id in counting else SAYS_NOTHING

    return useless


def teacher_refused(given_up: ModelUnavailable, task: TaskDefinition) -> Exception:
    """Say what a person can do where the teacher was given up for its answers; any other refusal stays what it is."""
    if not given_up.useless:
        return given_up
    said, _, _ = str(given_up).partition(". Mend what the reason names")
    return TeacherDataRefused(f"{said}. {what_to_do(Counter([given_up.useless]), task)}")


def no_answer_of_use(teacher: str, reasons: Counter[str], task: TaskDefinition) -> TeacherDataRefused:
    """Say the same of answers that exist already, by the reasons why none can be used."""
    (reason, times), *_ = reasons.most_common(1)
    said = f"{teacher} gave {reasons.total()} answers and none that can be used, most often ({times} times): {reason}"
    return TeacherDataRefused(f"{said}. No more were paid for. {what_to_do(reasons, task)}")
