"""What a holdout can show, how many records the whole gate needs, and what they cost: before anything is paid."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lambdas.domain.dataset.near_duplicates import count_groups
from lambdas.domain.evaluation.planned_holdout import gate_power, planned_holdout
from lambdas.domain.task.sample_bounds import MOST_HELD_OUT

if TYPE_CHECKING:
    from lambdas.domain.costs.estimate import Estimate, RunToCome
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.task.task_definition import TaskDefinition

NEARLY = 0.8
"""Share of the most that may be held out from which on it is what keeps the holdout small: hashes vary."""


def slice_shares(records: Sequence[Record], task: TaskDefinition) -> dict[str, float]:
    """Give the share of the records in each value of the slices that have a floor."""
    counts = Counter(
        f"{name}={record.slices[name]}" for name in task.gate.slices for record in records if name in record.slices
    )
    return {value: count / len(records) for value, count in counts.items()}


def holdout_plan(
    holdout: Sequence[Record],
    task: TaskDefinition,
    evaluation_usd: float | None = None,
    *,
    spread: float | None = None,
    prompts: int | None = None,
) -> dict[str, Any]:
    """Say what the holdout can show, as written to ``plan.json``.

    Parameters
    ----------
    holdout : sequence of Record
        At least one.
    task : TaskDefinition
    evaluation_usd : float, optional
        What the evaluation of all of them is estimated to cost, in US dollars.
    spread : float, optional
        As the task's last run measured it, in judge points.
    prompts : int, optional
        Distinct usable prompts of which the holdout was split off; ``None`` where it is the task's own file.
    """
    shares, groups = slice_shares(holdout, task), count_groups(holdout)
    planned = planned_holdout(task, spread, shares)
    power = gate_power(task, groups, planned.spread, shares)
    usd = None if evaluation_usd is None else evaluation_usd / len(holdout) * planned.records
    cost = "" if usd is None else f", whose evaluation costs about ${usd:,.2f} of the budget of ${task.budget_usd:,.2f}"
    here = f"{len(holdout)}" + (f" in {groups} groups" if groups < len(holdout) else "")
    text = f"{planned.sentence()}{cost}. This one has {here}, which let {power:.0%} through"
    if prompts is not None and planned.records > groups >= prompts * MOST_HELD_OUT * NEARLY:
        wanted = math.ceil(planned.records / MOST_HELD_OUT)
        text += f"; at most a third of the prompts is held out, so that about {wanted} are needed for as many"
    document = {**planned.to_document(), "here": len(holdout), "groups_here": groups, "power_here": power}
    return {**document, "usd": usd, "text": text}


def evaluation_usd(estimate: Estimate) -> float:
    """Give what the evaluation of the holdout is estimated to cost, in US dollars."""
    return sum(line.usd for line in estimate.lines if line.stage == "EvaluateStudent")


def plan_of_run(run: RunToCome, estimate: Estimate) -> dict[str, Any]:
    """Say the same of a run whose cost is estimated."""
    prompts = None if run.own_holdout else len(run.train) + len(run.holdout)
    return holdout_plan(run.holdout, run.task, evaluation_usd(estimate), spread=run.spread, prompts=prompts)
