"""The champion that an attempt compares its student with: one and the same from the first shard to the promotion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lambdas.domain.errors import InvalidTaskDefinition
from lambdas.domain.evaluation.judge_calibration import read_calibration
from lambdas.domain.gate.approved_limits import ApprovedLimits
from lambdas.domain.run_files import RunFiles
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.gateways.registry.champions import Champion

if TYPE_CHECKING:
    from lambdas.workflow.stage import Stage


def pin_champion(stage: Stage) -> None:
    """Write down who serves the task before the first shard is measured.

    Another run may be promoted, or a champion rolled back, while shards are measured: the figures would be one
    champion's, and the promotion would take another one's place.
    """
    champion = stage.pipeline.tasks.state(stage.run.task).champion
    document = champion.to_document() if champion else None
    stage.pipeline.registry.record_facts(stage.run.run_id, champion_before=document)


def pinned_champion(stage: Stage) -> Champion | None:
    """Give the champion that was pinned; ``None`` where the task had none."""
    document = stage.run.facts.get("champion_before")
    return Champion.from_item(document) if document else None


def serves_this_student(stage: Stage, champion: Champion) -> bool:
    """Tell whether the champion is the attempt's own student: then there is nothing to compare."""
    return champion.model_arn == str(stage.run.facts["custom_model_arn"])


def serving_task(stage: Stage, champion: Champion) -> TaskDefinition | None:
    """Give the task as the champion's own run knew it: callers ask the champion with that prompt.

    Returns
    -------
    TaskDefinition or None
        ``None`` where it is not there any more, or not readable.
    """
    text = stage.pipeline.runs.find(RunFiles(stage.run.task, champion.run_id).task_definition)
    try:
        return None if text is None else TaskDefinition.from_text(text)
    except InvalidTaskDefinition:
        return None


def approved_limits(stage: Stage, champion: Champion) -> ApprovedLimits | None:
    """Give the limits under which a champion was approved.

    One that an earlier version promoted has none of its own: then its run's files say them.

    Returns
    -------
    ApprovedLimits or None
        ``None`` where nothing says them any more.
    """
    if champion.limits:
        return ApprovedLimits.from_document(champion.limits)
    task = serving_task(stage, champion)
    if task is None:
        return None
    runs, files = stage.pipeline.runs, RunFiles(stage.run.task, champion.run_id)
    dataset, known = runs.find_json(files.dataset("dataset.json")), runs.find(files.dataset("calibration.jsonl"))
    measured_on: dict[str, Any] = {}
    if dataset:
        measured_on = {"holdout_records": dataset["holdout"], "own_holdout": dataset["own_holdout"]}
        measured_on["calibration_cases"] = len(read_calibration(known)) if known else 0
    return replace(ApprovedLimits.of(task), measured_on=measured_on)
