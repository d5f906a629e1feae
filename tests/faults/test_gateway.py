"""A bare error of a gateway at every stage and every step of a promotion: errors are judged by status, not by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults import scenarios
from tests.faults.gateway import BARE, gateway
from tests.faults.machine import TaskFailed
from tests.faults.scenarios import SCENARIOS, finish, upload
from tests.faults.world import World, deployed
from tests.stacks.templates import Deployment

STAGES = {
    "check_run", "calibrate_judge", "launch_distillation", "deploy_candidate", "evaluate_student",
    "score_evaluation", "promote_student", "release_resources",
}  # fmt: skip
"""Lambdas of every run that call Bedrock."""

ASKED = ("POST model/converse",)
BUYS, LOOKS = "POST provisioned-model-throughput", "GET provisioned-model-throughput"


@pytest.fixture
def world(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(scenarios, "HOLDOUT", 16)  # of fewer than ten latencies no verdict is made
    with deployed(deployment) as world:
        yield world


@pytest.mark.parametrize("bare", ["a bare 502 page", "Throttling with 400", "a validation's name with 500"])
def test_a_bare_error_of_every_operation_in_every_stage_ends_nothing(world: World, bare: str) -> None:
    # Given a run that is answered on demand where the error is a throttle, and by batch else
    hours = 0.5 if "Throttling" in bare else 24
    run_id = upload(world, "video", "of the day", teacher_data={"deadline_hours": hours})
    # When each operation's first call in each Lambda gets the error, botocore's own tries included
    with gateway(world, BARE[bare]) as between:
        finish(world, run_id)
    # Then
    run = world.run(run_id)
    assert run.outcome == "PROMOTED", run.reason
    asked = {"generate_teacher_data"} if hours < 1 else {"run_teacher_batch"}
    assert {stage for stage, _ in between.struck} >= STAGES | asked
    promoting = {asked for stage, asked in between.struck if stage == "promote_student"}
    assert promoting >= {*ASKED, BUYS, LOOKS}
    # And nothing was bought twice or is left
    made = world.control("resources")
    assert [len(made[kind]) for kind in ("jobs", "throughputs")] == [1, 1]
    assert world.leaked() == world.misled() == []


def test_a_bare_error_in_each_step_of_a_move_and_of_the_way_back_ends_neither(world: World) -> None:
    # Given a champion, and a run that is to take its endpoint over
    run_id = next(one for one in SCENARIOS if one.name == "second").begin(world)
    first = world.tasks.state("second").champion
    assert first is not None
    # When
    with gateway(world, BARE["a bare 502 page"]) as between:
        finish(world, run_id)
        assert world.run(run_id).outcome == "PROMOTED", world.run(run_id).reason
        back = _until_done(world, "roll_back_champion", {"task": "second", "to": first.run_id, "why": "a test"})
    # Then
    moves = {asked for stage, asked in between.struck if stage == "promote_student"}
    assert moves >= {*ASKED, LOOKS, "PATCH provisioned-model-throughput"}
    assert {asked for stage, asked in between.struck if stage == "roll_back_champion"} >= moves
    assert (back["status"], back["to_run"]) == ("COMPLETED", first.run_id)
    assert world.misled() == []
    assert len(world.control("resources")["throughputs"]) == 1


def _until_done(world: World, folder: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Call as the command line and the schedule do: again where a call fails or says that it goes on."""
    for _ in range(40):
        try:
            given: dict[str, Any] = world.call(folder, payload)
        except TaskFailed as failed:
            if "502" not in failed.cause:
                raise
            continue
        if given.get("status") != "IN_PROGRESS":
            return given
        world.pass_time(30.0)
    raise AssertionError(f"{folder} has no end")
