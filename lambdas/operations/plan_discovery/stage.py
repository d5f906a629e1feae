"""Find the days that were not read yet, refuse what a query could not scan, and keep the salt."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from lambdas.domain.discovery import discovery_files, queries
from lambdas.domain.discovery.discovery_plan import (
    MAX_READ_DAYS,
    DiscoveryRange,
    InvalidDiscovery,
    checked_generation,
)
from lambdas.workflow.discovery import discovery_settings, log_bucket, objects_of

if TYPE_CHECKING:
    from lambdas.workflow.stage import Pipeline, Result

GIGABYTE = 10**9
"""Bytes, as Athena's prices and ``max_scanned_gb`` count them."""


def plan_discovery(pipeline: Pipeline, request: Mapping[str, Any], generation: str) -> Result:
    """Plan one discovery.

    Returns
    -------
    dict
        ``days`` (each ``source`` and ``day``), the ``bytes`` that reading them scans, ``first`` and ``last`` of the
        range, how many days are ``left`` for the next execution, and the texts of the queries that follow.

    Raises
    ------
    InvalidDiscovery
        The range is not one, or a day has more bytes than a query may scan. Nothing was read.
    """
    settings = discovery_settings(pipeline)
    name = checked_generation(generation)
    wanted = DiscoveryRange.from_request(request, days=settings.days, now=pipeline.now())
    # What was digested with another secret cannot be compared.
    again = wanted.again or not keep_salt(pipeline)
    due = list(_due(pipeline, replace(wanted, again=again)))
    read = due[:MAX_READ_DAYS]
    size = sum(_size(pipeline, day["source"], day["day"], settings.max_scanned_gb) for day in read)
    database = os.environ["DISCOVERY_DATABASE"]
    sources = range(len(pipeline.environment.settings.log_sources))
    first, last = wanted.first, wanted.last
    return {
        "generation": name,
        "first": f"{first}",
        "last": f"{last}",
        "days": [{"source": day["source"], "day": f"{day['day']}"} for day in read],
        "left": len(due) - len(read),
        "bytes": size,
        "sample_query": queries.sample(database, sources, first, last, settings.sample_calls, name),
        "figures_query": queries.figures(database, sources, first, last, name),
    }


def keep_salt(pipeline: Pipeline) -> bool:
    """Keep the secret with which all days are digested, and tell whether there was one.

    It is written anew each time: what is not read for as long as files are kept expires with its rows.
    """
    if pipeline.runs.write_new(discovery_files.SALT, f"{secrets.token_hex(32)}\n".encode()):
        return False
    pipeline.runs.write(discovery_files.SALT, pipeline.runs.read(discovery_files.SALT))
    return True


def _due(pipeline: Pipeline, wanted: DiscoveryRange) -> Iterator[dict[str, Any]]:
    for source in range(len(pipeline.environment.settings.log_sources)):
        done = set() if wanted.again else set(pipeline.runs.keys(discovery_files.markers(source)))
        for day in wanted.days():
            if discovery_files.marker(source, f"{day}") not in done:
                yield {"source": source, "day": day}


def _size(pipeline: Pipeline, source: int, day: date, most_gb: float) -> int:
    size = sum(item.size for item in objects_of(log_bucket(pipeline, source), day))
    if size > most_gb * GIGABYTE:
        raise InvalidDiscovery(
            f"{day} of log source {source} has {size / GIGABYTE:.1f} GB, more than the {most_gb:g} GB that a query may "
            "scan: raise 'max_scanned_gb' of the setting 'discovery'. Nothing was read"
        )
    return size
