"""Runs start once each, in their order; whatever ended without a word is closed, and a stale word closes nothing."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.errors import AttemptSuperseded, InvalidUpload, StopRefused
from lambdas.domain.identity import Upload, execution_name
from lambdas.domain.outcomes import FAILED, PROMOTED, STOPPED
from lambdas.gateways.registry.resources import CUSTOM_MODEL, DEPLOYMENT, IN_USE, KEPT, THROUGHPUT
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING, Run
from lambdas.operations.reconcile_runs.stage import ReconcileIncomplete, Reconciler
from lambdas.workflow import stage
from lambdas.workflow.run_starter import Starter, claim_upload
from lambdas.workflow.stage import Stage
from tests.unit.support.workshop import Workshop

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:machine"


class FakeStepFunctions:
    """Executions by name; starting one twice is answered as Step Functions does."""

    def __init__(self) -> None:
        self.executions: dict[str, str] = {}
        self.inputs: dict[str, str] = {}
        self.broken = False
        self.unknown: set[str] = set()

    def start_execution(self, **request: str) -> None:
        if self.broken:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "StartExecution")
        if request["name"] in self.executions:
            raise ClientError({"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution")
        assert request["stateMachineArn"] == MACHINE
        self.executions[request["name"]] = "RUNNING"
        self.inputs[request["name"]] = request["input"]

    def stop_execution(self, executionArn: str, error: str, cause: str) -> None:  # noqa: N803 - the API's name
        assert len(error) <= 256 and len(cause) <= 32_768  # noqa: PT018 - the service model's limits
        name = executionArn.rpartition(":")[2]
        if name not in self.executions:
            raise ClientError({"Error": {"Code": "ExecutionDoesNotExist"}}, "StopExecution")
        self.executions[name] = "ABORTED"

    def describe_execution(self, executionArn: str) -> dict[str, str]:  # noqa: N803 - the API's name
        name = executionArn.rpartition(":")[2]
        assert executionArn == f"{MACHINE.replace('stateMachine', 'execution')}:{name}"
        if name in self.unknown:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeExecution")
        if name not in self.executions:
            raise ClientError({"Error": {"Code": "ExecutionDoesNotExist"}}, "DescribeExecution")
        return {"status": self.executions[name]}


class FakeFunctions:
    """ReleaseResources and PublishReport: the latter ends the run as the real one does."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self.invoked: list[tuple[str, dict[str, Any]]] = []
        self.report_fails = False

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - the API's names
        payload = json.loads(Payload)
        self.invoked.append((FunctionName, payload))
        if FunctionName == "report":
            if self.report_fails:
                return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "no"}')}
            run_id, reason = payload["run_id"], payload["error"]["Cause"]
            registry = self._workshop.pipeline.registry
            registry.end(run_id, payload["attempt"], payload["outcome"], reason, self._workshop.now(), None)
        return {"Payload": io.BytesIO(b"{}")}


class Office:
    """Starter and reconciler of a workshop with room for some runs."""

    def __init__(self, workshop: Workshop, max_running: int) -> None:
        self.workshop, self.registry = workshop, workshop.pipeline.registry
        self.states, self.functions = FakeStepFunctions(), FakeFunctions(workshop)
        self.starter = Starter(self.registry, workshop.pipeline.intake, cast("Any", self.states), MACHINE, max_running)
        self.reconciler = Reconciler(
            workshop.pipeline, cast("Any", self.states), cast("Any", self.functions), self.starter
        )

    def deliver(self, version: str) -> Run:
        """Deliver the event of an upload, as the handler does."""
        upload = Upload("uploads", "video/a.jsonl", version)
        run = claim_upload(self.registry, self.workshop.uploads, upload, self.workshop.now())
        self.starter.start(run, self.workshop.now())
        self.workshop.pass_time(seconds=1)
        return self.registry.run(run.run_id)

    def ended(self, run: Run, status: str, attempt: int = 1) -> dict[str, Any]:
        """Deliver the event of an execution's end."""
        self.states.executions[execution_name(run.run_id, attempt)] = status
        detail = {"status": status, "input": json.dumps({"run_id": run.run_id, "attempt": attempt})}
        return self.reconciler.execution_ended(detail)


@pytest.fixture
def office(workshop: Workshop) -> Office:
    return Office(workshop, max_running=1)


