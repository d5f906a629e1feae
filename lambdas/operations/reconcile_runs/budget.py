"""Measure what a run in progress has spent of its budget: an alarm watches it."""

from __future__ import annotations

from lambdas.domain.costs.ledger import total_usd
from lambdas.domain.metrics import budget_used
from lambdas.gateways.registry.runs import Run
from lambdas.workflow.stage import Pipeline


def measure_budget(pipeline: Pipeline, run: Run) -> None:
    """Emit the share of the budget that a run has spent; before CheckRun has read the budget, nothing was."""
    budget_usd = run.facts.get("budget_usd")
    if budget_usd:
        pipeline.meter.emit_all([budget_used(total_usd(pipeline.registry.ledger(run.run_id)), float(budget_usd))])
