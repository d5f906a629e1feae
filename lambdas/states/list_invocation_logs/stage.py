"""List the hours of the range once and deal their objects into shards: later stages read what is written here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lambdas.domain.errors import InvalidUpload
from lambdas.workflow.logs import open_source, read_request

if TYPE_CHECKING:
    from lambdas.gateways.aws.log_bucket import LogBucket, LogObject
    from lambdas.workflow.stage import Result, Stage

MAX_OBJECTS = 50_000
MAX_BYTES = 20 * 1024**3
"""Most objects and stored bytes that one run reads."""

OBJECTS_A_SHARD = 100
BYTES_A_SHARD = 8 * 1024**2
"""What one Lambda reads: unzipped and written to its disk of 512 MB, far from the fifteen minutes that it may run."""


def execute(stage: Stage) -> Result:
    """List what the run is made of.

    Raises
    ------
    InvalidUpload
        The location may not be read, the range is not over, or there is nothing or too much in it. Nothing was paid.
    """
    stage.progress()
    request = read_request(stage)
    source = open_source(stage, request)
    request.check_over(stage.pipeline.now())
    runs, files = stage.pipeline.runs, stage.run.files
    found = list(_bounded(_listed(source, request.hours())))
    if not found:
        where = f"s3://{request.bucket}/{request.prefix}".rstrip("/")
        message = f"{where} has no invocation logs from {request.start:%Y-%m-%d %H:%M} to {request.end:%Y-%m-%d %H:%M}"
        raise InvalidUpload(f"{message} UTC in this Region. Nothing was paid. Check 'prefix' and the range")
    names = []
    for number, members in enumerate(deal(found)):
        names.append(f"{number:05d}")
        runs.write_json(files.logs(f"shards/{names[-1]}.json"), [list(member) for member in members])
    size = sum(item.size for item in found)
    listing = {"objects": len(found), "bytes": size, "shards": names, "metadata": dict(request.metadata)}
    runs.write_json(files.logs("listing.json"), listing)
    stage.progress(objects=len(found))
    return {"log_shards": names}


def deal(found: Iterable[LogObject]) -> Iterator[list[LogObject]]:
    """Put neighbouring objects together until a shard is full; a large object is a shard of its own."""
    members: list[LogObject] = []
    size = 0
    for item in found:
        if members and (len(members) == OBJECTS_A_SHARD or size + item.size > BYTES_A_SHARD):
            yield members
            members, size = [], 0
        members.append(item)
        size += item.size
    if members:
        yield members


def _listed(source: LogBucket, hours: Iterable[str]) -> Iterator[LogObject]:
    for hour in hours:
        yield from source.entries_of(hour)


def _bounded(found: Iterable[LogObject]) -> Iterator[LogObject]:
    size = 0
    for number, item in enumerate(found, start=1):
        size += item.size
        if number > MAX_OBJECTS or size > MAX_BYTES:
            message = f"the range has more than {MAX_OBJECTS} log objects or {MAX_BYTES // 1024**3} GiB of them"
            raise InvalidUpload(f"{message}. Nothing was paid. Choose a shorter range")
        yield item
