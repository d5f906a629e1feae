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
