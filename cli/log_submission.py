"""Submit a range of production traffic: a small document that names it, checked before anything is uploaded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cli.errors import CHECK_FAILED, USAGE_ERROR, CliError
from cli.task_folder import TaskFolder, check_key, uploaded
from lambdas.domain.errors import InvalidTaskDefinition, InvalidUpload
from lambdas.domain.identity import LOGS_SUFFIX, Upload
from lambdas.domain.task.log_request import LogRequest, LogSource

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """What the options of ``submit`` say about logs."""

    location: str
    start: str | None
    end: str | None
    models: tuple[str, ...]
    operations: tuple[str, ...]
    metadata: tuple[str, ...]
    conversation: str | None = None


@dataclass(frozen=True, kw_only=True)
class LogSubmission:
    """A task's folder and a range of logs that have passed every check that needs no AWS."""

    beside: TaskFolder
    request: LogRequest

    @property
    def key(self) -> str:
        """Object key of the request: named by the range, so that the bucket can be read."""
        span = f"{self.request.start:%Y%m%dT%H%MZ}-{self.request.end:%Y%m%dT%H%MZ}"
        return f"{self.beside.task}/{span}{LOGS_SUFFIX}"


def check_logs(folder: Path, options: LogOptions, now: datetime | None = None) -> LogSubmission:
    """Check ``task.json`` and the range.

    Raises
    ------
    CliError
        With the option or key, and what is allowed.
    """
    if options.start is None or options.end is None:
        raise CliError("--from-logs needs --from and --to, for example --from 2026-11-01T00:00:00Z.", USAGE_ERROR)
    place = urlsplit(options.location)
    if place.scheme != "s3" or not place.netloc:
        raise CliError(f"--from-logs is '{options.location}', but must be s3://bucket/prefix.", USAGE_ERROR)
    document = {
        "bucket": place.netloc,
        "prefix": place.path.strip("/"),
        "from": options.start,
        "to": options.end,
        "models": list(dict.fromkeys(options.models)),
        "operations": list(dict.fromkeys(options.operations)),
        "metadata": _pairs(options.metadata),
        **({} if options.conversation is None else {"conversation": options.conversation}),
    }
    try:
        beside = TaskFolder.checked(folder)
        beside.definition()
        request = LogRequest.from_document(document)
        request.check_over(now or datetime.now(UTC))
        beside.check_calibration()
        made = LogSubmission(beside=beside, request=request)
        check_key(made.key)
    except (InvalidTaskDefinition, InvalidUpload) as problem:
        raise CliError(f"Nothing was uploaded. {problem}", CHECK_FAILED) from None
    return made


def check_allowed(submission: LogSubmission, allowed: Iterable[LogSource]) -> None:
    """Refuse a location that the deployment may not read.

    Raises
    ------
    CliError
        With the locations that are allowed.
    """
    try:
        submission.request.source(allowed)
    except InvalidUpload as problem:
        raise CliError(f"Nothing was uploaded. {problem}.", CHECK_FAILED) from None


def upload_request(
    client: S3Client, bucket: str, submission: LogSubmission, metadata: dict[str, str] | None = None
) -> Upload:
    """Upload the task's files first and the request last, because the request starts the run.

    Raises
    ------
    CliError
        When the bucket keeps no versions.
    """
    submission.beside.upload(client, bucket)
    body = json.dumps(submission.request.to_document(), indent=2, sort_keys=True).encode() + b"\n"
    kind = "application/json"
    made = client.put_object(Bucket=bucket, Key=submission.key, Body=body, ContentType=kind, Metadata=metadata or {})
    return uploaded(bucket, submission.key, made.get("VersionId"))


def _pairs(texts: Iterable[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise CliError(f"--metadata is '{text}', but must be name=value.", USAGE_ERROR)
        pairs[name] = value
    return pairs
