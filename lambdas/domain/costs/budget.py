"""Stop a run whose estimate is above its budget, and work out what would make it fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from lambdas.domain.errors import BudgetExceeded, PriceMissing
from lambdas.domain.evaluation.sample_sizes import holdout_records_needed, training_records_needed
from lambdas.domain.task.model_choice import ModelChoice
from lambdas.domain.task.sample_bounds import MOST_HELD_OUT, sample_bounds
from lambdas.domain.training.batch_inference import SHORTEST_DEADLINE_HOURS, BatchLimits

if TYPE_CHECKING:
    from lambdas.domain.costs.estimate import Estimate, RunToCome

BATCH_DEADLINE_HOURS = 24
"""The default of ``teacher_data.deadline_hours``, which leaves a batch enough time."""

MIN_TO_COMBINE = 2
"""Below so many ways beside raising the budget there is nothing to combine."""

_SETTING = {"teacher": "teacher_models", "judge": "judge_models", "baseline": "baseline_models"}


@dataclass(frozen=True, slots=True)
class WayToFit:
    """One change and what the run would then cost, in US dollars.

    ``saves`` is false for the one that only raises the budget; ``together`` is all of the others at once.
    """

    change: str
    usd: float
    saves: bool = True
    together: bool = False

    def fits(self, budget: float) -> bool:
        """Tell whether a run with this change alone is within its budget."""
        return not self.saves or self.usd <= budget


def check_budget(run: RunToCome, estimate: Estimate, alternatives: Mapping[str, Sequence[str]]) -> None:
    """Stop a run whose expected cost is above ``budget_usd``.

    Parameters
    ----------
    run : RunToCome
    estimate : Estimate
        Of that run.
    alternatives : mapping of str to sequence of str
        Models by role that could be taken instead.

    Raises
    ------
    BudgetExceeded
        With the estimate by stage and what would make it fit.
    """
    budget = run.task.budget_usd
    if estimate.usd <= budget:
        return
    stages = ", ".join(f"{stage} ${usd:,.2f}" for stage, (_, usd, _) in estimate.by_stage().items())
    raise BudgetExceeded(
        f"the estimate is ${estimate.usd:,.2f} (${estimate.low_usd:,.2f} to ${estimate.high_usd:,.2f}; {stages}), the "
        f"budget ${budget:,.2f}. Nothing was paid. {explain(ways_to_fit(run, estimate, alternatives), budget)}"
    )


def explain(ways: Sequence[WayToFit], budget: float) -> str:
    """Say in a few sentences what makes a run fit, and what saves without being enough."""
    fitting = [way for way in ways if way.fits(budget)]
    short = [way for way in ways if not way.fits(budget) and not way.together]
    all_of_them = [way for way in ways if not way.fits(budget) and way.together]
    said = f"To make it fit, one of: {'; '.join(_told(way) for way in fitting)}."
    if short:
        said += f" Not enough alone: {'; '.join(_told(way) for way in short)}."
    if all_of_them:
        said += f" Not enough either: {_told(all_of_them[0])}."
    return said


def ways_to_fit(run: RunToCome, estimate: Estimate, alternatives: Mapping[str, Sequence[str]]) -> list[WayToFit]:
    """Compute what each change that a person can make would bring: the budget first, then what saves most.

    Where none is enough alone, all of them together come last.
    """
    found = [(change, _way(change, run)) for change in _savings(run, alternatives)]
    saving = sorted((pair for pair in found if pair[1].usd < estimate.usd), key=lambda pair: pair[1].usd)
    needed = math.ceil(estimate.usd * 100) / 100
    raised = WayToFit(f"raise 'budget_usd' in task.json to at least {needed:.2f}", estimate.usd, saves=False)
    fewer = _fewer_prompts(run)
    ways = [raised, *([fewer] if fewer else []), *(way for _, way in saving)]
    if any(way.saves and way.usd <= run.task.budget_usd for way in ways) or len(ways) <= MIN_TO_COMBINE:
        return ways
    changed = run
    for change, _ in saving:
        changed = change.made(changed)
    smaller = _fewer_prompts(changed)
    together = smaller.usd if smaller else changed.estimate().usd
    return [*ways, WayToFit("all of these together", together, together=True)]


@dataclass(frozen=True, slots=True)
class _Change:
    told: str
    made: Callable[[RunToCome], RunToCome]


def _way(change: _Change, run: RunToCome) -> WayToFit:
    return WayToFit(change.told, change.made(run).estimate().usd)


def _told(way: WayToFit) -> str:
    return f"{way.change} (${way.usd:,.2f})" if way.saves else way.change


def _savings(run: RunToCome, alternatives: Mapping[str, Sequence[str]]) -> Iterator[_Change]:
    rules = run.task.teacher_data
    if rules.deadline_hours < SHORTEST_DEADLINE_HOURS and len(run.train) >= BatchLimits().min_records:
        told = f"set 'teacher_data.deadline_hours' to {BATCH_DEADLINE_HOURS}: the teacher then answers by batch"
        yield _Change(told, partial(_with_teacher_data, deadline_hours=BATCH_DEADLINE_HOURS))
    if rules.mode == "label" and run.models.training == "distillation":
        told = f"set 'teacher_data.mode' to \"golden\": only {rules.golden_examples} answers are paid for in training"
        yield _Change(told, partial(_with_teacher_data, mode="golden"))
    for role, models in alternatives.items():
        cheapest = _cheapest(run, role, models)
        if cheapest is not None:
            told = f"put {cheapest} first in '{_SETTING[role]}' of the settings"
            yield _Change(told, partial(_with_model, role=role, model=cheapest))


def _with_teacher_data(run: RunToCome, **rules: str | float) -> RunToCome:
    changed = replace(run.task.teacher_data, **rules)  # type: ignore[arg-type]
    return replace(run, task=replace(run.task, teacher_data=changed))


def _with_model(run: RunToCome, *, role: str, model: str) -> RunToCome:
    return replace(run, models=ModelChoice.from_document({**run.models.to_document(), role: model}))


def _cheapest(run: RunToCome, role: str, models: Sequence[str]) -> str | None:
    """Find the cheapest other model of a role; one without a price cannot be advised."""
    found: list[tuple[float, str]] = []
    for model in models:
        if model == getattr(run.models, role):
            continue
        try:
            found.append((_with_model(run, role=role, model=model).estimate().usd, model))
        except PriceMissing:
            continue
    return min(found, default=(0.0, None))[1]


def _fewer_prompts(run: RunToCome) -> WayToFit | None:
    """Find the most prompts that the budget takes; less than a run needs does not help."""
    least = sample_bounds(run.models.student_customization, run.models.training).least
    least_train = training_records_needed(run.task.teacher_data.max_drop_rate, least)
    least_holdout = holdout_records_needed(run.task.gate.max_quality_drop)
    share = MOST_HELD_OUT / (1 - MOST_HELD_OUT)
    if not run.own_holdout:
        least_train = max(least_train, math.ceil(least_holdout / share))

    def of(records: int) -> RunToCome:
        split_off = min(len(run.holdout), max(least_holdout, math.floor(records * share)))
        kept = len(run.holdout) if run.own_holdout else split_off
        return replace(run, train=run.train[:records], holdout=run.holdout[:kept])

    def prompts(smaller: RunToCome) -> int:
        return len(smaller.train) + (0 if run.own_holdout else len(smaller.holdout))

    if len(run.train) <= least_train:
        return None
    low, high = least_train, len(run.train)
    if of(low).estimate().usd > run.task.budget_usd:
        smaller = of(low)
        return WayToFit(
            f"upload only {prompts(smaller):,} prompts, the fewest that a run takes", smaller.estimate().usd
        )
    while high - low > 1:
        middle = (low + high) // 2
        if of(middle).estimate().usd <= run.task.budget_usd:
            low = middle
        else:
            high = middle
    smaller = of(low)
    return WayToFit(f"upload about {prompts(smaller):,} of the {prompts(run):,} prompts", smaller.estimate().usd)
