"""Check a task's folder with the pipeline's own rules, then upload it: bad input never costs a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import NOT_SO, NOT_THERE, USAGE, CliError
from lambdas.domain.dataset.builder import Dataset, build_dataset
from lambdas.domain.dataset.line_reader import read_lines
from lambdas.domain.errors import DatasetRefused, InvalidTaskDefinition, InvalidUpload, SecretsFound
from lambdas.domain.evaluation.judge_calibration import read_calibration
from lambdas.domain.evaluation.sample_sizes import check_damage, check_secrets, check_sizes
from lambdas.domain.identity import Upload
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.training.label_modes import check_source
from lambdas.gateways.aws.storage import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from cli.log_submission import LogSubmission

TASK_FILE, HOLDOUT_FILE, CALIBRATION_FILE = "task.json", "holdout.jsonl", "calibration.jsonl"
_SUFFIXES = (".jsonl", ".jsonl.gz")
_MAX_KEY_BYTES = 1_024
"""Longest object key (S3 user guide, naming objects)."""
_SHOWN = 5


@dataclass(frozen=True)
class Submission:
    """A task's folder that has passed every check that needs no AWS."""

    task: str
    prompts: Path
    dataset: Dataset
    task_file: Path | None
    holdout_file: Path | None
    calibration_file: Path | None = None
    rejections: list[dict[str, Any]] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Object key of the prompts."""
        return f"{self.task}/{self.prompts.name}"


def check_folder(folder: Path, file: Path | None) -> Submission:
    """Check ``task.json``, the prompts, ``holdout.jsonl`` and ``calibration.jsonl`` as the pipeline will.

    Parameters
    ----------
    folder : Path
        Its name is the task's name.
    file : Path, optional
        The prompts; otherwise the only ``.jsonl`` or ``.jsonl.gz`` file of the folder.

    Raises
    ------
    CliError
        With file, line or key, and what is allowed.
    """
    prompts = file or _only_prompts(folder)
    task_file, holdout_file, calibration_file = (
        existing(folder / name) for name in (TASK_FILE, HOLDOUT_FILE, CALIBRATION_FILE)
    )
    name = folder.resolve().name
    rejections: list[dict[str, Any]] = []
    try:
        check_key(f"{name}/{prompts.name}")
        task = TaskDefinition.from_text(task_file.read_bytes()) if task_file else TaskDefinition.default()
        check_source(task, from_logs=False)
        if calibration_file is not None:
            read_calibration(calibration_file.read_bytes())
        dataset = _build(prompts, holdout_file, task, rejections)
        check_damage(dataset)
        check_secrets(dataset, task)
        check_sizes(dataset, task)
    except InvalidTaskDefinition as problem:
        raise CliError(f"Nothing was uploaded. {problem}", NOT_SO) from None
    except (InvalidUpload, SecretsFound, DatasetRefused) as problem:
        raise CliError("\n".join([f"Nothing was uploaded. {problem}", *rejection_lines(rejections)]), NOT_SO) from None
    except OSError as problem:
        raise CliError(f"Nothing was uploaded. {problem.filename} cannot be read: {problem.strerror}", USAGE) from None
    return Submission(name, prompts, dataset, task_file, holdout_file, calibration_file, rejections)


def rejection_lines(rejections: list[dict[str, Any]]) -> list[str]:
    """Say of the first rejected lines where they are and why they were rejected."""
    lines = [f"  {item.get('file', 'line')} {item['line']}: {item['reason']}" for item in rejections[:_SHOWN]]
    if len(rejections) > _SHOWN:
        lines.append(f"  ... and {len(rejections) - _SHOWN} more")
    return lines


def upload(client: S3Client, bucket: str, submission: Submission) -> Upload:
    """Upload the task's files first and the prompts last, because the prompts start the run.

    Returns
    -------
    Upload
        The object version of which the run is made.

    Raises
    ------
    CliError
        When the bucket keeps no versions.
    """
    put_task_files(client, bucket, submission)
    return uploaded(bucket, submission.key, put(client, bucket, submission.key, submission.prompts))


def left_from_before(client: S3Client, bucket: str, submission: Submission | LogSubmission) -> list[str]:
    """Name the task's files that are missing in the folder but lie in the bucket, and so count for the run."""
    uploads = Bucket(client, bucket)
    local = {
        TASK_FILE: submission.task_file,
        HOLDOUT_FILE: submission.holdout_file,
        CALIBRATION_FILE: submission.calibration_file,
    }
    missing = [name for name, path in local.items() if path is None]
    return [name for name in missing if uploads.newest_version(f"{submission.task}/{name}") is not None]


def put(client: S3Client, bucket: str, key: str, path: Path, content_type: str | None = None) -> str | None:
    """Upload one file; give its version."""
    kind = content_type or ("application/gzip" if key.endswith(".gz") else "application/x-ndjson")
    with path.open("rb") as file:
        return client.put_object(Bucket=bucket, Key=key, Body=file, ContentType=kind).get("VersionId")


def put_task_files(client: S3Client, bucket: str, submission: Submission | LogSubmission) -> None:
    """Upload what lies beside the prompts; none of it starts a run."""
    task_files = (submission.task_file, submission.holdout_file, submission.calibration_file)
    for path, content_type in zip(task_files, ("application/json", None, None), strict=True):
        if path is not None:
            put(client, bucket, f"{submission.task}/{path.name}", path, content_type)


def uploaded(bucket: str, key: str, version: str | None) -> Upload:
    """Name the object version of which the run is made.

    Raises
    ------
    CliError
        When the bucket keeps no versions.
    """
    if not version:
        message = f"Bucket {bucket} keeps no versions, so the run cannot be named. Deploy the data stack again."
        raise CliError(message, NOT_THERE)
    return Upload(bucket, key, version)


def existing(path: Path) -> Path | None:
    """Give the path of a file that is there."""
    return path if path.is_file() else None


def _only_prompts(folder: Path) -> Path:
    found = sorted(
        path
        for path in folder.iterdir()
        if path.name.endswith(_SUFFIXES) and path.name not in (HOLDOUT_FILE, CALIBRATION_FILE) and path.is_file()
    )
    if len(found) == 1:
        return found[0]
    if not found:
        raise CliError(f"{folder} has no prompts: put a .jsonl or .jsonl.gz file there, or name it with --file.", USAGE)
    names = ", ".join(path.name for path in found)
    raise CliError(f"{folder} has several prompt files ({names}): choose one with --file.", USAGE)


def check_key(key: str) -> None:
    """Refuse a key that starts no run or is too long.

    Raises
    ------
    InvalidUpload
    """
    Upload("", key, "").check()
    if len(key.encode("utf-8", "surrogateescape")) > _MAX_KEY_BYTES:
        raise InvalidUpload(f"the names of folder and file make a key of over {_MAX_KEY_BYTES} bytes; shorten them")


def _build(prompts: Path, holdout_file: Path | None, task: TaskDefinition, rejections: list[dict[str, Any]]) -> Dataset:
    with prompts.open("rb") as stream:
        if holdout_file is None:
            return build_dataset(read_lines(stream), rejections.append, task=task)
        with holdout_file.open("rb") as trusted:
            return build_dataset(read_lines(stream), rejections.append, own_holdout=read_lines(trusted), task=task)
