"""What the Lambdas of discovery share: the log sources of the settings, and what a query returned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

from lambdas.domain.dataset.line_errors import RejectedLine
from lambdas.domain.discovery import discovery_files
from lambdas.domain.discovery.discovery_plan import InvalidDiscovery, hours_of
from lambdas.domain.logs.log_reader import parsed_body
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.log_bucket import LogBucket, LogObject

if TYPE_CHECKING:
    from lambdas.domain.task.settings import DiscoverySettings
    from lambdas.workflow.stage import Pipeline


def discovery_settings(pipeline: Pipeline) -> DiscoverySettings:
    """Give the settings of discovery.

    Raises
    ------
    InvalidDiscovery
        The environment was deployed without them.
    """
    found = pipeline.environment.settings.discovered()
    if found is None:
        raise InvalidDiscovery("the environment's settings have no 'discovery' any more: nothing is read")
    return found


def log_bucket(pipeline: Pipeline, source: int) -> LogBucket:
    """Open a log source by its place in the settings, counted from 0.

    Raises
    ------
    InvalidDiscovery
        The settings have no such source.
    """
    sources = pipeline.environment.settings.allowed_logs()
    if not 0 <= source < len(sources):
        raise InvalidDiscovery(f"log source {source} is none of the {len(sources)} in 'log_sources'")
    root = sources[source].root(pipeline.environment.account, pipeline.environment.settings.region)
    return LogBucket(clients.s3(), sources[source].bucket, root, pipeline.environment.account)


def objects_of(bucket: LogBucket, day: date) -> Iterator[LogObject]:
    """List the objects with entries of a day."""
    for hour in hours_of(day):
        yield from bucket.entries_of(hour)


def body_beside(bucket: LogBucket, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read a body that lies beside the log, or give ``None`` where it cannot be read."""
    stream = bucket.open_body(path)
    try:
        return None if stream is None else parsed_body(stream)
    except RejectedLine:
        return None


def query_rows(pipeline: Pipeline, query: str) -> Iterator[dict[str, str]]:
    """Read what an Athena query returned, by its execution id."""
    yield from pipeline.runs.table_rows(discovery_files.result(query))
