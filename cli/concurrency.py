"""How many Lambdas the account runs at once, and what of ``max_running`` and ``shards_at_once`` fits into that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.domain.task.settings import Settings

BESIDE_RUNS = 4
"""Lambdas that may run beside those of runs: StartRun, ReconcileRuns, ReapIdleThroughput, and one that people call."""

QUOTA = "L-B99A9384"
"""Service Quotas, AWS Lambda: concurrent executions."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether the settings fit, in words, and what to do where they do not."""

    fits: bool
    found: str
    fix: str = ""


def lambdas_at_once(settings: Settings) -> int:
    """Count the Lambdas that may run at once: one a shard in progress of each run, and those beside runs."""
    return settings.max_running * settings.shards_at_once + BESIDE_RUNS


def fit(settings: Settings, limit: int) -> Fit:
    """Hold the settings against the account's limit.

    A limit that is too small fails no run: calls are throttled, and asked again for hours. Runs get slower, and so does
    whatever else the account does.

    Parameters
    ----------
    settings : Settings
    limit : int
        Lambdas that the account may run at once in this Region, without those that functions have reserved.
    """
    needed = lambdas_at_once(settings)
    found = f"{limit:,} at once in this account and Region; the settings may take {needed:,}"
    if needed <= limit:
        return Fit(True, found)
    runs, shards = largest_fit(settings, limit)
    change = f"set 'max_running' to {runs} and 'shards_at_once' to {shards} of this environment in cdk.json and deploy"
    raised = f"ask for {needed:,} in Service Quotas, AWS Lambda, Concurrent executions ({QUOTA})"
    slower = "; the rest is throttled and asked again: runs get slower, and so does what else the account runs"
    return Fit(False, found + slower, f"{change}, or {raised}")


def largest_fit(settings: Settings, limit: int) -> tuple[int, int]:
    """Give the ``max_running`` and ``shards_at_once`` that fit: most Lambdas, then most runs; at least one each."""
    room = max(limit - BESIDE_RUNS, 1)
    pairs = [
        (runs, min(settings.shards_at_once, room // runs)) for runs in range(1, min(settings.max_running, room) + 1)
    ]
    return max(pairs, key=lambda pair: (pair[0] * pair[1], pair[0]))
