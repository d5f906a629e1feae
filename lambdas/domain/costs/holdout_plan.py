"""What a holdout can show, how many records the whole gate needs, and what they cost: before anything is paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lambdas.domain.costs.estimate import Estimate, RunToCome
from lambdas.domain.dataset.records import Record
from lambdas.domain.evaluation.planned_holdout import gate_power, planned_holdout
from lambdas.domain.task.task_definition import TaskDefinition


def slice_shares(records: Sequence[Record], task: TaskDefinition) -> dict[str, float]:
    """Give the share of the records in each value of the slices that have a floor."""
    counts = Counter(
        f"{name}={record.slices[name]}" for name in task.gate.slices for record in records if name in record.slices
    )
    return {value: count / len(records) for value, count in counts.items()}


def holdout_plan(
    holdout: Sequence[Record], task: TaskDefinition, evaluation_usd: float | None = None
) -> dict[str, Any]:
    """Say what the holdout can show, as written to ``plan.json``.

    Parameters
    ----------
    holdout : sequence of Record
        At least one.
    task : TaskDefinition
    evaluation_usd : float, optional
        What the evaluation of all of them is estimated to cost, in US dollars.
    """
    shares = slice_shares(holdout, task)
    planned = planned_holdout(task, None, shares)
    power = gate_power(task, len(holdout), planned.spread, shares)
    usd = None if evaluation_usd is None else evaluation_usd / len(holdout) * planned.records
    cost = "" if usd is None else f", whose evaluation costs about ${usd:,.2f} of the budget of ${task.budget_usd:,.2f}"
    text = f"{planned.sentence()}{cost}. This one has {len(holdout)}, which let {power:.0%} through"
    return {**planned.to_document(), "here": len(holdout), "power_here": power, "usd": usd, "text": text}


def plan_of_run(run: RunToCome, estimate: Estimate) -> dict[str, Any]:
    """Say the same of a run whose cost is estimated."""
    usd = sum(line.usd for line in estimate.lines if line.stage == "EvaluateStudent")
    return holdout_plan(run.holdout, run.task, usd)
