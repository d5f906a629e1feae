"""Athena writes to an empty prefix only: so a day that is read again leaves the same rows, and not twice as many."""

from __future__ import annotations

import os
from datetime import date
from typing import TYPE_CHECKING

from lambdas.domain.discovery import discovery_files, queries
from lambdas.workflow.discovery import discovery_settings, log_bucket

if TYPE_CHECKING:
    from lambdas.workflow.stage import Pipeline, Result


def prepare_day(pipeline: Pipeline, source: int, day: str) -> Result:
    """Empty the day and give the texts of its queries.

    Returns
    -------
    dict
        ``source``, ``day``, ``query`` (reads the raw lines once) and ``offloaded_query`` (which bodies to fetch).
    """
    settings = discovery_settings(pipeline)
    log_bucket(pipeline, source)
    read_day = date.fromisoformat(day)
    calls, bodies = discovery_files.calls_prefix(source, day), discovery_files.bodies_prefix(source, day)
    # The mark goes first: a day that is half emptied is not taken for one that was read.
    for prefix in (discovery_files.marker(source, day), calls, bodies):
        pipeline.runs.delete_all(prefix)
    database = os.environ["DISCOVERY_DATABASE"]
    destination = f"s3://{pipeline.runs.name}/{calls}"
    region = pipeline.environment.settings.region
    return {
        "source": source,
        "day": day,
        "query": queries.stage_one(database, source, region, read_day, destination, settings.metadata_key),
        "offloaded_query": queries.offloaded(database, source, read_day, settings.offloaded_a_day),
    }
