"""CheckRun refuses what lies beyond the environment before it pays, and reserves the month before it asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.costs.ledger import total_usd
from lambdas.domain.errors import BudgetExceeded, CeilingExceeded, MonthlyLimitExceeded
from lambdas.gateways.registry.table import Table
from lambdas.states.check_run.stage import execute as check_run
from tests.simulator.conftest import Account
from tests.simulator.teacher_stages import TeacherStages
from tests.simulator.test_first_questions import PROMPTS, TASK, checked
from tests.unit.gateways.registry.embedded_table import dynamodb, table

__all__ = ["dynamodb", "table"]


@pytest.fixture
def stages(account: Account, table: Table) -> Iterator[TeacherStages]:
    made = TeacherStages(account.url, account.objects, account.clock, table)
    with made.connected():
        yield made


def within(stages: TeacherStages, **changes: Any) -> None:
    """Tighten the settings of the environment."""
    environment = stages.pipeline.environment
    changed = replace(environment, settings=replace(environment.settings, **changes))
    stages.pipeline.__dict__["environment"] = changed


def test_what_a_task_asks_for_beyond_the_environment_is_refused_before_any_question(
    account: Account, stages: TeacherStages
) -> None:
    # Given
    run = stages.prepare(PROMPTS, {**TASK, "budget_usd": 1_000_000, "approval": "automatic"})
    within(stages, approval_modes=["required"])
    # When
    with pytest.raises(CeilingExceeded, match=r"1,000,000\.00, at most 500\.00.*'approval' is automatic"):
        check_run(stages.stage("CheckRun", run))
    # Then
    assert account.control.calls(operation="Converse") == []
    assert stages.pipeline.monthly.month(stages.pipeline.now()).usd == 0.0


def test_a_run_reserves_what_it_may_come_to_and_a_retry_adds_what_is_missing(stages: TeacherStages) -> None:
    # Given
    run = stages.prepare(PROMPTS, TASK)
    # When CheckRun is called, and called again
    plan = checked(stages, run)
    plan = checked(stages, run)
    # Then
    month = stages.pipeline.monthly.month(stages.pipeline.now())
    paid = total_usd(stages.pipeline.registry.ledger(run.run_id))
    assert month.unsettled == {run.run_id}
    assert plan["estimate_high_usd"] <= month.usd <= plan["estimate_high_usd"] + paid + 0.01


def test_a_month_that_is_used_up_ends_a_run_before_any_question(account: Account, stages: TeacherStages) -> None:
    # Given
    run = stages.prepare(PROMPTS, TASK)
    within(stages, max_monthly_usd=0.5)
    # When
    with pytest.raises(MonthlyLimitExceeded, match=r"'max_monthly_usd' is 0\.50\. Nothing was paid"):
        check_run(stages.stage("CheckRun", run))
    # Then
    assert account.control.calls(operation="Converse") == []


def test_a_run_over_its_own_budget_reserves_nothing(stages: TeacherStages) -> None:
    run = stages.prepare(PROMPTS, {**TASK, "budget_usd": 0.01})
    with pytest.raises(BudgetExceeded):
        check_run(stages.stage("CheckRun", run))
    assert stages.pipeline.monthly.month(stages.pipeline.now()).usd == 0.0


def test_what_the_bill_has_shown_is_in_the_plan_of_a_run(stages: TeacherStages) -> None:
    # Given
    run = stages.prepare(PROMPTS, TASK)
    plain = checked(stages, run)
    within(stages, derived_factors={"training": 2.0})
    # When
    corrected = checked(stages, run)
    # Then
    (before, after) = (
        next(line for line in plan["estimate"] if line["what"].startswith("training")) for plan in (plain, corrected)
    )
    assert after["usd"] == pytest.approx(2 * before["usd"])
    assert after["what"] == f"{before['what']}, times 2 as billed"
    assert "derived_factors" in corrected["estimate_method"]
