"""Which answers the student learnt from, in words: it depends on the way of training and on the task's mode."""

from __future__ import annotations

from typing import Any

from lambdas.domain.report.figures import NOT_MEASURED, count, number, pick
from lambdas.domain.report.texts import short


def way_of_training(report: dict[str, Any]) -> str:
    """Say what the student learnt from.

    Bedrock asks the teacher itself under distillation, unless it trains on logged answers; then, and when it
    fine-tunes, it trains on exactly the answers that it is given.
    """
    way = pick(report, "models", "training")
    logged = pick(report, "training", "mode") == "logged"
    if way == "fine_tuning":
        source = "of the invocation logs" if logged else "that this run collected"
        return f"fine-tuning on exactly the teacher's answers {source}"
    if way != "distillation":
        return short(way, 80) if way else NOT_MEASURED
    if logged:
        return "distillation on exactly the logged answers: Bedrock does not ask the teacher again"
    return f"distillation: {_asked_again(report)}"


def _asked_again(report: dict[str, Any]) -> str:
    labelled, records = (number(pick(report, "training", key)) for key in ("labelled", "records"))
    if labelled == 0 or pick(report, "training", "mode") == "prompts_only":
        return "Bedrock asks the teacher about every prompt; the training file has no answers"
    if labelled is not None and records is not None and labelled < records:
        few = f"the {count(labelled)} answers that the training file has"
        return f"Bedrock asks the teacher about every prompt and takes {few} as golden examples"
    return "Bedrock asks the teacher again and takes our answers as golden examples"
