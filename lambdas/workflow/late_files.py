"""Files of a task that arrive after its prompts, whose event has started the run: taken while nothing is paid.

Uploads of a folder are not ordered (aws-cli issue 4809): the prompts' event may be ahead of ``task.json`` by seconds.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from lambdas.domain.errors import InvalidUpload
from lambdas.domain.identity import side_file
from lambdas.domain.task.task_files import TASK_FILES

if TYPE_CHECKING:
    from lambdas.gateways.aws.storage import Bucket
    from lambdas.gateways.registry.runs import Run
    from lambdas.workflow.stage import Stage


def pin_late_files(stage: Stage) -> Run:
    """Pin the run to those of the task's files that were not there when it was claimed and are there now.

    Nothing is looked for once a budget was checked: from then on something may be paid, and a retry must find the same
    task. Returns the run as it is pinned now: the same object where nothing has arrived.
    """
    run, registry = stage.run, stage.pipeline.registry
    if _may_be_paid(run):
        return run
    newest = stage.pipeline.uploads.newest_version
    found = {
        field: version
        for field, name in TASK_FILES.items()
        if getattr(run, field) is None and (version := newest(f"{run.folder}/{name}"))
    }
    return registry.pin_files(run.run_id, found) if found else run


def check_late_files(stage: Stage) -> None:
    """Stop a run, before anything is paid, one of whose files has arrived since its dataset was made.

    Raises
    ------
    InvalidUpload
        Names the file and what to do.
    """
    run, uploads = stage.run, stage.pipeline.uploads
    if _may_be_paid(run):
        return
    late = [
        name
        for field, name in TASK_FILES.items()
        if getattr(run, field) is None and _exists(uploads, f"{run.folder}/{name}")
    ]
    if late:
        names = " and ".join(late)
        message = f"{names} arrived after the prompts of {run.key} had been read. Nothing was paid"
        raise InvalidUpload(f"{message}; 'python -m cli retry {run.run_id}' takes what is there now")
    _check_namesake(run, uploads)
    _check_misnamed(run, uploads)


def _check_namesake(run: Run, uploads: Bucket) -> None:
    """Find a task.json in a folder that reads the same: macOS writes accents in two characters, Linux in one."""
    if run.task_version is not None:
        return
    for form in ("NFC", "NFD"):
        folder = unicodedata.normalize(form, run.folder)
        if folder != run.folder and _exists(uploads, f"{folder}/task.json"):
            message = (
                f"the prompts lie in the folder {run.folder!a}, and a task.json in {folder!a}, which reads "
                "the same but is another folder to S3 (Unicode forms of the same letters). Nothing was paid; upload "
                "both from the same machine, or name the folder without accents"
            )
            raise InvalidUpload(message)


def _check_misnamed(run: Run, uploads: Bucket) -> None:
    """Find a file of the task under another name than it is read by: a run without it proves less than people think."""
    there = {name: field for field, name in TASK_FILES.items() if getattr(run, field) is None}
    for key in uploads.keys(f"{run.folder}/"):
        name = key.removeprefix(f"{run.folder}/")
        meant = None if "/" in name else side_file(name)
        if meant in there and name != meant:
            raise InvalidUpload(
                f"{name!a} stands for {meant} but is not read: the name counts as it is, small letters, not "
                f"compressed. Nothing was paid; upload it as {meant}, or take {name!a} away, then "
                f"'python -m cli retry {run.run_id}'"
            )


def _may_be_paid(run: Run) -> bool:
    return "budget_usd" in run.facts


def _exists(uploads: Bucket, key: str) -> bool:
    return next(uploads.keys(key), None) == key