def test_a_key_that_starts_no_run_is_refused_before_anything_is_written(office: Office) -> None:
    # Given / When / Then
    with pytest.raises(InvalidUpload):
        claim_upload(office.registry, office.workshop.uploads, Upload("uploads", "video/task.json", "1"), "now")
    assert list(office.registry.in_state(QUEUED)) == []


def test_fifty_deliveries_during_the_run_and_fifty_after_it_are_one_execution(office: Office) -> None:
    # Given
    for _ in range(50):
        run = office.deliver("1")
    office.registry.end(run.run_id, 1, PROMOTED, "good", office.workshop.now(), "arn:endpoint")
    office.ended(run, "SUCCEEDED")

    # When
    for _ in range(50):
        run = office.deliver("1")

    # Then
    assert list(office.states.executions) == [f"{run.run_id}-1"]
    assert json.loads(office.states.inputs[f"{run.run_id}-1"]) == {"run_id": run.run_id, "attempt": 1}
    assert (run.state, run.outcome) == (ENDED, PROMOTED)


def test_the_files_of_the_task_are_pinned_as_they_were_at_the_first_delivery(office: Office) -> None:
    # Given
    office.workshop.uploads.objects["video/task.json"] = b"{}"
    first = office.deliver("1")

    # When
    office.workshop.uploads.objects["video/holdout.jsonl"] = b""
    again = office.deliver("1")

    # Then
    assert (first.task_version, first.holdout_version) == ("v1", None)
    assert (again.task_version, again.holdout_version) == ("v1", None)


def test_runs_beyond_the_slots_wait_and_start_in_the_order_in_which_they_came(office: Office) -> None:
    # Given one slot and three uploads
    first, second, third = (office.deliver(version) for version in "123")
    assert [run.state for run in (first, second, third)] == [RUNNING, QUEUED, QUEUED]

    # When the first one ends with its verdict
    office.registry.end(first.run_id, 1, PROMOTED, "good", office.workshop.now(), None)
    result = office.ended(first, "SUCCEEDED")

    # Then
    assert result == {"closed": True, "started": [second.run_id]}
    assert office.registry.slots() == {second.run_id}
    assert [run.run_id for run in office.registry.in_state(QUEUED)] == [third.run_id]
    assert office.functions.invoked == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("ABORTED", "somebody stopped the execution"),
        ("TIMED_OUT", "longer than the state machine allows"),
        ("FAILED", "see its history"),
        ("SUCCEEDED", "without an outcome"),
    ],
)
def test_a_dead_run_gets_its_release_its_report_and_its_end(office: Office, status: str, words: str) -> None:
    # Given
    run = office.deliver("1")

    # When
    result = office.ended(run, status)

    # Then release comes before report, and the slot is free
    assert result["closed"]
    assert [name for name, _ in office.functions.invoked] == ["release", "report"]
    report = office.functions.invoked[1][1]
    assert report["error"]["Error"] == f"Execution.{status}"
    assert words in str(office.registry.run(run.run_id).reason)
    assert office.registry.run(run.run_id).outcome == (STOPPED if status == "ABORTED" else FAILED)
    assert office.registry.slots() == set()


def test_the_late_event_of_an_earlier_attempt_frees_nothing(office: Office) -> None:
    # Given a run that failed and runs again
    run = office.deliver("1")
    office.ended(run, "ABORTED")
    office.starter.start(office.registry.begin_retry(run.run_id, office.workshop.now()), office.workshop.now())
    waiting = office.deliver("2")
    office.functions.invoked.clear()

    # When the first attempt's event is delivered again
    result = office.ended(run, "ABORTED", attempt=1)

    # Then
    assert result == {"closed": False, "started": []}
    assert office.functions.invoked == []
    assert office.registry.slots() == {run.run_id}
    assert office.registry.run(run.run_id).state == RUNNING
    assert office.registry.run(waiting.run_id).state == QUEUED


def test_an_event_of_an_unknown_run_starts_the_queue_and_nothing_else(office: Office) -> None:
    # Given
    detail = {"status": "FAILED", "input": '{"run_id": "video-unknown", "attempt": 1}'}

    # When / Then
    assert office.reconciler.execution_ended(detail) == {"closed": False, "started": []}
    assert office.functions.invoked == []


