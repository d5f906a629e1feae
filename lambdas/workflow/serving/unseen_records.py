"""Which records of a holdout a champion was trained on: those show nothing of how it compares with a student."""

from __future__ import annotations

from lambdas.domain.dataset.near_duplicates import Relatives, kin
from lambdas.domain.dataset.records import Record
from lambdas.domain.run_files import RunFiles
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
    runs = stage.pipeline.runs
    key = RunFiles(stage.run.task, champion.run_id).dataset("train.jsonl")
    if next(runs.keys(key), None) != key:
        return None
    trained = Relatives(kin(Record.from_json(line)) for line in runs.lines(key))
    holdout = map(Record.from_json, runs.lines(stage.run.files.dataset("holdout.jsonl")))
    return {record.id for record in holdout if trained.has(record)}
