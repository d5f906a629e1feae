"""What the pipeline may come to do: each walk goes where some permission is used, through the real Lambdas.

The runs of the fault scenarios come first; every other walk is here for what only an unlucky run calls, and says which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from local.bedrock_simulator.protocol.service import Request
from tests.faults.machine import Execution, Json, TaskFailed
from tests.faults.scenarios import SCENARIOS, Scenario, finish, upload
from tests.faults.strikes import DIES, SERVICE, Fault
from tests.faults.world import World

Walk = Callable[[World], None]
THROUGHPUT, ON_DEMAND = {"mode": "provisioned_throughput"}, {"mode": "on_demand"}
TRIES = 60
DAY_S = 86_400.0


@dataclass
class Creates:
    """Listens to Bedrock's create calls of the Lambdas.

    Attributes
    ----------
    last : dict
        The last request of each operation.
    forgotten : bool
        Whether each thing exists already when it is to be created, with our tags, and under another token: then the
        service has forgotten our first request, its answer having been lost.
    """

    world: World
    last: dict[str, dict[str, Any]] = field(default_factory=dict)
    forgotten: bool = True

    def listen(self) -> None:
        self.world.aws.session.events.register("provide-client-params.bedrock", self._made)

    def again(self, operation: str, **changes: object) -> None:
        """Make something as a Lambda made it, by hand."""
        caller, self.world.running = self.world.running, ""
        state, self.world.striker.state = self.world.striker.state, ""
        try:
            request = {**self.last[operation], **changes}
            made = self.world.aws.client("bedrock")
            made._make_api_call(operation, request)
        finally:
            self.world.running, self.world.striker.state = caller, state

    def _made(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if not self.world.running or not model.name.startswith("Create"):
            return
        new = self.last.get(model.name) != params
        self.last[model.name] = dict(params)
        if self.forgotten and new:
            self.again(model.name, clientRequestToken=f"forgotten-{params['clientRequestToken']}"[:256])


def settings(world: World, **changes: object) -> None:
    """Change what the simulated Bedrock knows."""
    _control(world, "PUT", "settings", changes)


def order(world: World, **fault: object) -> None:
    """Order a fault of the simulated Bedrock."""
    _control(world, "POST", "faults", fault)


def _control(world: World, method: str, path: str, body: Mapping[str, object]) -> None:
    answer = world.aws.simulator.handle(Request(method, f"/_simulator/{path}", "", {}, json.dumps(body).encode()))
    assert answer.status == 200, answer.body


def until(execution: Execution, state: str) -> Execution:
    """Go on until a state is next."""
    while execution.state != state:
        assert execution.state is not None, f"the run ended before {state}: {execution.path[-9:]}"
        execution.step()
    return execution


def begin(world: World, task: str, day: int = 1, **changes: object) -> Execution:
    """Upload, and begin the run."""
    return world.execution(upload(world, task, f"of day {day}", **changes))


def through(world: World, task: str, day: int = 1, **changes: object) -> str:
    """Upload, and go through the run to its end; its id."""
    run_id = upload(world, task, f"of day {day}", **changes)
    finish(world, run_id)
    return run_id


def promoted(world: World, task: str, day: int = 1, **changes: object) -> str:
    """Go through a run that is promoted."""
    run_id = through(world, task, day, **changes)
    assert world.run(run_id).outcome == "PROMOTED", world.run(run_id).reason
    return run_id


def stop(world: World, execution: Execution) -> None:
    """Stop an execution, and let events and schedule close its run."""
    execution.stop()
    world.close(execution)


def roll_back(world: World, task: str, **order: object) -> None:
    """Roll a task back, as the command line does."""
    for _ in range(TRIES):
        given = world.call("roll_back_champion", {"task": task, "why": "it was better", **order})
        if given["status"] != "IN_PROGRESS":
            assert given["status"] == "COMPLETED", given
            return
        world.pass_time(60)
    raise AssertionError("the rollback does not end")


# The walks


def scenario(one: Scenario) -> Walk:
    def walk(world: World) -> None:
        finish(world, one.begin(world))

    return walk


def what_was_forgotten_is_adopted(world: World) -> None:
    """Every create call finds the name taken: it is looked up, its tags are read."""
    Creates(world).listen()
    promoted(world, "adopted")
    promoted(world, "served", serving=ON_DEMAND)


def an_endpoint_moves_and_moves_back(world: World) -> None:
    """Another champion takes the throughput over, and gives it back."""
    for day in (1, 2):
        promoted(world, "moved", day, serving=THROUGHPUT)
    roll_back(world, "moved")


def a_deployment_moves_and_moves_back(world: World) -> None:
    for day in (1, 2):
        promoted(world, "moved", day, serving=ON_DEMAND)
    roll_back(world, "moved")


def a_rollback_buys_what_served_before(world: World) -> None:
    """The champions are served in different ways, so each rollback makes an endpoint; the names are taken."""
    first = promoted(world, "ways", 1, serving=THROUGHPUT)
    second = promoted(world, "ways", 2, serving=ON_DEMAND)
    Creates(world).listen()
    roll_back(world, "ways", to=first)
    roll_back(world, "ways", to=second)


def bad_champion(before: dict[str, str], now: dict[str, str]) -> Walk:
    """A new champion does badly while it is watched, so the former one is brought back."""

    def walk(world: World) -> None:
        promoted(world, "bad", 1, serving=before)
        Creates(world, forgotten=before != now).listen()
        execution = until(begin(world, "bad", 2, serving=now), "BakeStudent")
        champion = world.tasks.state("bad").champion
        assert champion is not None
        world.pass_time(300)
        counted = [
            {"MetricName": name, "Value": 100.0, "Unit": "Count", "Timestamp": world.clock.now(),
             "Dimensions": [{"Name": "ModelId", "Value": champion.endpoint_arn}]}
            for name in ("Invocations", "InvocationServerErrors")
        ]  # fmt: skip
        world.aws.client("cloudwatch").put_metric_data(Namespace="AWS/Bedrock", MetricData=counted)
        world.pass_time(60)
        while execution.state is not None:
            execution.step()
        world.close(execution)
        assert world.tasks.state("bad").history[-1]["action"] == "rolled back"

    return walk


def a_refused_student_is_deleted(world: World) -> None:
    """No student is as good as this gate asks, so nothing of the run is kept."""
    gate = {"min_judge_score": 5.0, "min_latency_reduction": 0.99}
    run_id = through(world, "refused", gate=gate)
    assert world.run(run_id).outcome == "REJECTED", world.run(run_id).reason


def what_is_stopped_is_released_and_retried(world: World) -> None:
    """Somebody stops a run in its batch, its retry in its training, and the next retry is promoted."""
    run_id = upload(world, "stopped", "of the day")
    for attempt, state in ((1, "WaitForTeacherBatch"), (2, "WaitForDistillation")):
        stop(world, until(world.execution(run_id, attempt), state))
        world.call("start_run", {"retry": run_id})
    until(world.execution(run_id, 3), "ScoreEvaluation").step()
    stop(world, world.execution(run_id, 3))
    world.call("start_run", {"retry": run_id})
    finish(world, run_id, 4)


class Stopped(Exception):
    """Somebody stopped the execution when its Lambda had died."""


@dataclass(frozen=True)
class StopsAtDeath:
    """Surroundings in which a Lambda that dies is not invoked again."""

    world: World

    def invoke(self, state: str, function: str, payload: Json) -> Any:
        try:
            return self.world.invoke(state, function, payload)
        except TaskFailed as death:
            raise Stopped from death

    def answer_to(self, state: str, token: str, timeout_s: int) -> Any:
        return self.world.answer_to(state, token, timeout_s)

    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)


def killed_in(state: str, operation: str) -> Walk:
    """A Lambda is killed after a create call, and its run is stopped before it could come back to it."""

    def walk(world: World) -> None:
        execution = until(begin(world, "killed"), state)
        execution.around = StopsAtDeath(world)
        world.striker.fault = Fault(
            scenario="", state=state, kind=DIES, service="bedrock", operation=operation, count=1
        )
        with suppress(Stopped):
            for _ in range(TRIES):
                execution.step()
        assert world.striker.hits == 1
        stop(world, execution)

    return walk


def a_promotion_fails(before: dict[str, str] | None, now: dict[str, str]) -> Walk:
    """The new endpoint refuses its smoke test: it goes, or is pointed back at the champion's model."""

    def walk(world: World) -> None:
        if before:
            promoted(world, "fails", 1, serving=before)
        execution = until(begin(world, "fails", 2, serving=now), "PromoteStudent")
        world.striker.fault = Fault(
            scenario="", state="PromoteStudent", kind=SERVICE, service="bedrock-runtime", operation="Converse",
            error="ModelErrorException",
        )  # fmt: skip
        while execution.state is not None:
            execution.step()
        world.close(execution)

    return walk


