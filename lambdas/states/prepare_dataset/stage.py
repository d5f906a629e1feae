"""Read the upload, or what was read of the logs, once; validate, split, write the dataset and its shards."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

from lambdas.domain.dataset.builder import SPLIT_RULE, Dataset, build_dataset, rejection_line
from lambdas.domain.dataset.line_reader import HashedStream, read_lines
from lambdas.domain.dataset.records import from_json_lines, to_json_lines
from lambdas.domain.dataset.shards import shards
from lambdas.domain.errors import InvalidUpload
from lambdas.domain.evaluation.dataset_checks import check_damage, check_secrets, check_sizes
from lambdas.domain.evaluation.judge_calibration import MOST_BYTES, read_calibration
from lambdas.domain.evaluation.planned_holdout import planned_split
from lambdas.domain.logs.logged_answers import FILE as LOGGED_ANSWERS
from lambdas.domain.task.sample_bounds import sample_bounds
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.task.task_files import NO_TASK_FILE, TASK_FILES, said_of_missing
from lambdas.domain.training.label_modes import records_to_ask
from lambdas.states.prepare_dataset.log_prompts import LogPrompts, build_from_logs
from lambdas.workflow.late_files import pin_late_files
from lambdas.workflow.task_folders import check_folder_owner

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.run_files import RunFiles
    from lambdas.gateways.aws.storage import Bucket
    from lambdas.gateways.registry.runs import Run
    from lambdas.workflow.stage import Result, Stage


def execute(stage: Stage) -> Result:
    """Prepare the dataset of a run.

    Raises
    ------
    InvalidTaskDefinition, InvalidUpload, SecretsFound, DatasetRefused
        Nothing was paid; what is wrong and where is in the message and in ``rejected.jsonl``.
    """
    stage.progress()
    check_folder_owner(stage)
    runs, uploads = stage.pipeline.runs, stage.pipeline.uploads
    run = pin_late_files(stage)
    while True:
        task = _pin_task(run, uploads, runs)
        kept = _kept_split(stage, task) if run is stage.run else None
        if kept is not None:
            return kept
        _pin_calibration(run, uploads, runs)
        bounds = sample_bounds(stage.pipeline.environment.settings.student_customization_model, task.training)
        planned = planned_split(task, _spread(stage))
        dataset = _build(run, uploads, runs, task, bounds.most, planned.records)
        # What arrived while the prompts were read is read too; each of the files can arrive once.
        pinned = pin_late_files(replace(stage, run=run))
        if pinned is run:
            break
        run = pinned
    _write(runs, run.files, dataset)
    summary = {**dataset.summary(), "planned_holdout": planned.to_document()}
    summary["missing_files"] = said_of_missing({field: getattr(run, field) for field in TASK_FILES})
    if run.task_version is None:
        summary["warnings"].append(NO_TASK_FILE)
    # Last of the dataset's files: it names the others by their hashes.
    runs.write_json(run.files.dataset("dataset.json"), summary)
    check_damage(dataset)
    check_secrets(dataset, task)
    check_sizes(dataset, task, bounds.least)
    return _shards_of(stage, summary, dataset.train, dataset.holdout, task)


def _kept_split(stage: Stage, task: TaskDefinition) -> Result | None:
    """Keep the dataset of an attempt before this one that was made under an earlier split rule; else give ``None``.

    Records may lie on other sides under the present rule, and answers are paid for, a student may be trained. Where no
    budget was checked nothing is paid, and the dataset is made anew.
    """
    if "budget_usd" not in stage.run.facts:
        return None
    files = stage.run.files
    names = ("dataset.json", "train.jsonl", "holdout.jsonl")
    text, train, holdout = (stage.pipeline.runs.read_if_kept(files.dataset(name)) for name in names)
    if text is None or train is None or holdout is None or _is_of_this_rule(summary := json.loads(text)):
        return None
    return _shards_of(stage, summary, from_json_lines(train), from_json_lines(holdout), task)


def _is_of_this_rule(summary: dict[str, Any]) -> bool:
    return "near_duplicates" in summary and (summary["own_holdout"] or summary.get("split_rule") == SPLIT_RULE)


def _spread(stage: Stage) -> float | None:
    """Give the spread of the task's last run; an attempt plans with what the one before it planned with."""
    before = (stage.pipeline.runs.find_json(stage.run.files.dataset("dataset.json")) or {}).get("planned_holdout")
    if before is None:
        return stage.pipeline.looks.spread(stage.run.task)
    return before["spread"] if before["measured_spread"] else None


