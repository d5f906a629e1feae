"""A task's folder and its way into the uploads bucket: what lies beside the prompts first, what starts a run last."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cli.errors import NOT_REACHED, CliError
from lambdas.domain.errors import InvalidUpload
from lambdas.domain.evaluation.judge_calibration import read_calibration
from lambdas.domain.identity import Upload, side_file
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.gateways.aws.storage import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TASK_FILE, HOLDOUT_FILE, CALIBRATION_FILE = "task.json", "holdout.jsonl", "calibration.jsonl"
_MAX_KEY_BYTES = 1_024
"""Longest object key (S3 user guide, naming objects)."""


@dataclass(frozen=True, slots=True)
class TaskFolder:
    """The files of a task's folder that lie beside its prompts; each of them may be missing.

    ``task`` is the folder's name, and so the task's.
    """

    task: str
    task_file: Path | None
    holdout_file: Path | None
    calibration_file: Path | None

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Look into a folder."""
        task_file, holdout_file, calibration_file = (
            path if (path := folder / name).is_file() else None for name in (TASK_FILE, HOLDOUT_FILE, CALIBRATION_FILE)
        )
        return cls(folder.resolve().name, task_file, holdout_file, calibration_file)

    @classmethod
    def checked(cls, folder: Path) -> Self:
        """Look into a folder whose files beside the prompts have the names by which they are read.

        Raises
        ------
        InvalidUpload
            Names the file and how it must be called.
        """
        for path in sorted(folder.iterdir()):
            meant = side_file(path.name)
            # Some file systems find a file under a name in other letters.
            if meant not in (None, path.name) and not (folder / str(meant)).is_file():
                raise InvalidUpload(
                    f"{path.name!a} stands for {meant} but is not read: the name counts as it is, small letters, not "
                    f"compressed; call it {meant}, or take it out of the folder"
                )
        return cls.of(folder)

    def definition(self) -> TaskDefinition:
        """Read ``task.json``, or give the default where there is none.

        Raises
        ------
        InvalidTaskDefinition
        """
        return TaskDefinition.from_text(self.task_file.read_bytes()) if self.task_file else TaskDefinition.default()

    def check_calibration(self) -> list[str]:
        """Read ``calibration.jsonl`` where there is one; say what of it does not count.

        Raises
        ------
        InvalidUpload
        """
        if self.calibration_file is None or read_calibration(self.calibration_file.read_bytes()):
            return []
        unscored = f"{CALIBRATION_FILE} has no case with a score yet, so the judge is not measured"
        return [f"{unscored}: write 1 to 5 as 'expected_score' of at least 10, by the rubric"]

    def upload(self, client: S3Client, bucket: str) -> None:
        """Upload what lies beside the prompts; none of it starts a run."""
        task_files = (self.task_file, self.holdout_file, self.calibration_file)
        for path, content_type in zip(task_files, ("application/json", None, None), strict=True):
            if path is not None:
                put(client, bucket, f"{self.task}/{path.name}", path, content_type)

    def left_from_before(self, client: S3Client, bucket: str) -> list[str]:
        """Name the task's files that are missing in the folder but lie in the bucket, and so count for the run.

        They are looked for by listing: whoever may reach one task only gets 403 for an object that is not there.
        """
        uploads = Bucket(client, bucket)
        local = {
            TASK_FILE: self.task_file,
            HOLDOUT_FILE: self.holdout_file,
            CALIBRATION_FILE: self.calibration_file,
        }
        missing = [name for name, path in local.items() if path is None]
        return [name for name in missing if (key := f"{self.task}/{name}") in uploads.keys(key)]


def check_key(key: str) -> None:
    """Refuse a key that starts no run or is too long.

    Raises
    ------
    InvalidUpload
    """
    Upload("", key, "").check()
    if len(key.encode("utf-8", "surrogateescape")) > _MAX_KEY_BYTES:
        raise InvalidUpload(f"the names of folder and file make a key of over {_MAX_KEY_BYTES} bytes; shorten them")


def put(
    client: S3Client,
    bucket: str,
    key: str,
    path: Path,
    content_type: str | None = None,
    metadata: dict[str, str] | None = None,
) -> str | None:
    """Upload one file; give its version."""
    kind = content_type or ("application/gzip" if key.endswith(".gz") else "application/x-ndjson")
    with path.open("rb") as file:
        made = client.put_object(Bucket=bucket, Key=key, Body=file, ContentType=kind, Metadata=metadata or {})
        return made.get("VersionId")


def uploaded(bucket: str, key: str, version: str | None) -> Upload:
    """Name the object version of which the run is made.

    Raises
    ------
    CliError
        When the bucket keeps no versions.
    """
    if not version:
        message = f"Bucket {bucket} keeps no versions, so the run cannot be named. Deploy the data stack again."
        raise CliError(message, NOT_REACHED)
    return Upload(bucket, key, version)
