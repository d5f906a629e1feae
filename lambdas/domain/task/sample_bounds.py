"""How many records a training takes, by the student and the way of training."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.domain.model_ids import foundation_model_id
from lambdas.domain.task.model_choice import DISTILLED_STUDENTS

LEAST = 100
"""Fewest pairs of a Nova distillation (Nova user guide, prepare data for distillation), and of any run here: the 8 that
fine-tuning Nova Micro, Lite or Pro takes teach nothing that a holdout could show."""

MOST_DISTILLED = 15_000
"""Most prompts that a Nova distillation takes (Nova user guide, prepare data for distillation)."""

MOST_FINE_TUNED = 20_000
"""Most samples that fine-tuning takes (Bedrock user guide, prepare data for fine-tuning Nova)."""

MOST_HELD_OUT = 1 / 3
"""Largest share of the prompts that is kept apart. Part of the split rule: changing it needs a new ``SPLIT_RULE``."""

_LEAST_FINE_TUNED = {"amazon.nova-2-lite-v1:0": 200}
"""Fewest samples where fine-tuning a student takes more than :data:`LEAST` (dataset validators of AWS's samples)."""

COMMON_STUDENT = "amazon.nova-micro-v1:0"
"""The settings' default, by which files are checked where no environment is known."""


@dataclass(frozen=True, slots=True)
class SampleBounds:
    """Fewest and most training records."""

    least: int = LEAST
    most: int = MOST_DISTILLED


def sample_bounds(student: str, training: str) -> SampleBounds:
    """Give the bounds of a training.

    Parameters
    ----------
    student : str
        Any id of the student's base model.
    training : {"auto", "distillation", "fine_tuning"}
        ``auto`` keeps within both ways where the student can be distilled, and is fine-tuning where it cannot.
    """
    base = foundation_model_id(student)
    if training == "distillation" or (training == "auto" and base in DISTILLED_STUDENTS):
        return SampleBounds()
    return SampleBounds(_LEAST_FINE_TUNED.get(base, LEAST), MOST_FINE_TUNED)