def _shards_of(
    stage: Stage, summary: dict[str, Any], train: list[Record], holdout: list[Record], task: TaskDefinition
) -> Result:
    """Cut a dataset into the shards of both maps."""
    teacher_shards = _write_shards(stage, "teacher", records_to_ask(train, holdout, task))
    holdout_shards = _write_shards(stage, "holdout", holdout)
    stage.progress(train=summary["train"], holdout=summary["holdout"])
    counts = {name: summary[name] for name in ("train", "holdout", "rejected", "duplicates")}
    return {**counts, "teacher_shards": teacher_shards, "holdout_shards": holdout_shards}


def _pin_task(run: Run, uploads: Bucket, runs: Bucket) -> TaskDefinition:
    """Copy ``task.json`` as it was at the claim, so that a later upload of it changes no run in progress."""
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


def _pin_calibration(run: Run, uploads: Bucket, runs: Bucket) -> None:
    """Check ``calibration.jsonl`` and copy it as it was at the claim: the judge is measured on it."""
    if run.calibration_version is None:
        return
    stream = uploads.open_version(f"{run.folder}/calibration.jsonl", run.calibration_version)
    if stream is None:
        missing = f"version {run.calibration_version} of {run.folder}/calibration.jsonl"
        raise InvalidUpload(f"{missing} was deleted; upload the prompts again")
    content = stream.read(MOST_BYTES + 1)
    read_calibration(content)
    runs.write(run.files.dataset("calibration.jsonl"), content)


def _build(run: Run, uploads: Bucket, runs: Bucket, task: TaskDefinition, most: int, holdout_groups: int) -> Dataset:
    holdout = _own_holdout(run, uploads)
    with tempfile.TemporaryFile() as rejected:
        digest = hashlib.sha256()

        def reject(rejection: dict[str, Any]) -> None:
            line = rejection_line(rejection)
            digest.update(line)
            rejected.write(line)

        trusted = None if holdout is None else read_lines(holdout)
        if run.upload.from_logs:
            dataset = build_from_logs(LogPrompts(runs, run.files, reject), trusted, task, most, holdout_groups)
        else:
            prompts = _uploaded(run, uploads)
            dataset = build_dataset(
                read_lines(prompts), reject, own_holdout=trusted, task=task, most=most, holdout_groups=holdout_groups
            )
            dataset.sha256["upload"] = prompts.sha256()
        runs.upload(run.files.dataset("rejected.jsonl"), rejected)
    dataset.sha256["rejected.jsonl"] = digest.hexdigest()
    if holdout is not None:
        dataset.sha256["uploaded holdout.jsonl"] = holdout.sha256()
    return dataset


def _uploaded(run: Run, uploads: Bucket) -> HashedStream:
    stream = uploads.open_version(run.key, run.version)
    if stream is None:
        raise InvalidUpload(f"version {run.version} of {run.key} was deleted before it was read; upload it again")
    return HashedStream(stream)


def _own_holdout(run: Run, uploads: Bucket) -> HashedStream | None:
    if run.holdout_version is None:
        return None
    stream: IO[bytes] | None = uploads.open_version(f"{run.folder}/holdout.jsonl", run.holdout_version)
    if stream is None:
        raise InvalidUpload(f"version {run.holdout_version} of {run.folder}/holdout.jsonl was deleted; upload it again")
    return HashedStream(stream)


def _write(runs: Bucket, files: RunFiles, dataset: Dataset) -> None:
    for name, records in (("train.jsonl", dataset.train), ("holdout.jsonl", dataset.holdout)):
        content = to_json_lines(records)
        runs.write(files.dataset(name), content)
        dataset.sha256[name] = hashlib.sha256(content).hexdigest()
    if dataset.logged_answers is not None:
        runs.write(files.dataset(LOGGED_ANSWERS), dataset.logged_answers)
        dataset.sha256[LOGGED_ANSWERS] = hashlib.sha256(dataset.logged_answers).hexdigest()


def _write_shards(stage: Stage, kind: str, records: list[Record]) -> list[str]:
    grouped = shards(records, kind, stage.pipeline.environment.settings.shards_at_once)
    for name, members in grouped.items():
        stage.pipeline.runs.write(stage.run.files.shard(kind, name), to_json_lines(members))
    return list(grouped)
