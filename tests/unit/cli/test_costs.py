"""What each task has cost: from the sums of the list of runs, and from the ledgers that these may be behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from lambdas.domain.costs.ledger import LedgerEntry, usd_by_stage
from lambdas.domain.outcomes import FAILED
from lambdas.gateways.registry.runs import Registry
from lambdas.gateways.registry.table import Table
from tests.unit.cli.conftest import FakeAws, make_run
from tests.unit.cli.test_run_ids import LISTED, complete, write

Call = Callable[..., Result]
NOW, LATER = "2026-11-24T09:00:00.000Z", "2026-11-24T10:00:00.000Z"


@pytest.fixture
def registry(aws: FakeAws, table: Table) -> Registry:
    aws.clients["dynamodb"] = table._client
    aws.outputs["data"]["RegistryTable"] = table._name
    return Registry(table)


def paid(registry: Registry, run_id: str, *lines: tuple[str, float, str]) -> None:
    for number, (stage, dollars, kind) in enumerate(lines):
        entry = LedgerEntry(id=str(number), stage=stage, model="amazon.nova-pro-v1:0", kind=kind, usd=dollars)
        registry.record_cost(run_id, entry)


def settle(registry: Registry) -> None:
    """Add up what has ended, as the schedule does."""
    for one in list(registry.listed.unsettled()):
        registry.listed.begin_settling(one.run_id, NOW)
        registry.listed.settle(one.run_id, NOW, usd_by_stage(registry.ledger(one.run_id)))


def test_without_a_run_nothing_has_cost_anything(registry: Registry, call: Call) -> None:
    assert registry.listed.is_complete() is False
    assert "There is no run yet. 'python -m cli submit TASK_DIR' starts one." in call("costs").output


def test_a_task_that_no_run_is_of_is_said_with_those_that_there_are(
    registry: Registry, table: Table, call: Call, tmp_path: Path
) -> None:
    for task in ("a", "b"):
        write(table, make_run(f"{task}-1", task=task))
    assert registry.listed.is_complete() is False
    for more in ((), ("--focus", "--month", "2026-11", "--out", str(tmp_path / "month.csv"))):
        result = call("costs", "--task", "c", *more)
        assert result.exit_code == 4
        assert "No run is of a task 'c'. There are runs of: a, b." in result.output
    assert list(tmp_path.iterdir()) == []


def test_runs_that_paid_nothing_are_not_taken_for_none(registry: Registry, table: Table, call: Call) -> None:
    write(table, make_run("a-1", task="a"))
    assert registry.listed.is_complete() is False
    assert "The 1 runs of a have cost nothing yet." in call("costs", "--task", "a").output


@LISTED
@pytest.mark.parametrize("settled", [True, False])
def test_runs_of_a_task_are_added_up_by_stage(
    registry: Registry, table: Table, call: Call, listed: bool, settled: bool
) -> None:
    # Given two runs of one task and one of another
    for run_id in ("a-1", "a-2", "b-1"):
        write(table, make_run(run_id, task=run_id[0]), listed=listed)
    paid(registry, "a-1", ("GenerateTeacherData", 2.0, "actual"), ("LaunchDistillation", 3.0, "derived"))
    paid(registry, "a-2", ("GenerateTeacherData", 0.5, "actual"), ("LaunchDistillation", 4.0, "at most"))
    paid(registry, "b-1", ("EvaluateStudent", 7.25, "actual"))
    if settled:
        complete(table)
        settle(registry)
    # When
    said = json.loads(call("--json", "costs").output)
    # Then
    assert said["runs"] == 3
    assert said["usd"] == {"a": {"GenerateTeacherData": 2.5, "LaunchDistillation": 7.0}, "b": {"EvaluateStudent": 7.25}}


def test_a_person_sees_tasks_stages_and_both_sums(registry: Registry, table: Table, call: Call) -> None:
    # Given
    for task, dollars in (("a", 2.0), ("b", 5.0)):
        write(table, make_run(f"{task}-1", task=task))
        paid(registry, f"{task}-1", ("GenerateTeacherData", dollars, "actual"))
    # When
    lines = call("costs").output.splitlines()
    # Then the dearer task comes first
    assert [line for line in lines if line in ("a", "b")] == ["b", "a"]
    assert [line.split() for line in lines if line.startswith("GenerateTeacherData")] == [
        ["GenerateTeacherData", "$5.00"],
        ["GenerateTeacherData", "$2.00"],
    ]
    assert lines[-1] == "All tasks: $7.00"


def test_one_task_alone_can_be_asked_for(registry: Registry, table: Table, call: Call) -> None:
    for task in ("a", "b"):
        write(table, make_run(f"{task}-1", task=task))
        paid(registry, f"{task}-1", ("EvaluateStudent", 1.0, "actual"))
    assert json.loads(call("--json", "costs", "--task", "b").output)["usd"] == {"b": {"EvaluateStudent": 1.0}}


def test_a_line_that_comes_after_the_sum_counts_at_once(registry: Registry, table: Table, call: Call) -> None:
    # Given a run that was added up
    write(table, make_run("a-1", task="a", state="ENDED", outcome=FAILED, ended_at=NOW))
    paid(registry, "a-1", ("LaunchDistillation", 3.0, "derived"))
    complete(table)
    settle(registry)
    # When another run adopts its job and writes down what that has come to
    paid(registry, "a-1", ("LaunchDistillation", 4.5, "derived"))
    # Then
    assert json.loads(call("--json", "costs").output)["usd"] == {"a": {"LaunchDistillation": 4.5}}
