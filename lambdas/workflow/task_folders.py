"""Which folder a task's name belongs to: a folder that is named like another's slug must not get its champion."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from lambdas.domain.errors import InvalidUpload

if TYPE_CHECKING:
    from lambdas.workflow.stage import Stage


def check_folder_owner(stage: Stage) -> None:
    """Refuse a run, before anything is paid, whose folder would act under the name of another folder's task.

    The first folder keeps the name. A task from before 0.2.0 has no owner written down: it is the folder of the run
    that made its champion.

    Raises
    ------
    InvalidUpload
        Names both folders.
    """
    run, tasks = stage.run, stage.pipeline.tasks
    champion = tasks.state(run.task).champion
    champions_run = stage.pipeline.registry.find(champion.run_id) if champion else None
    owner = tasks.claim_folder(run.task, champions_run.folder if champions_run else run.folder)
    if unicodedata.normalize("NFC", owner) != unicodedata.normalize("NFC", run.folder):
        raise InvalidUpload(
            f"the folders {owner!a} and {run.folder!a} have the same name outside of the bucket, '{run.task}', which "
            f"belongs to {owner!a}. Nothing was paid; give the folder {run.folder!a} another name and upload it again"
        )
