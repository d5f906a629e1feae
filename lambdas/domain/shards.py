"""What a map over shards of records may lose: nothing."""

from __future__ import annotations

TOLERATED_FAILURE_PERCENT = 0
"""Share of shards that may fail before their map fails, in percent; ``ToleratedFailurePercentage`` of every map.

A missing shard leaves records without an answer or without a verdict, and a mean over the rest would hide them. A shard
that fails is tried again by its own Task first.
"""

MAP_FAILED = "States.ExceedToleratedFailureThreshold"
"""Error of a map of which more children failed than it tolerates (Step Functions developer guide, error names)."""


def explain_tolerance() -> str:
    """Say what becomes of a map with a failed shard, as a sentence of the report."""
    return f"{TOLERATED_FAILURE_PERCENT}% of the shards may fail: one that does ends the run"
