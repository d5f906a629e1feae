"""Student and fallback side by side: on the records of the champion's own run, or on fresh ones of a later run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.errors import RoutingRefused
from lambdas.domain.evaluation.measurements import CHAMPION, Measurement
from lambdas.domain.gate.routing import RoutedPair, pair_up
from lambdas.domain.model_ids import custom_model_of
from lambdas.workflow.serving.pinned_champion import pinned_champion, serving_task
from lambdas.workflow.serving.published import fallback_of
from lambdas.workflow.serving.unseen_records import measured_with, seen_by
from lambdas.workflow.stage import Stage

if TYPE_CHECKING:
    from lambdas.domain.serving.serving_policy import FallbackModel
    from lambdas.gateways.registry.champions import Champion


def measured_pairs(stage: Stage, role: str, champion: Champion, fallback: FallbackModel) -> list[RoutedPair]:
    """Pair what the evaluation of an attempt measured for a contestant and for the fallback.

    Parameters
    ----------
    stage : Stage
        Of the attempt that measured.
    role : str
        The contestant that is the champion: the student of its own run, later the champion.
    champion : Champion
    fallback : FallbackModel
    """
    runs, folder = stage.pipeline.runs, stage.run.files.evaluation(stage.attempt, "")
    by_role: dict[str, list[Measurement]] = {role: [], fallback.role: []}
    for key in (key for key in runs.keys(folder) if key.endswith(".jsonl")):
        for item in map(Measurement.from_json, runs.read(key).splitlines()):
            if item.role in by_role:
                by_role[item.role].append(item)
    models = (custom_model_of(champion.base_model), fallback.model)
    return pair_up(by_role[role], by_role[fallback.role], models, stage.prices)


def fresh_pairs(stage: Stage, champion: Champion, fallback: FallbackModel, run_id: str) -> list[RoutedPair]:
    """Pair what a later run measured on records that neither trained the champion nor were in its own holdout.

    Its evaluation has asked the champion and the fallback already, so that nothing is paid for.

    Parameters
    ----------
    stage : Stage
        Of the champion's own run.
    champion : Champion
    fallback : FallbackModel
    run_id : str
        The later run.

    Raises
    ------
    RoutingRefused
        The run did not measure this champion and this fallback in the way that callers ask them, or it has no fresh
        records.
    """
    run = stage.pipeline.registry.find(run_id)
    if run is None or run.task != stage.run.task or run.run_id == champion.run_id:
        raise RoutingRefused(
            f"run {run_id} is not a later run of task '{stage.run.task}': give one that was uploaded after run "
            f"{champion.run_id} served ('python -m cli runs' lists them)"
        )
    later = Stage(name=stage.name, pipeline=stage.pipeline, run=run, attempt=run.attempt)
    if why := _differs(later, champion, fallback):
        raise RoutingRefused(f"the records of run {run_id} say nothing about run {champion.run_id}: {why}")
    known = [seen_by(later, champion), measured_with(later, champion)]
    if None in known:
        raise RoutingRefused(
            f"the records of run {champion.run_id} have expired, so nobody knows which of run {run_id} are fresh: "
            "upload more prompts, and promote a student of them"
        )
    old = set[str]().union(*(ids for ids in known if ids))
    pairs = [pair for pair in measured_pairs(later, CHAMPION, champion, fallback) if pair.student.record_id not in old]
    if not pairs:
        raise RoutingRefused(
            f"run {run_id} has no record that is new to the champion and was judged for it and for the {fallback.role}"
            ": upload a file with new prompts"
        )
    return pairs


def _differs(later: Stage, champion: Champion, fallback: FallbackModel) -> str | None:
    """Say what a later run measured that callers do not get; ``None`` where it measured just that."""
    pinned = pinned_champion(later)
    if pinned is None or pinned.model_arn != champion.model_arn:
        return f"it was compared with {f'run {pinned.run_id}' if pinned else 'no champion'}"
    other, own = fallback_of(later, fallback.role), serving_task(later, champion)
    if other is None or own is None:
        return "the files of one of them have expired"
    if (other.model, other.prompt, other.parameters) != (fallback.model, fallback.prompt, fallback.parameters):
        return f"its {fallback.role} is another model, or is asked with another prompt"
    return None if own.output_schema == later.task.output_schema else "its output schema is another one"
