"""Fetch the report of a run to this machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import CHECK_FAILED, CliError
from lambdas.domain.errors import DocumentTooNew
from lambdas.domain.report.report_document import read_report
from lambdas.gateways.aws.storage import Bucket
from lambdas.gateways.registry.runs import Run

DEFAULT_FOLDER = Path(".local") / "report"
_PAGE, _DOCUMENT = "report.html", "report.json"


@dataclass(frozen=True)
class SavedReport:
    """A report on this machine: where the page lies and what its document says."""

    page: Path
    document: dict[str, Any]


def save_report(runs: Bucket, run: Run, folder: Path | None = None) -> SavedReport:
    """Download ``report.html`` and ``report.json``.

    Parameters
    ----------
    runs : Bucket
    run : Run
    folder : Path, optional
        ``.local/report/<run>`` unless given.

    Raises
    ------
    CliError
        When there is none yet, or it is not the one that the registry knows.
    """
    text = read_document(runs, run)
    document = parsed_report(text, run.run_id)
    target = folder or DEFAULT_FOLDER / run.run_id
    try:
        target.mkdir(parents=True, exist_ok=True)
        (target / _DOCUMENT).write_bytes(text)
        (target / _PAGE).write_bytes(runs.read(str(run.report_key)))
    except OSError as problem:
        raise CliError(f"{target} cannot be written: {problem.strerror}. Choose another folder with --out.") from None
    return SavedReport((target / _PAGE).resolve(), document)


_NAMED = {
    "dropped": "teacher_data/dropped.jsonl",
    "training": "teacher_data/training.jsonl",
    "references": "teacher_data/references.jsonl",
    "rejected": "dataset/rejected.jsonl",
    "train": "dataset/train.jsonl",
    "holdout": "dataset/holdout.jsonl",
    "calibration": "dataset/calibration.jsonl",
    "dataset": "dataset/dataset.json",
    "task": "task.json",
}
"""What people call a file of a run, and where it lies below the run's folder."""

_OF_ATTEMPT = {
    "plan": "plan.json",
    "evaluation": "evaluation/evaluation.json",
    "report": "report/report.json",
    "page": "report/report.html",
}
"""The same, below the folder of the run's last attempt."""

_SHOWN_FILES = 40


def save_file(runs: Bucket, run: Run, name: str, folder: Path | None = None) -> Path:
    """Download one file of a run.

    Parameters
    ----------
    runs : Bucket
    run : Run
    name : str
        A short name, a path below the run's folder, or the name of a file that only one path there ends with.
    folder : Path, optional
        ``.local/report/<run>`` unless given.

    Returns
    -------
    Path
        Where it lies now.

    Raises
    ------
    CliError
        When there is no such file, with those that there are.
    """
    root = run.files.root
    found = _path_of(runs, run, name)
    content = runs.find(f"{root}/{found}")
    if content is None:
        raise _no_file(runs, run, name)
    target = (folder or DEFAULT_FOLDER / run.run_id) / Path(found).name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except OSError as problem:
        raise CliError(f"{target} cannot be written: {problem.strerror}. Choose another folder with --out.") from None
    return target.resolve()


def _path_of(runs: Bucket, run: Run, name: str) -> str:
    if name in _NAMED:
        return _NAMED[name]
    if name in _OF_ATTEMPT:
        return f"attempts/{run.attempt}/{_OF_ATTEMPT[name]}"
    if "/" in name:
        return name.strip("/")
    fitting = [path for path in _paths(runs, run) if path.rsplit("/", 1)[-1] == name]
    if len(fitting) != 1:
        raise _no_file(runs, run, name)
    return fitting[0]


def _paths(runs: Bucket, run: Run) -> list[str]:
    root = f"{run.files.root}/"
    return [key.removeprefix(root) for key in runs.keys(root)]


def _no_file(runs: Bucket, run: Run, name: str) -> CliError:
    paths = _paths(runs, run)
    there = ", ".join(paths[:_SHOWN_FILES]) or "none"
    more = f" and {len(paths) - _SHOWN_FILES} more" if len(paths) > _SHOWN_FILES else ""
    short = ", ".join([*_NAMED, *_OF_ATTEMPT])
    message = f"Run '{run.run_id}' has no file '{name}', or several end so. Short names: {short}. Files: {there}{more}."
    return CliError(message, CHECK_FAILED)


def parsed_report(text: bytes, run_id: str) -> dict[str, Any]:
    """Parse a ``report.json``.

    Raises
    ------
    CliError
        When a later version wrote it.
    """
    try:
        return dict(read_report(text, run_id))
    except DocumentTooNew as problem:
        raise CliError(f"{problem}.", CHECK_FAILED) from None


def read_document(runs: Bucket, run: Run) -> bytes:
    """Read ``report.json`` as it was published.

    Raises
    ------
    CliError
        When there is none yet, or it is not the one that the registry knows.
    """
    if not run.report_key:
        message = f"Run '{run.run_id}' has no report yet. 'python -m cli watch {run.run_id}' shows what it is doing."
        raise CliError(message, CHECK_FAILED)
    text = runs.read(run.report_key.removesuffix(_PAGE) + _DOCUMENT)
    if hashlib.sha256(text).hexdigest() != run.report_sha256:
        message = f"The report of run '{run.run_id}' is not the one in the registry; it is being written. Try again."
        raise CliError(message, CHECK_FAILED)
    return text
