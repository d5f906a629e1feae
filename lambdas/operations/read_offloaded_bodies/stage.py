"""Read offloaded bodies with the reader that runs use, and write the same digests as the query writes of the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from lambdas.domain.discovery import discovery_files
from lambdas.domain.discovery.calls import CALL_OFFLOADED, call_of
from lambdas.domain.logs.log_reader import readable_entries
from lambdas.workflow.discovery import body_beside, discovery_settings, log_bucket, query_rows

if TYPE_CHECKING:
    from lambdas.gateways.aws.log_bucket import LogBucket
    from lambdas.workflow.stage import Pipeline, Result


@dataclass(slots=True)
class _Counts:
    """Calls whose bodies were wanted, by what became of them."""

    wanted: int = 0
    read: int = 0
    unread: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def read_offloaded_bodies(
    pipeline: Pipeline, source: int, day: str, query: str, seconds_left: Callable[[], float]
) -> Result:
    """Read what the query names, as long as there is time, and mark the day as read.

    Parameters
    ----------
    pipeline : Pipeline
    source : int
        Place of the log source in the settings, from 0.
    day : str
        ISO day.
    query : str
        Execution id of the query that gave ``object`` and ``request_id``.
    seconds_left : callable
        Seconds until the Lambda must return.

    Returns
    -------
    dict
        ``source``, ``day``, and how many calls were ``wanted`` and ``read``; ``unread`` by reason.
    """
    wanted: dict[str, set[str]] = defaultdict(set)
    for row in query_rows(pipeline, query):
        wanted[row["object"]].add(row["request_id"])
    counts = _Counts(wanted=sum(len(ids) for ids in wanted.values()))
    rows = list(_rows(pipeline, log_bucket(pipeline, source), wanted, counts, seconds_left))
    if rows:
        key = f"{discovery_files.bodies_prefix(source, day)}bodies.json"
        pipeline.runs.write(key, "".join(f"{row}\n" for row in rows).encode())
    result = {
        "source": source,
        "day": day,
        "wanted": counts.wanted,
        "read": counts.read,
        "unread": dict(counts.unread),
    }
    pipeline.runs.write_json(discovery_files.marker(source, day), result)
    return result


def _rows(
    pipeline: Pipeline,
    bucket: LogBucket,
    wanted: dict[str, set[str]],
    counts: _Counts,
    seconds_left: Callable[[], float],
) -> Iterator[str]:
    settings = discovery_settings(pipeline)
    salt = pipeline.runs.read(discovery_files.SALT).decode().strip()
    for path, ids in sorted(wanted.items()):
        if seconds_left() < 0:
            counts.unread["no time was left"] += len(ids)
            continue
        found = 0
        for entry in _entries(bucket, path, ids):
            found += 1
            call = call_of(entry, partial(body_beside, bucket), salt, settings.metadata_key, path)
            if call.status == CALL_OFFLOADED:
                counts.unread["the body is missing, damaged, too long or out of reach"] += 1
                continue
            counts.read += 1
            yield call.to_line()
        if found < len(ids):
            counts.unread["the log object was deleted or damaged"] += len(ids) - found


def _entries(bucket: LogBucket, path: str, ids: set[str]) -> Iterator[dict[str, Any]]:
    stream = bucket.open_body(path)
    left = set(ids)
    for entry in readable_entries(stream) if stream else ():
        if entry.get("requestId") in left:
            left.discard(str(entry["requestId"]))
            yield entry
        if not left:
            return