def the_training_stalls(world: World) -> None:
    """It is stopped."""
    order(world, kind="stall_job", hours=90)
    through(world, "stalled")


def the_batch_stalls(world: World) -> None:
    """It is stopped at its deadline, and the teacher is asked on demand."""
    order(world, kind="stall_batch", phase="InProgress")
    through(world, "late")


def answers_have_expired(world: World) -> None:
    """Bucket rules have deleted answers since they were bought: teacher and champion are asked again."""
    promoted(world, "expired", 1, serving=THROUGHPUT)
    execution = until(begin(world, "expired", 2, serving=THROUGHPUT), "EachHoldoutShard")
    s3 = world.aws.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="distillation-runs", Prefix="answers/"):
        for item in page.get("Contents", []):
            s3.delete_object(Bucket="distillation-runs", Key=item["Key"])
    execution.step()
    stop(world, execution)


def the_first_models_of_the_settings_serve(world: World) -> None:
    """The first teacher of the preference list is offered, whose life the simulator's catalog has ended."""
    settings(world, models={"amazon.nova-premier-v1:0": {"end_of_life": "2030-01-01T00:00:00+00:00"}})
    order(world, kind="stall_batch", phase="InProgress")
    through(world, "first")


def the_last_models_of_the_settings_serve(world: World) -> None:
    """The first judge of the preference list has passed its end of life."""
    settings(world, models={"anthropic.claude-sonnet-4-6": {"end_of_life": "2026-01-01T00:00:00+00:00"}})
    through(world, "last")


