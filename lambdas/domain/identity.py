"""Who a run is: ids and names that are pure functions of what was uploaded, in the alphabets that Bedrock accepts."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass

from lambdas.domain.errors import InvalidUpload

MAX_SLUG = 24
"""Longest task slug: with two hashes and the environment it keeps a job name under Bedrock's 63 characters."""

LOGS_SUFFIX = ".logs.json"
STARTING_SUFFIXES = (".jsonl", ".jsonl.gz", LOGS_SUFFIX)
"""Ends of the keys that start a run."""

_BESIDE_PROMPTS = ("holdout", "calibration")
_JSON_ENDS = {"json", "jsonl", "ndjson"}


def digest(*parts: object, length: int = 12) -> str:
    """Hash JSON-serialisable parts to ``length`` hexadecimal digits (SHA-256 over their canonical JSON)."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def task_slug(folder: str) -> str:
    """Make the ASCII name under which a task is known outside the upload bucket.

    Where characters were changed or cut, a hash of the folder is part of it, so that two folders share a slug only
    where one is named like the other's slug: the first of them keeps it (:mod:`lambdas.workflow.task_folders`).
    Spellings that Unicode calls equal (NFC, as Linux writes, and NFD, as macOS does) are one folder.

    Parameters
    ----------
    folder : str
        First part of the object key, as uploaded.

    Returns
    -------
    str
        1 to 24 characters of ``[a-z0-9-]``, a letter or digit at both ends.
    """
    folder = unicodedata.normalize("NFC", folder)
    ascii_text = unicodedata.normalize("NFKD", folder).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")
    if slug == folder and len(slug) <= MAX_SLUG:
        return slug
    head = slug[: MAX_SLUG - 9].strip("-") or "task"
    return f"{head}-{digest(folder, length=8)}"


def side_file(name: str) -> str | None:
    """Give the file of the task that a name stands for, in any letter case and compression; ``None``: another file.

    Parameters
    ----------
    name : str
        File name within a task's folder, for example ``Holdout.jsonl`` or ``holdout.jsonl.gz``.

    Returns
    -------
    str or None
        ``task.json``, ``holdout.jsonl`` or ``calibration.jsonl``: the only names under which they are read.
    """
    first, *more = [part.strip() for part in unicodedata.normalize("NFKC", name).casefold().split(".")]
    if first in _BESIDE_PROMPTS and _JSON_ENDS & set(more):
        return f"{first}.jsonl"
    return "task.json" if first == "task" and more[:1] == ["json"] else None


@dataclass(frozen=True, slots=True)
class Upload:
    """One version of one uploaded object."""

    bucket: str
    key: str
    version: str

    @property
    def folder(self) -> str:
        """The task's folder in the upload bucket."""
        return self.key.split("/", 1)[0]

    @property
    def task(self) -> str:
        """The task's slug."""
        return task_slug(self.folder)

    @property
    def run_id(self) -> str:
        """The run: the same for every delivery, delay or replay of the same event."""
        return f"{self.task}-{digest(self.bucket, self.key, self.version)}"

    def starts_a_run(self) -> bool:
        """Tell whether the key is ``<task>/<anything>`` with a suffix of prompts and not a file of the task itself."""
        folder, _, name = self.key.partition("/")
        return bool(folder) and "/" not in name and side_file(name) is None and name.endswith(STARTING_SUFFIXES)

    @property
    def from_logs(self) -> bool:
        """Whether the object names a part of the production traffic instead of holding prompts."""
        return self.key.endswith(LOGS_SUFFIX)

    def check(self) -> None:
        """Refuse a key that cannot start a run.

        Raises
        ------
        InvalidUpload
            With the form that a key must have.
        """
        if not self.starts_a_run():
            forms = "prompts as '<task>/<name>.jsonl', or a range of logs as '<task>/<name>.logs.json'"
            beside = side_file(name := self.key.rpartition("/")[2])
            meant = "" if beside in (None, name) else f" ('{name}' stands for '{beside}' and is read only as that)"
            raise InvalidUpload(f"'{self.key}' starts no run{meant}: upload {forms}, beside '<task>/task.json'")


def execution_name(run_id: str, attempt: int) -> str:
    """Name the execution of an attempt (Step Functions: at most 80 characters, taken for 90 days)."""
    return f"{run_id}-{attempt}"