def test_the_schedule_starts_an_execution_that_a_crash_left_out(office: Office) -> None:
    # Given a slot that was taken before StartExecution failed
    office.states.broken = True
    with pytest.raises(ClientError):
        office.deliver("1")
    office.states.broken = False

    # When
    office.reconciler.look_after_all()

    # Then
    (run,) = office.registry.in_state(RUNNING)
    assert office.states.executions == {f"{run.run_id}-1": "RUNNING"}


def test_the_schedule_closes_a_run_whose_event_was_lost_and_starts_the_next(office: Office) -> None:
    # Given
    first, second = office.deliver("1"), office.deliver("2")
    office.states.executions[f"{first.run_id}-1"] = "TIMED_OUT"

    # When
    result = office.reconciler.look_after_all()

    # Then
    assert result["closed"] == [first.run_id]
    assert result["started"] == [second.run_id]
    assert office.registry.run(first.run_id).outcome == FAILED


def test_the_schedule_leaves_a_running_execution_alone(office: Office) -> None:
    # Given
    run = office.deliver("1")

    # When / Then
    assert office.reconciler.look_after_all() == {
        "closed": [],
        "released": [],
        "reminded": [],
        "started": [],
        "freed": [],
        "missed": [],
    }
    assert office.functions.invoked == []
    assert office.registry.slots() == {run.run_id}


def test_the_schedule_releases_leftovers_but_neither_what_serves_nor_what_is_kept(office: Office) -> None:
    # Given an ended run with a deployment, a champion's model and a kept model
    workshop = office.workshop
    run = office.deliver("1")
    workshop.made(run, DEPLOYMENT, "left", "arn:left")
    office.registry.end(run.run_id, 1, FAILED, "why", workshop.now(), None)
    office.ended(run, "FAILED")
    serving = office.deliver("2")
    workshop.pipeline.resources.mark(workshop.made(serving, CUSTOM_MODEL, "serving", "arn:serving"), IN_USE)
    workshop.crown(serving.run_id, "arn:serving", "arn:endpoint")
    kept = workshop.made(serving, CUSTOM_MODEL, "kept", "arn:kept")
    workshop.pipeline.resources.mark(kept, KEPT, "2026-09-08T10:00:00.000Z")
    office.registry.end(serving.run_id, 1, PROMOTED, "good", workshop.now(), None)
    office.ended(serving, "SUCCEEDED")
    office.functions.invoked.clear()

    # When looked after now, and after the keeping time
    now = office.reconciler.look_after_all()["released"]
    workshop.pass_time(days=8)
    later = office.reconciler.look_after_all()["released"]

    # Then
    assert now == [run.run_id]
    assert sorted(later) == sorted([run.run_id, serving.run_id])
    assert {payload["outcome"] for _, payload in office.functions.invoked} == {FAILED, PROMOTED}


def test_a_replaced_endpoint_is_left_to_its_callers_for_an_hour_and_then_released(office: Office) -> None:
    # Given a champion whose endpoint is replaced by another one, as after a change of the serving mode
    workshop = office.workshop
    old = office.deliver("1")
    for kind, name, arn in ((THROUGHPUT, "old", "arn:old"), (CUSTOM_MODEL, "old", "arn:old-model")):
        workshop.pipeline.resources.mark(workshop.made(old, kind, name, arn), IN_USE)
    workshop.crown(old.run_id, "arn:old-model", "arn:old")
    office.registry.end(old.run_id, 1, PROMOTED, "good", workshop.now(), None)
    office.ended(old, "SUCCEEDED")
    workshop.crown("video-new", "arn:new-model", "arn:new")

    # When looked after within the hour, and after it
    soon = office.reconciler.look_after_all()["released"]
    workshop.pass_time(hours=1, minutes=1)
    later = office.reconciler.look_after_all()["released"]

    # Then its throughput does not bill on, and the model stays for a rollback
    assert soon == []
    assert later == [old.run_id]
    uses = workshop.pipeline.tasks.state("video").uses
    assert not uses("arn:old", workshop.time)
    assert uses("arn:old-model", workshop.time)


def test_a_report_that_cannot_be_written_neither_loses_the_run_nor_what_it_made(office: Office) -> None:
    # Given a run that made something, and a report function that is broken
    run = office.deliver("1")
    office.workshop.made(run, DEPLOYMENT, "left", "arn:left")
    office.functions.report_fails = True

    # When
    office.ended(run, "ABORTED")

    # Then the run has ended, so that the schedule releases it again and a person can retry it
    after = office.registry.run(run.run_id)
    assert (after.state, after.outcome) == (ENDED, STOPPED)
    assert after.reason == "somebody stopped the execution; its report could not be written"
    assert office.registry.slots() == set()
    assert office.reconciler.look_after_all()["released"] == [run.run_id]


