"""Whether anything tells the models what to do with an input."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.task.task_definition import TaskDefinition


def without_instruction(task: TaskDefinition, records: Iterable[Record]) -> int:
    """Count the records that come to teacher and student without a word on what to do: no prompt, no system text."""
    if task.teacher_system_prompt or task.student_system_prompt:
        return 0
    return sum(not record.system for record in records)


def instruction_warnings(task: TaskDefinition, records: Iterable[Record]) -> list[str]:
    """Say which models are told nothing, in whole sentences without a full stop."""
    kept = list(records)
    bare = without_instruction(task, kept)
    if bare:
        said = (
            f"{bare} of {len(kept)} prompts come without any instruction: task.json has neither "
            "'teacher_system_prompt' nor 'student_system_prompt', and they have no system text. Unless each prompt "
            "says itself what to do, the models can only guess"
        )
        return [said]
    found = []
    lacking = sum(not record.system for record in kept)
    for who, prompt in (("teacher", task.teacher_system_prompt), ("student", task.student_system_prompt)):
        if not prompt and lacking:
            found.append(
                f"the {who} gets {lacking} of {len(kept)} prompts without any instruction: task.json has no "
                f"'{who}_system_prompt', and they have no system text"
            )
    return found
