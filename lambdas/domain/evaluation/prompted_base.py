"""The cheapest rival: the student's own base model with the long prompt, which nobody has to distil."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.model_ids import foundation_model_id

if TYPE_CHECKING:
    from lambdas.domain.task.model_choice import ModelChoice
    from lambdas.domain.task.task_definition import TaskDefinition


def is_measured(task: TaskDefinition, models: ModelChoice) -> bool:
    """Tell whether the base model is asked the holdout with the long prompt too.

    Where teacher or baseline is that very model, or there is one prompt for all, another contestant is that rival.
    """
    if not task.measure_prompting or task.teacher_system_prompt == task.student_system_prompt:
        return False
    return foundation_model_id(models.student) not in map(foundation_model_id, (models.teacher, models.baseline))
