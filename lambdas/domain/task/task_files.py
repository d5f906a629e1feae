"""The files of a task beside its prompts: which of them a run had, in words."""

from __future__ import annotations

from collections.abc import Mapping

TASK_FILES = {
    "task_version": "task.json",
    "holdout_version": "holdout.jsonl",
    "calibration_version": "calibration.jsonl",
}
"""Field of a run that has the version to which it is pinned, and the file's name in the task's folder."""

NO_TASK_FILE = (
    "no task.json was in the task's folder: the defaults apply, without prompts, schema or rubric of the task; to "
    "change that upload task.json first and then the prompts again"
)

_INSTEAD = {
    "holdout_version": "no holdout.jsonl: a part of the prompts was held back; the teacher's answers are references",
    "calibration_version": "no calibration.jsonl: the judge was not measured",
}


def said_of_missing(versions: Mapping[str, str | None]) -> list[str]:
    """Say what a run does without, one sentence each.

    Parameters
    ----------
    versions : mapping of str to str or None
        By the fields of :data:`TASK_FILES`.
    """
    found = [] if versions.get("task_version") else [NO_TASK_FILE]
    return found + [text for field, text in _INSTEAD.items() if not versions.get(field)]
