"""Where runs may come: each walk goes through the real Lambdas, most to where only an unlucky run comes."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest import mock

from lambdas.domain.evaluation.labels import Label
from lambdas.gateways.aws.storage import Bucket
from lambdas.operations.reconcile_runs import missed_uploads
from lambdas.workflow.answer_labels import kept_labels, order_of_run
from tests.end_to_end.account import example_lines, lenient
from tests.faults.machine import Execution, Json, TaskFailed
from tests.faults.scenarios import SCENARIOS, finish, upload
from tests.faults.strikes import DIES, LATE, SERVICE, Fault
from tests.faults.world import World
from tests.least_privilege.scene import (
    TASK,
    TRIES,
    Scene,
    Walk,
    begin,
    order,
    promoted,
    roll_back,
    settings,
    stop,
    through,
    to_the_end,
    until,
)

Serving = dict[str, str]
THROUGHPUT, ON_DEMAND = {"mode": "provisioned_throughput"}, {"mode": "on_demand"}
[FROM_LOGS] = [one for one in SCENARIOS if one.name == "logs"]
DAY_S = 86_400.0


# The beginnings, each of which several walks share


def nothing(_scene: Scene) -> None:
    """Nobody has uploaded anything."""


def a_throughput_serves(scene: Scene) -> None:
    promoted(scene.world, serving=THROUGHPUT)


def a_deployment_serves(scene: Scene) -> None:
    promoted(scene.world, serving=ON_DEMAND)


# The walks


def students_are_taught_from_logs(scene: Scene) -> None:
    finish(scene.world, FROM_LOGS.begin(scene.world))


def what_was_forgotten_is_adopted(serving: Serving) -> Walk:
    """Every create call finds the name taken: it is looked up, its tags are read."""

    def walk(scene: Scene) -> None:
        scene.creates.forgotten = True
        promoted(scene.world, serving=serving)

    return walk


def the_endpoint_moves_and_moves_back(serving: Serving) -> Walk:
    """Another champion takes the endpoint over, and gives it back."""

    def walk(scene: Scene) -> None:
        promoted(scene.world, 2, serving=serving)
        roll_back(scene.world)

    return walk


def a_person_says_who_answers(scene: Scene) -> None:
    """Routing is proposed and tested, on the holdout and on a later upload, and the fallback answers for a while."""
    world, state = scene.world, scene.world.tasks.state(TASK)
    assert state.champion is not None
    run_id = state.champion.run_id
    later = begin(world, 2)
    until(later, "RequestApproval")
    asked = {"route": 1.0, "task": TASK, "run_id": run_id}
    for more in ({}, {"fresh": later.given["run_id"]}, {"adopt": True}):
        try:
            world.call("roll_back_champion", {**asked, **more})
        except TaskFailed as refused:
            assert refused.error == "RoutingRefused"  # noqa: PT017 - few records say nothing
    world.call("roll_back_champion", {"serve": "fallback", "task": TASK, "run_id": run_id})
    stop(world, later)


def a_rollback_buys_what_served_before(scene: Scene) -> None:
    """The champions are served in different ways, so each rollback makes an endpoint; the names are taken."""
    state = scene.world.tasks.state(TASK)
    assert state.champion is not None
    second = promoted(scene.world, 2, serving=ON_DEMAND)
    scene.creates.forgotten = True
    roll_back(scene.world, to=state.champion.run_id)
    roll_back(scene.world, to=second)


def the_new_champion_does_badly(serving: Serving, *, forgotten: bool) -> Walk:
    """It answers with errors while it is watched, so the former one is brought back."""

    def walk(scene: Scene) -> None:
        world = scene.world
        execution = until(begin(world, 2, serving=serving), "BakeStudent")
        scene.creates.forgotten = forgotten
        champion = world.tasks.state(TASK).champion
        assert champion is not None
        world.pass_time(300)
        counted: Any = [
            {"MetricName": name, "Value": 100.0, "Unit": "Count", "Timestamp": world.clock.now(),
             "Dimensions": [{"Name": "ModelId", "Value": champion.endpoint_arn}]}
            for name in ("Invocations", "InvocationServerErrors")
        ]  # fmt: skip
        world.aws.client("cloudwatch").put_metric_data(Namespace="AWS/Bedrock", MetricData=counted)
        world.pass_time(60)
        to_the_end(world, execution)
        assert world.tasks.history(TASK)[-1]["action"] == "rolled back"

    return walk


def a_refused_student_is_deleted(scene: Scene) -> None:
    """No student is as fast as this gate asks, so nothing of the run is kept."""
    gate: Any = lenient()["gate"]
    run = scene.world.run(through(scene.world, gate={**gate, "min_latency_reduction": 0.99}))
    assert run.outcome == "REJECTED", run.reason


def what_is_stopped_is_released_and_retried(scene: Scene) -> None:
    """Somebody stops a run in its batch, and its retry in its training."""
    world, run_id = scene.world, upload(scene.world, TASK, "of the day")
    for attempt, state in ((1, "WaitForTeacherBatch"), (2, "WaitForDistillation")):
        until(world.execution(run_id, attempt), state)
        world.call("reconcile_runs", {"stop": run_id, "why": "it waits too long"})
        world.pass_time(60)
        world.call("reconcile_runs", {})
        world.call("start_run", {"retry": run_id})


def the_event_of_an_upload_is_lost(scene: Scene) -> None:
    """The schedule finds the prompts; the emulator's objects have the time of day, not the world's."""
    scene.world.put("uploads", f"{TASK}/lost.jsonl", b"{}")
    ages: Any = {"EVENT_MAY_COME": timedelta(days=-3650), "LOOKED_BACK": timedelta(days=3650)}
    with mock.patch.multiple(missed_uploads, **ages):
        scene.world.call("reconcile_runs", {})
    assert [run.key for run in scene.world.registry.in_state("RUNNING")] == [f"{TASK}/lost.jsonl"]


def lambdas_die_at_their_end(scene: Scene) -> None:
    """What they have bought is read by those that come after them; then the judge is not to be believed."""
    execution = begin(scene.world)
    for state in ("CalibrateJudge", "ScoreEvaluation"):
        until(execution, state)
        scene.world.striker.fault = Fault(scenario="", state=state, kind=LATE, count=1)
        scene.world.striker.hits = 0
        execution.step()
    stop(scene.world, execution)


def the_judge_is_not_believed(scene: Scene) -> None:
    order(scene.world, kind="wrong_judge", how="gullible")
    assert scene.world.run(through(scene.world)).outcome == "REJECTED"


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


class NobodyAnswers(StopsAtDeath):
    """Surroundings in which an approval expires, and the schedule comes before that."""

    def answer_to(self, _state: str, _token: str, timeout_s: int) -> Any:
        self.world.pass_time(timeout_s - 3600.0)
        self.world.call("reconcile_runs", {})
        self.world.pass_time(3600.0)
        raise TaskFailed("States.Timeout", "nobody answered")


class PeopleScoreFirst(StopsAtDeath):
    """Surroundings in which people score answers before somebody approves."""

    def answer_to(self, state: str, token: str, timeout_s: int) -> Any:
        world = self.world
        run = next(one for one in world.registry.in_state("RUNNING") if one.progress.get("stage") == state)
        bucket = Bucket(world.aws.client("s3"), "distillation-runs")
        if not kept_labels(bucket, run.files):
            order = order_of_run(bucket, run.files, run.attempt, "baseline")
            labels = [Label(pair.record_id, pair.answers, 5, 5).to_document() for pair in order.values()]
            world.call("record_labels", {"run_id": run.run_id, "labels": labels})
            return world._words.pop(token)
        return super().answer_to(state, token, timeout_s)


def people_score_answers(scene: Scene) -> None:
    """The gate decides anew, the report is replaced, and the next request is approved."""
    world = scene.world
    execution = until(begin(world), "RequestApproval")
    execution.around = PeopleScoreFirst(world)
    run_id = str(world.sent[-1][1]["run_id"])
    old = world.run(run_id).report_sha256
    to_the_end(world, execution)
    assert world.run(run_id).outcome == "PROMOTED", world.run(run_id).reason
    assert world.run(run_id).report_sha256 != old


def killed_in(state: str, operation: str) -> Walk:
    """A Lambda is killed after a create call, and its run is stopped before it could come back to it."""

    def walk(scene: Scene) -> None:
        world = scene.world
        execution = until(begin(world), state)
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


def a_promotion_fails(serving: Serving, day: int = 2) -> Walk:
    """The new endpoint refuses its smoke test: it goes, or is pointed back at the champion's model."""

    def walk(scene: Scene) -> None:
        execution = until(begin(scene.world, day, serving=serving), "PromoteStudent")
        scene.world.striker.fault = Fault(
            scenario="", state="PromoteStudent", kind=SERVICE, service="bedrock-runtime", operation="Converse",
            error="ModelErrorException",
        )  # fmt: skip
        to_the_end(scene.world, execution)
        assert scene.world.run(str(execution.given["run_id"])).outcome == "FAILED"

    return walk


