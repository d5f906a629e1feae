"""Read the upload once, validate, split, write the dataset and its shards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import IO, Any

from lambdas.domain.datasets import Dataset, build_dataset, read_lines, rejection_line, shards, to_json_lines
from lambdas.domain.errors import InvalidUpload
from lambdas.domain.records import Record
from lambdas.domain.run_files import RunFiles
from lambdas.domain.sizes import check_damage, check_sizes
from lambdas.domain.task_definition import TaskDefinition
from lambdas.gateways.registry import Run
from lambdas.gateways.storage import Bucket
from lambdas.pipeline import Result, Stage


def execute(stage: Stage) -> Result:
    """Prepare the dataset of a run.

    Raises
    ------
    InvalidTaskDefinition, InvalidUpload, DatasetRefused
        Nothing was paid; what is wrong and where is in the message and in ``rejected.jsonl``.
    """
    stage.progress()
    run, runs = stage.run, stage.pipeline.runs
    task = _pin_task(run, stage.pipeline.uploads, runs)
    dataset = _build(run, stage.pipeline.uploads, runs)
    summary = dataset.summary()
    runs.write_json(run.files.dataset("dataset.json"), summary)
    check_damage(dataset)
    check_sizes(dataset, task)
    teacher_shards = _write(runs, run.files, dataset)
    holdout_shards = _write_shards(runs, run.files, "holdout", dataset.holdout)
    stage.progress(train=summary["train"], holdout=summary["holdout"])
    counts = {name: summary[name] for name in ("train", "holdout", "rejected", "duplicates")}
    return {**counts, "teacher_shards": teacher_shards, "holdout_shards": holdout_shards}


def _pin_task(run: Run, uploads: Bucket, runs: Bucket) -> TaskDefinition:
    """Copy ``task.json`` as it was at the claim, so that a later upload of it changes no run under way."""
    text = b"{}"
    if run.task_version is not None:
        stream = uploads.open_version(f"{run.folder}/task.json", run.task_version)
        if stream is None:
            missing = f"version {run.task_version} of {run.folder}/task.json"
            raise InvalidUpload(f"{missing} was deleted; upload the prompts again")
        text = stream.read()
    task = TaskDefinition.from_text(text)
    runs.write(run.files.task_definition, text, "application/json")
    return task


def _build(run: Run, uploads: Bucket, runs: Bucket) -> Dataset:
    stream = uploads.open_version(run.key, run.version)
    if stream is None:
        raise InvalidUpload(f"version {run.version} of {run.key} was deleted before it was read; upload it again")
    with tempfile.TemporaryFile() as rejected:

        def reject(rejection: dict[str, Any]) -> None:
            rejected.write(rejection_line(rejection))

        holdout = _own_holdout(run, uploads)
        dataset = build_dataset(read_lines(stream), reject, own_holdout=holdout)
        runs.upload(run.files.dataset("rejected.jsonl"), rejected)
    return dataset


def _own_holdout(run: Run, uploads: Bucket) -> Iterable[bytes] | None:
    if run.holdout_version is None:
        return None
    stream: IO[bytes] | None = uploads.open_version(f"{run.folder}/holdout.jsonl", run.holdout_version)
    if stream is None:
        raise InvalidUpload(f"version {run.holdout_version} of {run.folder}/holdout.jsonl was deleted; upload it again")
    return read_lines(stream)


def _write(runs: Bucket, files: RunFiles, dataset: Dataset) -> list[str]:
    runs.write(files.dataset("train.jsonl"), to_json_lines(dataset.train))
    runs.write(files.dataset("holdout.jsonl"), to_json_lines(dataset.holdout))
    return _write_shards(runs, files, "teacher", dataset.train + dataset.holdout)


def _write_shards(runs: Bucket, files: RunFiles, kind: str, records: list[Record]) -> list[str]:
    grouped = shards(records, kind)
    for name, members in grouped.items():
        runs.write(files.shard(kind, name), to_json_lines(members))
    return sorted(grouped)
