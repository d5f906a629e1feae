"""The present code goes on where the code of 70254ec left off: every outcome, and runs that wait, train and queue."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from click.testing import CliRunner

from cli.main import cli
from cli.progress import describe
from cli.rebuild import rebuilt_registry, write_missing
from cli.session import Session
from lambdas.domain.report.render import render_report
from lambdas.gateways.registry.runs import Run
from tests.faults.scenarios import upload
from tests.faults.test_rebuilt_registry import lose, place
from tests.faults.world import World
from tests.stacks.templates import Deployment
from tests.stored.snapshot import Document, stored
from tests.stored.stories import IN_QUEUE, TRAINING, WAITING

OUTCOMES = {
    "broken": "FAILED",
    "late": "EXPIRED",
    "logged": "PROMOTED",
    "small": "FAILED",
    "strict": "REJECTED",
    "undecided": "REJECTED",
}
"""Of the tasks with one run; task ``video`` has two, both promoted and one of them rolled back."""


def run_of(world: World, task: str, number: int = 0) -> Run:
    """Give a task's run, in the order of their beginnings."""
    everything = [run for state in ("QUEUED", "RUNNING", "ENDED") for run in world.registry.in_state(state)]
    return sorted((run for run in everything if run.task == task), key=lambda run: run.created_at)[number]


def items(world: World) -> list[Any]:
    client = world.aws.client("dynamodb")
    pages = client.get_paginator("scan").paginate(TableName="registry")
    return sorted((item for page in pages for item in page["Items"]), key=str)


def to_the_end(world: World, run_id: str, attempt: int = 1) -> Run:
    """Let an attempt go to its end and be closed; what other runs hold is not waited for."""
    execution = world.execution(run_id, attempt)
    while execution.state is not None:
        execution.step()
    detail = {"executionArn": execution.arn, "status": execution.status, "input": json.dumps(execution.given)}
    world.call("reconcile_runs", {"detail": detail})
    return world.run(run_id)


def trainings(world: World, task: str) -> list[str]:
    """Give how a task's customization jobs stand, in the order of their beginnings."""
    jobs = world.control("resources")["jobs"]
    return [job["status"] for job in jobs if job["name"].startswith(f"local-{task}-")]


def report_of(world: World, run: Run) -> Document:
    body = world.aws.client("s3").get_object(
        Bucket="distillation-runs", Key=str(run.report_key).replace(".html", ".json")
    )["Body"]
    document: Document = json.loads(body.read())
    return document


def call(world: World, deployment: Deployment, *words: str, as_json: bool = True) -> str:
    """Call the command line as a person does."""
    there = place(world, deployment.settings)
    outputs = {"StartRunFunction": "start_run", "RollBackFunction": "roll_back_champion"}
    there._outputs["pipeline"] = {**outputs, "AnswerApprovalFunction": "answer_approval", "ReapFunction": "reap"}
    given = CliRunner().invoke(cli, list(words), obj=Session(lambda: there, as_json), catch_exceptions=False)
    assert given.exit_code in (0, 1), given.output
    return given.stdout


def test_what_the_schedules_find_is_left_as_it_is(world: World) -> None:
    # Given
    before = items(world)
    # When
    looked = world.call("reconcile_runs", {})
    reaped = world.call("reap_idle_throughput", {})
    # Then nothing is taken for a leftover, and nothing that bills is unknown
    assert not any(looked.values()), looked
    assert {(found["reason"], found["task"]) for found in reaped["findings"]} == {("IDLE", "logged"), ("IDLE", "video")}
    assert [item for item in items(world) if item["pk"] != {"S": "RUNS"}] == before  # the list of runs has come
    assert len(world.living()) == 4, "two champions, the candidate that waits, the job that trains"


def test_a_request_for_approval_is_answered_and_its_run_goes_on_to_the_end(world: World) -> None:
    # Given
    run = run_of(world, WAITING)
    execution = world.execution(run.run_id)
    word = {"run_id": run.run_id, "answer": "approved", "why": "it is good", "report_sha256": run.report_sha256,
            "expected_champion": None, "explicitly": True}  # fmt: skip
    # When the person answers what the old code asked
    world.call("answer_approval", word)
    [(token, answer)] = world._words.items()
    with (
        mock.patch.object(world, "invoke", return_value=None),
        mock.patch.object(world, "answer_to", return_value=answer),
    ):
        execution.step()
    ended = to_the_end(world, run.run_id)
    # Then it is promoted, and the next in the queue has its slot
    assert (ended.outcome, ended.reason) == ("PROMOTED", "the student passed the gate and serves the task"), token
    assert report_of(world, ended)["outcome"] == "PROMOTED"
    assert run_of(world, IN_QUEUE).state == "RUNNING"


def test_a_run_that_is_stopped_while_it_trains_is_closed_and_its_retry_trains_once(world: World) -> None:
    # Given
    run = run_of(world, TRAINING)
    execution = world.execution(run.run_id)
    # When
    execution.stop()
    closed = to_the_end(world, run.run_id)
    # Then
    assert (closed.outcome, closed.reason) == ("STOPPED", "a person stopped the run")
    assert report_of(world, closed)["total_usd"] > 0
    # When there is a slot for its retry
    world.registry.free_slot(run_of(world, IN_QUEUE).run_id)
    world.call("start_run", {"retry": run.run_id})
    ended = to_the_end(world, run.run_id, attempt=2)
    # Then
    assert ended.outcome == "PROMOTED", ended.reason
    assert trainings(world, TRAINING) == ["Stopped", "Completed"]
    assert world.misled() == []