def the_endpoint_fails_when_it_is_moved(scene: Scene) -> None:
    """The schedule buys the champion another one."""
    order(scene.world, kind="fail_update", status="Failed")
    execution = until(begin(scene.world, 2, serving=THROUGHPUT), "PromoteStudent")
    execution.step()
    stop(scene.world, execution)
    for _ in range(TRIES):
        scene.world.pass_time(300)
        scene.world.call("reconcile_runs", {})
        if scene.world.tasks.state(TASK).rollback is None:
            return
    raise AssertionError("the champion gets no other endpoint")


def the_training_stalls(scene: Scene) -> None:
    """It is stopped."""
    order(scene.world, kind="stall_job", hours=90)
    through(scene.world)


def the_batch_stalls(scene: Scene) -> None:
    """It is stopped at its deadline, and the teacher is asked on demand."""
    order(scene.world, kind="stall_batch", phase="InProgress")
    _without_a_batch(scene, "CollectTeacherData")


def the_first_teacher_of_the_settings_serves(scene: Scene) -> None:
    """In the simulator's catalog its life has ended; here batch and on-demand answers are its own."""
    alive = {"status": "ACTIVE", "end_of_life": "2030-01-01T00:00:00+00:00"}
    settings(scene.world, models={"amazon.nova-premier-v1:0": alive})
    order(scene.world, kind="stall_batch", phase="InProgress")
    execution = _without_a_batch(scene, "EachHoldoutShard")
    _forget_answers(scene.world)
    execution.step()


