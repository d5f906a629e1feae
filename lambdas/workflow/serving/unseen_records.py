"""Which records of a later holdout say nothing new of a champion: those that it was trained on or measured with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.dataset.near_duplicates import Relatives, kin
from lambdas.domain.dataset.records import Record
from lambdas.domain.run_files import RunFiles

if TYPE_CHECKING:
    from lambdas.gateways.registry.champions import Champion
    from lambdas.workflow.stage import Stage


def seen_by(stage: Stage, champion: Champion) -> set[str] | None:
    """Find the held-out records that the champion's training file holds, or has near-duplicates or relatives of.

    Another split rule, another holdout.jsonl or a grown file may hold out now what was trained on then.

    Returns
    -------
    set of str or None
        Record ids; ``None`` where the champion's training set is not kept any more.
    """
    return _related(stage, RunFiles(stage.run.task, champion.run_id).dataset("train.jsonl"))


def measured_with(stage: Stage, champion: Champion) -> set[str] | None:
    """Find the held-out records that the champion's own holdout holds too, by the same relations; ``None`` as above."""
    return _related(stage, RunFiles(stage.run.task, champion.run_id).dataset("holdout.jsonl"))


def _related(stage: Stage, key: str) -> set[str] | None:
    runs = stage.pipeline.runs
    if next(runs.keys(key), None) != key:
        return None
    own = not stage.task.student_system_prompt
    names = (kin(Record.from_json(line), own_system=own) for line in runs.lines(key))
    known = Relatives(names, own_system=own)
    holdout = map(Record.from_json, runs.lines(stage.run.files.dataset("holdout.jsonl")))
    return {record.id for record in holdout if known.has(record)}