def runs_wait_in_the_queue(world: World) -> None:
    """More runs than may be under way; the approval of one is about to expire."""
    executions = [begin(world, f"queued{number}") for number in range(2)]
    third = upload(world, "queued2", "of the day")
    assert world.run(third).state == "QUEUED"
    waiting = until(executions[0], "RequestApproval")
    world.call("reconcile_runs", {})
    invoked = world.answer_to

    def nobody_answers(_state: str, _token: str, timeout_s: int) -> Any:
        world.pass_time(timeout_s - 3600.0)
        world.call("reconcile_runs", {})
        world.pass_time(3600.0)
        raise TaskFailed("States.Timeout", "nobody answered")

    world.answer_to = nobody_answers  # type: ignore[method-assign]
    waiting.step()
    world.answer_to = invoked  # type: ignore[method-assign]
    while waiting.state is not None:
        waiting.step()
    world.close(waiting)
    assert world.run(third).state == "RUNNING"


def nothing_lies_beside_the_upload(world: World) -> None:
    """No task.json, no holdout: S3 says that they are not there."""
    world.upload("bare/prompts.jsonl", b'{"prompt": "one"}\n')


def uploads_were_deleted(world: World) -> None:
    """The version to which a run is pinned is gone when its Lambda comes to read it."""
    for scenario_, states in ((SCENARIOS[0], ("PrepareDataset",)), (SCENARIOS[1], ("ListInvocationLogs", "EachLogShard"))):
        for state in states:
            execution = until(world.execution(scenario_.begin(world)), state)
            run = world.run(str(execution.given["run_id"]))
            world.aws.client("s3").delete_object(Bucket="uploads", Key=run.key, VersionId=run.version)
            while execution.state is not None:
                execution.step()
            world.close(execution)


def nobody_asks_a_champion(world: World) -> None:
    """It is moved to a deployment, whose name is taken; the first such deployment fails."""
    promoted(world, "idle", serving=THROUGHPUT)
    world.pass_time(120 * DAY_S)
    order(world, kind="fail_deployment", count=1)
    for forgotten in (False, True):
        creates = Creates(world, forgotten=forgotten)
        creates.listen()
        for _ in range(10):
            world.call("reap_idle_throughput", {"reap": "delete_idle"})
            world.pass_time(600)
    world.call("reap_idle_throughput", {})


def things_are_there_that_nobody_knows(world: World) -> None:
    """Copies of what a run made, by hand and with its tags: the janitor deletes them and tells people."""
    creates = Creates(world, forgotten=False)
    creates.listen()
    promoted(world, "copied", serving=THROUGHPUT)
    for operation, name in (
        ("CreateProvisionedModelThroughput", "provisionedModelName"),
        ("CreateCustomModelDeployment", "modelDeploymentName"),
        ("CreateModelCustomizationJob", "customModelName"),
    ):
        again = {name: f"{creates.last[operation][name]}-copy", "clientRequestToken": f"copy-{name}"}
        if "jobName" in creates.last[operation]:
            again["jobName"] = f"{creates.last[operation]['jobName']}-copy"
        creates.again(operation, **again)
    for _ in range(TRIES):
        world.pass_time(DAY_S)
        world.call("reap_idle_throughput", {"reap": "delete_unused"})
    world.call("reap_idle_throughput", {})


WALKS: tuple[Walk, ...] = (
    *(scenario(one) for one in SCENARIOS),
    what_was_forgotten_is_adopted,
    an_endpoint_moves_and_moves_back,
    a_deployment_moves_and_moves_back,
    a_rollback_buys_what_served_before,
    *(bad_champion(before, now) for before in (THROUGHPUT, ON_DEMAND) for now in (THROUGHPUT, ON_DEMAND)),
    a_refused_student_is_deleted,
    what_is_stopped_is_released_and_retried,
    killed_in("RunTeacherBatch", "CreateModelInvocationJob"),
    killed_in("LaunchDistillation", "CreateModelCustomizationJob"),
    killed_in("DeployCandidate", "CreateCustomModelDeployment"),
    killed_in("PromoteStudent", "CreateProvisionedModelThroughput"),
    *(a_promotion_fails(before, now) for before, now in ((None, THROUGHPUT), (THROUGHPUT, THROUGHPUT), (ON_DEMAND, ON_DEMAND))),
    the_training_stalls,
    the_batch_stalls,
    answers_have_expired,
    the_first_models_of_the_settings_serve,
    the_last_models_of_the_settings_serve,
    runs_wait_in_the_queue,
    nothing_lies_beside_the_upload,
    uploads_were_deleted,
    nobody_asks_a_champion,
    things_are_there_that_nobody_knows,
)