def _without_a_batch(scene: Scene, then: str) -> Execution:
    """Wait in vain for the teacher's batch."""
    changes: Any = {"teacher_data": {"deadline_hours": 12}, "training": "distillation"}
    execution = until(begin(scene.world, **changes), "WaitForTeacherBatch")
    scene.world.pass_time(12 * 3600)
    return until(execution, then)


def the_last_judge_of_the_settings_serves(scene: Scene) -> None:
    """The first of the preference list has passed its end of life."""
    settings(scene.world, models={"anthropic.claude-sonnet-4-6": {"end_of_life": "2026-01-01T00:00:00+00:00"}})
    until(begin(scene.world), "ScoreEvaluation").step()


def answers_have_expired(scene: Scene) -> None:
    """Bucket rules have deleted answers since they were bought: teacher and champion are asked again."""
    execution = until(begin(scene.world, 2, serving=THROUGHPUT), "EachHoldoutShard")
    _forget_answers(scene.world)
    execution.step()


def _forget_answers(world: World) -> None:
    s3 = world.aws.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="distillation-runs", Prefix="answers/"):
        for item in page.get("Contents", []):
            s3.delete_object(Bucket="distillation-runs", Key=item["Key"])


def runs_wait_in_the_queue(scene: Scene) -> None:
    """More runs than may be under way, and an approval that nobody gives."""
    world = scene.world
    first, _, third = (upload(world, f"queued{number}", "of the day") for number in range(3))
    assert world.run(third).state == "QUEUED"
    waiting = until(world.execution(first), "RequestApproval")
    waiting.around = NobodyAnswers(world)
    to_the_end(world, waiting)
    assert world.run(third).state == "RUNNING"


def nothing_lies_beside_the_upload(scene: Scene) -> None:
    """No task.json, no holdout: S3 says that they are not there."""
    scene.world.upload("bare/prompts.jsonl", b'{"prompt": "one"}\n')


def the_task_arrives_after_its_prompts(scene: Scene) -> None:
    """It is found before anything is paid; holdout and calibration set never come. The budget ends the run."""
    world = scene.world
    execution = world.execution(world.upload("late/prompts.jsonl", b"\n".join(example_lines())))
    world.put("uploads", "late/task.json", json.dumps(lenient(budget_usd=0.01)).encode())
    to_the_end(world, execution)
    run = world.run(str(execution.given["run_id"]))
    assert run.task_version is not None
    assert "the budget $0.01" in str(run.reason), run.reason


def the_upload_was_deleted(state: str, *, from_logs: bool = False) -> Walk:
    """The version to which a run is pinned is gone when its Lambda comes to read it."""

    def walk(scene: Scene) -> None:
        world = scene.world
        run_id = FROM_LOGS.begin(world) if from_logs else upload(world, TASK, "of the day")
        execution, run = until(world.execution(run_id), state), world.run(run_id)
        world.aws.client("s3").delete_object(Bucket="uploads", Key=run.key, VersionId=run.version)
        to_the_end(world, execution)

    return walk