def test_the_slot_of_a_run_that_nobody_knows_is_freed_and_told(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a run that was forgotten while it held its slot, and one that waits
    sent: list[dict[str, str]] = []
    topic = SimpleNamespace(publish=lambda **message: sent.append(message))
    monkeypatch.setattr("lambdas.gateways.aws.clients.sns", lambda: topic)
    gone, waiting = office.deliver("1"), office.deliver("2")
    office.registry.forget(gone.run_id)
    # When
    result = office.reconciler.look_after_all()
    # Then
    assert (result["freed"], result["started"]) == ([gone.run_id], [waiting.run_id])
    assert office.registry.slots() == {waiting.run_id}
    assert gone.run_id in sent[0]["Message"]
    assert office.reconciler.look_after_all()["freed"] == []


def test_one_broken_thing_keeps_nothing_else_from_being_looked_after(workshop: Workshop) -> None:
    # Given two runs whose executions ended unseen; of one the service cannot say so
    office = Office(workshop, max_running=2)
    first, second, third = (office.deliver(str(number)) for number in range(3))
    office.states.executions[f"{second.run_id}-1"] = "TIMED_OUT"
    office.states.unknown = {f"{first.run_id}-1"}
    # When
    with pytest.raises(ReconcileIncomplete, match=f"run {first.run_id} .*AccessDenied"):
        office.reconciler.look_after_all()
    # Then
    assert office.registry.run(second.run_id).state == ENDED
    assert office.registry.run(third.run_id).state == RUNNING


def test_a_running_run_that_a_person_stops_ends_stopped_with_the_reason(office: Office) -> None:
    # Given
    run = office.deliver("1")
    # When
    answer = office.reconciler.stop(run.run_id, "too expensive")
    # Then the end of its execution closes it, as any other
    assert answer == {"run_id": run.run_id, "state": RUNNING}
    assert office.ended(run, "ABORTED")["closed"]
    after = office.registry.run(run.run_id)
    assert (after.outcome, after.facts["stop"]["why"]) == (STOPPED, "too expensive")
    assert [payload["outcome"] for _, payload in office.functions.invoked] == [STOPPED, STOPPED]
    # When it is tried again
    again = office.registry.begin_retry(run.run_id, office.workshop.now())
    # Then the next attempt was stopped by nobody
    assert (again.attempt, "stop" in again.facts) == (2, False)


def test_a_queued_run_that_a_person_stops_never_starts(office: Office) -> None:
    # Given
    first, waiting = office.deliver("1"), office.deliver("2")
    # When
    answer = office.reconciler.stop(waiting.run_id, "")
    # Then
    assert answer["state"] == ENDED
    assert office.registry.run(waiting.run_id).outcome == STOPPED
    office.ended(first, "SUCCEEDED")
    assert set(office.states.executions) == {f"{first.run_id}-1"}


def test_a_run_that_has_ended_is_not_stopped(office: Office) -> None:
    # Given
    run = office.deliver("1")
    office.registry.end(run.run_id, 1, PROMOTED, "good", office.workshop.now(), "arn:endpoint")
    # When / Then
    with pytest.raises(StopRefused, match="has ended already: it is PROMOTED"):
        office.reconciler.stop(run.run_id, "too late")
    assert "stop" not in office.registry.run(run.run_id).facts


def test_an_execution_that_begins_after_its_run_was_stopped_does_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a run that was stopped between its slot and its start
    run = office.deliver("1")
    office.states.executions.clear()
    office.reconciler.stop(run.run_id, "")
    monkeypatch.setattr(stage, "deployed_pipeline", lambda: office.workshop.pipeline)
    done: list[str] = []

    def noted(of: Stage) -> dict[str, Any]:
        done.append(of.name)
        return {}

    event = {"run_id": run.run_id, "attempt": 1, "outcome": "FAILED"}
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
    # When
    with pytest.raises(AttemptSuperseded, match="has ended: it was STOPPED"):
        stage.stage_handler("PrepareDataset", noted)(event, context)
    stage.stage_handler("ReleaseResources", noted)(event, context)
    # Then
    assert done == ["ReleaseResources"]
