"""The metrics of a run that has ended."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.domain.costs.ledger import total_usd
from lambdas.domain.metrics import RUN_SECONDS, RUNS_ENDED, Measured, budget_used, measure_contestants
from lambdas.domain.outcomes import PROMOTED
from lambdas.workflow.stage import Stage, seconds_between


def measure_run(stage: Stage, outcome: str) -> Iterator[Measured]:
    """Measure an attempt: its outcome, duration, budget and evaluation, as far as it came."""
    runs, files, run = stage.pipeline.runs, stage.run.files, stage.run
    yield Measured(metric=RUNS_ENDED, value=1, of=outcome)
    if run.started_at:
        yield Measured(metric=RUN_SECONDS, value=seconds_between(run.started_at, stage.now()), of=outcome)
    plan = runs.find_json(files.plan(stage.attempt))
    if plan and plan.get("budget_usd"):
        yield budget_used(total_usd(stage.pipeline.registry.ledger(run.run_id)), plan["budget_usd"])
    evaluation = runs.find_json(files.evaluation(stage.attempt, "evaluation.json")) or {}
    yield from measure_contestants(evaluation.get("contestants", []), promoted=outcome == PROMOTED)