def nobody_asks_the_champion(scene: Scene) -> None:
    """It is moved to a deployment, whose name is taken."""
    scene.creates.forgotten = True
    scene.world.pass_time(120 * DAY_S)
    for _ in range(6):
        scene.world.call("reap_idle_throughput", {"reap": "delete_idle"})
        scene.world.pass_time(600)
    champion = scene.world.tasks.state(TASK).champion
    assert champion is not None
    assert champion.mode == ON_DEMAND["mode"]


def the_month_is_exported(scene: Scene) -> None:
    """What runs and serving cost is read and written; the report of the champion's run is there."""
    scene.world.call("reconcile_runs", {})
    assert scene.world.call("export_costs", {})


def there_is_what_nobody_knows(scene: Scene) -> None:
    """Copies of what a run made, by hand and with its tags: the janitor stops or deletes them, and tells people."""
    for operation, *names in (
        ("CreateProvisionedModelThroughput", "provisionedModelName"),
        ("CreateCustomModelDeployment", "modelDeploymentName"),
        ("CreateModelCustomizationJob", "customModelName", "jobName"),
    ):
        _copy(scene, operation, *names)
    for _ in range(3):
        scene.world.pass_time(DAY_S)
        scene.world.call("reap_idle_throughput", {"reap": "delete_unused"})
    order(scene.world, kind="stall_job")
    order(scene.world, kind="stall_batch")
    _copy(scene, "CreateModelCustomizationJob", "customModelName", "jobName")
    _copy(scene, "CreateModelInvocationJob", "jobName")
    scene.world.call("reap_idle_throughput", {"reap": "delete_unused"})
    scene.world.call("reap_idle_throughput", {})


def _copy(scene: Scene, operation: str, *names: str) -> None:
    last = scene.creates.last[operation]
    copied = {name: f"{last[name]}-copy" for name in (*names, "clientRequestToken")}
    scene.creates.again(operation, **copied)
    scene.creates.last[operation] = {**last, **copied}  # a name is never free again


WALKS: tuple[tuple[Walk, tuple[Walk, ...]], ...] = (
    (
        nothing,
        (
            students_are_taught_from_logs,
            *(what_was_forgotten_is_adopted(serving) for serving in (THROUGHPUT, ON_DEMAND)),
            a_refused_student_is_deleted,
            what_is_stopped_is_released_and_retried,
            lambdas_die_at_their_end,
            the_judge_is_not_believed,
            killed_in("RunTeacherBatch", "CreateModelInvocationJob"),
            killed_in("LaunchDistillation", "CreateModelCustomizationJob"),
            killed_in("DeployCandidate", "CreateCustomModelDeployment"),
            killed_in("PromoteStudent", "CreateProvisionedModelThroughput"),
            a_promotion_fails(THROUGHPUT),
            people_score_answers,
            the_training_stalls,
            the_batch_stalls,
            the_first_teacher_of_the_settings_serves,
            the_last_judge_of_the_settings_serves,
            runs_wait_in_the_queue,
            the_event_of_an_upload_is_lost,
            nothing_lies_beside_the_upload,
            the_task_arrives_after_its_prompts,
            the_upload_was_deleted("PrepareDataset"),
            the_upload_was_deleted("ListInvocationLogs", from_logs=True),
            the_upload_was_deleted("EachLogShard", from_logs=True),
        ),
    ),
    (
        a_throughput_serves,
        (
            the_endpoint_moves_and_moves_back(THROUGHPUT),
            a_person_says_who_answers,
            a_rollback_buys_what_served_before,
            the_new_champion_does_badly(THROUGHPUT, forgotten=False),
            the_new_champion_does_badly(ON_DEMAND, forgotten=True),
            a_promotion_fails(THROUGHPUT),
            the_endpoint_fails_when_it_is_moved,
            answers_have_expired,
            the_month_is_exported,
            nobody_asks_the_champion,
            there_is_what_nobody_knows,
        ),
    ),
    (
        a_deployment_serves,
        (
            the_endpoint_moves_and_moves_back(ON_DEMAND),
            the_new_champion_does_badly(ON_DEMAND, forgotten=False),
            the_new_champion_does_badly(THROUGHPUT, forgotten=True),
            a_promotion_fails(ON_DEMAND),
        ),
    ),
)
"""What each walk begins with, and the walks from there."""
