"""What a holdout can show, how many records would do, and their dollars, before anything is paid."""

from __future__ import annotations

import json

import pytest

from lambdas.domain.costs.holdout_plan import holdout_plan, slice_shares
from lambdas.domain.dataset.records import parse_line
from lambdas.domain.evaluation.planned_holdout import MOST_PLANNED
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.domain.samples import records


def test_a_small_holdout_is_told_what_it_lets_through_and_what_more_would_cost() -> None:
    # Given 99 records of a task whose answers have a schema
    task = TaskDefinition.from_document({"output_schema": {"type": "object"}, "budget_usd": 20})

    # When
    plan = holdout_plan(records(99), task, 4.95)

    # Then
    assert plan["here"] == 99 < plan["records"] <= MOST_PLANNED
    assert plan["power_here"] < 0.8 <= plan["power"]
    assert plan["usd"] == pytest.approx(0.05 * plan["records"])
    assert f"about ${plan['usd']:,.2f} of the budget of $20.00" in plan["text"]
    assert f"This one has 99, which let {plan['power_here']:.0%} through" in plan["text"]


def test_slices_with_a_floor_count_by_their_share() -> None:
    # Given
    lines = [
        json.dumps({"prompt": f"p {n}", "slices": {"kind": "rare" if n % 20 == 0 else "usual"}}) for n in range(200)
    ]
    holdout = [parse_line(line.encode()) for line in lines]
    task = TaskDefinition.from_document({"gate": {"slices": {"kind": 3.0}}})

    # When / Then
    assert slice_shares(holdout, task) == {"kind=rare": 0.05, "kind=usual": 0.95}
    assert holdout_plan(holdout, task)["records"] > holdout_plan(holdout, TaskDefinition.default())["records"]
    assert holdout_plan(holdout, task)["usd"] is None
