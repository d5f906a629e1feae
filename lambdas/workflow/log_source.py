"""From a run's ``*.logs.json`` to the log source that it names."""

from __future__ import annotations

from lambdas.domain.errors import InvalidUpload
from lambdas.domain.task.log_request import LogRequest
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.log_bucket import LogBucket
from lambdas.workflow.stage import Stage

MAX_REQUEST_BYTES = 64 * 1024


def read_request(stage: Stage) -> LogRequest:
    """Read the uploaded range and filters of a run.

    Raises
    ------
    InvalidUpload
        With the key and what is allowed.
    """
    run = stage.run
    stream = stage.pipeline.uploads.open_version(run.key, run.version)
    if stream is None:
        raise InvalidUpload(f"version {run.version} of {run.key} was deleted before it was read; upload it again")
    return LogRequest.from_text(stream.read(MAX_REQUEST_BYTES))


def open_source(stage: Stage, request: LogRequest) -> LogBucket:
    """Open the log source of a request.

    Raises
    ------
    InvalidUpload
        Where the settings do not have it; with those that they have.
    """
    environment = stage.pipeline.environment
    source = request.source(environment.settings.allowed_logs())
    root = source.root(environment.account, environment.settings.region)
    return LogBucket(clients.s3(), source.bucket, root, environment.account)