@pytest.mark.parametrize(("task", "trained"), [("late", ["Completed"]), ("broken", ["Failed", "Completed"])])
def test_an_ended_run_is_retried_with_what_it_had_bought(world: World, task: str, trained: list[str]) -> None:
    # Given a free slot
    run = run_of(world, task)
    world.registry.free_slot(run_of(world, TRAINING).run_id)
    world.registry.free_slot(run_of(world, WAITING).run_id)
    # When
    world.call("start_run", {"retry": run.run_id})
    ended = to_the_end(world, run.run_id, attempt=2)
    # Then
    assert (ended.outcome, ended.attempt) == ("PROMOTED", 2), ended.reason
    assert trainings(world, task) == trained


def test_the_champion_that_was_rolled_back_is_compared_replaced_and_brought_back(world: World) -> None:
    # Given
    champion = world.tasks.state("video").champion
    assert champion is not None
    world.registry.free_slot(run_of(world, TRAINING).run_id)
    # When
    third = upload(world, "video", "of the third day")
    ended = to_the_end(world, third)
    # Then it was measured beside the champion and took over its endpoint
    report = report_of(world, ended)
    assert ended.outcome == "PROMOTED", ended.reason
    assert report["champion_before"]["run_id"] == champion.run_id
    assert "champion" in {contestant["role"] for contestant in report["contestants"]}
    assert ended.endpoint_arn == champion.endpoint_arn
    assert [entry["action"] for entry in world.tasks.history("video")] == [
        "promoted", "promoted", "rolled back", "confirmed", "promoted",
    ]  # fmt: skip
    # When
    while world.call("roll_back_champion", {"task": "video", "why": "callers complain"})["status"] == "IN_PROGRESS":
        world.pass_time(30)
    # Then
    back = world.tasks.state("video").champion
    assert back is not None
    assert back.run_id == champion.run_id
    assert world.misled() == []


def test_the_registry_is_rebuilt_from_the_reports(world: World, deployment: Deployment) -> None:
    # Given
    before = {run.run_id: run for run in world.registry.in_state("ENDED")}
    spent = {run_id: sum(entry.usd for entry in world.registry.ledger(run_id)) for run_id in before}
    champions = {task: world.tasks.state(task).champion for task in ("video", "logged")}
    lose(world)
    there = place(world, deployment.settings)
    # When
    write_missing(there, rebuilt_registry(there))
    # Then
    same = ("task", "outcome", "reason", "attempt", "key", "version", "report_key", "report_sha256", "endpoint_arn")
    for run_id, run in before.items():
        after = world.run(run_id)
        assert [getattr(after, name) for name in same] == [getattr(run, name) for name in same]
        assert sum(entry.usd for entry in world.registry.ledger(run_id)) == pytest.approx(spent[run_id], abs=1e-9)
    for task, champion in champions.items():
        restored = world.tasks.state(task).champion
        assert restored is not None
        assert champion is not None
        assert (restored.run_id, restored.endpoint_arn, restored.model_arn) == (
            champion.run_id, champion.endpoint_arn, champion.model_arn,
        )  # fmt: skip


def test_people_see_every_run_its_cost_and_its_report(world: World, deployment: Deployment, tmp_path: Any) -> None:
    # When
    listed = json.loads(call(world, deployment, "runs"))
    # Then
    assert {run["task"]: run["outcome"] for run in listed if run["task"] in OUTCOMES} == OUTCOMES
    assert {run["task"]: run["state"] for run in listed if run["task"] not in (*OUTCOMES, "video")} == {
        WAITING: "RUNNING", TRAINING: "RUNNING", IN_QUEUE: "QUEUED",
    }  # fmt: skip
    assert "waits for a person's approval" in describe(run_of(world, WAITING), simulated=True).text
    # When
    costs = json.loads(call(world, deployment, "costs"))
    # Then
    spent = [sum(entry.usd for entry in world.registry.ledger(run["run_id"])) for run in listed]
    assert sum(usd for stages in costs["usd"].values() for usd in stages.values()) == pytest.approx(sum(spent))
    # When, Then
    for run in listed:
        if run["state"] == "ENDED":
            watched = json.loads(call(world, deployment, "watch", run["run_id"]).splitlines()[-1])
            assert watched["outcome"] == run["outcome"]
            shown = call(world, deployment, "report", run["run_id"], "--out", str(tmp_path / run["run_id"]))
            assert json.loads(shown)["outcome"] == run["outcome"]
    champions = [json.loads(line) for line in call(world, deployment, "champions").splitlines()]
    assert {one["task"] for one in champions} == {"video", "logged"}


def reports() -> list[Document]:
    objects = stored()["buckets"]["distillation-runs"]
    return [json.loads(body) for key, _, body in objects if key.endswith("report.json")]


def test_the_page_of_every_report_is_written_again() -> None:
    # When, Then
    found = reports()
    assert len(found) == 9
    for report in found:
        page = render_report(report)
        assert report["run_id"] in page
        assert str(report["outcome"] or "") in page
        assert "simulated" in page
