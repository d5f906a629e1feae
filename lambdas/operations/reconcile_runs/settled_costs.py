"""Keep the sums of the list of runs true: they are added up when no Lambda that could still pay is left."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from lambdas.domain.costs.ledger import paid_in, usd_by_stage
from lambdas.domain.errors import ItemDamaged, RunNotFound
from lambdas.gateways.registry.resources import LAMBDA_LIFE
from lambdas.gateways.registry.run_list import OPEN, ListedRun
from lambdas.gateways.registry.runs import ENDED
from lambdas.workflow.stage import Pipeline, iso

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

ADDED_UP_AT_ONCE = 1_000
"""Ledgers that one look adds up: about 15 ms each."""


def settle_costs(pipeline: Pipeline, apart: Callable[[str], AbstractContextManager[None]]) -> int:
    """Enter runs that the list lacks, and settle the runs that have ended.

    Parameters
    ----------
    pipeline : Pipeline
    apart : callable
        Names a run and gives the surroundings in which its failure stops no other one.

    Returns
    -------
    int
        How many were settled.
    """
    pipeline.registry.listed.complete(iso(pipeline.now()))
    settled = 0
    for listed in pipeline.registry.listed.unsettled():
        if settled == ADDED_UP_AT_ONCE:
            break
        with apart(listed.run_id):
            settled += _settle(pipeline, listed)
    return settled


def _settle(pipeline: Pipeline, listed: ListedRun) -> bool:
    """Settle one run, or begin to."""
    registry, now = pipeline.registry, pipeline.now()
    if listed.since is None or (listed.since != OPEN and now - datetime.fromisoformat(listed.since) < LAMBDA_LIFE):
        return False
    try:
        run = registry.run(listed.run_id)
    except (RunNotFound, ItemDamaged):  # whoever reads it is told
        return False
    if run.state != ENDED:
        return False
    if listed.since == OPEN:
        registry.listed.begin_settling(listed.run_id, iso(now))
        return False
    ledger = registry.ledger(listed.run_id)
    months = (paid_in(entry, run.paid_at) for entry in ledger)
    registry.listed.settle(listed.run_id, listed.since, usd_by_stage(ledger), months)
    return True
