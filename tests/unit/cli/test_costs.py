"""What each task has cost, from the ledgers of its runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from click.testing import Result

from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.gateways.registry.items import to_values
from tests.unit.cli.conftest import FakeAws, ended, make_run

Call = Callable[..., Result]


def ledger(aws: FakeAws, *lines: tuple[str, float, str]) -> None:
    """Answer one reading of a run's ledger."""
    items: list[dict[str, Any]] = []
    for number, (stage, dollars, kind) in enumerate(lines):
        entry = LedgerEntry(id=str(number), stage=stage, model="amazon.nova-pro-v1:0", kind=kind, usd=dollars)
        items.append(to_values({"pk": "RUN#r", "sk": f"LEDGER#{stage}#{number}", **entry.to_document()}))
    aws.stub("dynamodb").add_response("query", {"Items": items})


def test_without_a_run_nothing_has_cost_anything(aws: FakeAws, call: Call) -> None:
    aws.runs_in_registry()
    assert "No run has cost anything yet." in call("costs").output


def test_runs_of_a_task_are_added_up_by_stage(aws: FakeAws, call: Call) -> None:
    # Given two runs of one task and one of another, newest first
    aws.runs_in_registry(
        ended("PROMOTED", run_id="a-1", created_at="2026-11-24T08:00:00.000Z", task="a"),
        ended("FAILED", run_id="a-2", created_at="2026-11-24T07:00:00.000Z", task="a"),
        make_run(run_id="b-1", created_at="2026-11-24T06:00:00.000Z", task="b"),
    )
    ledger(aws, ("GenerateTeacherData", 2.0, "actual"), ("LaunchDistillation", 3.0, "derived"))
    ledger(aws, ("GenerateTeacherData", 0.5, "actual"), ("LaunchDistillation", 4.0, "at most"))
    ledger(aws, ("EvaluateStudent", 7.25, "actual"))
    # When
    said = json.loads(call("--json", "costs").output)
    # Then
    assert said["runs"] == 3
    assert said["usd"] == {"a": {"GenerateTeacherData": 2.5, "LaunchDistillation": 7.0}, "b": {"EvaluateStudent": 7.25}}


def test_a_person_sees_tasks_stages_and_both_sums(aws: FakeAws, call: Call) -> None:
    # Given
    aws.runs_in_registry(ended("PROMOTED", run_id="a-1", task="a"), ended("FAILED", run_id="b-1", task="b"))
    for dollars in (5.0, 2.0):  # the newest first, which of two at once is b-1
        ledger(aws, ("GenerateTeacherData", dollars, "actual"))
    # When
    lines = call("costs").output.splitlines()
    # Then the dearer task comes first
    tasks = [line.split()[1] for line in lines if line.startswith("│")]
    assert tasks == ["b", "a", "all"]
    assert lines[-2].count("$7.00") == 2


def test_one_task_alone_can_be_asked_for(aws: FakeAws, call: Call) -> None:
    aws.runs_in_registry(ended("PROMOTED", run_id="a-1", task="a"), ended("FAILED", run_id="b-1", task="b"))
    ledger(aws, ("EvaluateStudent", 1.0, "actual"))
    assert json.loads(call("--json", "costs", "--task", "b").output)["usd"] == {"b": {"EvaluateStudent": 1.0}}
