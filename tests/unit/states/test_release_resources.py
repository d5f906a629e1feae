"""What nobody uses goes, what serves stays, what a retry needs is kept for a while, and nothing is forgotten."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.bedrock_names import resource_tags
from lambdas.gateways.registry.resources import (
    CREATED,
    CUSTOM_MODEL,
    CUSTOMIZATION_JOB,
    DEPLOYMENT,
    IN_USE,
    KEPT,
    PLANNED,
    RELEASED,
    THROUGHPUT,
)
from lambdas.gateways.registry.runs import Run
from lambdas.states.release_resources.stage import execute
from lambdas.workflow.stage import Result
from tests.unit.support.fake_bedrock import refuse
from tests.unit.support.workshop import Workshop

COMPLETED = {"status": "COMPLETED", "released": 0, "pending": 0}


def release(workshop: Workshop, run: Run, outcome: str) -> Result:
    return execute(workshop.stage("ReleaseResources", run, outcome=outcome))


def states(workshop: Workshop, run: Run) -> dict[str, str]:
    return {item.kind: item.state for item in workshop.pipeline.resources.of_run(run.run_id)}


def test_a_run_that_made_nothing_releases_nothing(workshop: Workshop) -> None:
    # Given
    run = workshop.run()

    # When / Then
    assert release(workshop, run, "FAILED") == COMPLETED
    assert workshop.client.calls == []


@pytest.mark.parametrize("kind", [DEPLOYMENT, THROUGHPUT])
def test_an_endpoint_that_is_still_being_created_is_pending_until_it_can_be_deleted(
    workshop: Workshop, kind: str
) -> None:
    # Given
    run = workshop.run()
    add = workshop.client.add_deployment if kind == DEPLOYMENT else workshop.client.add_throughput
    arn = add("dev-video-1", "arn:model", "Creating")
    workshop.made(run, kind, "dev-video-1", arn)

    # When
    first = release(workshop, run, "REJECTED")
    workshop.client.endpoints[arn]["status"] = "Active"
    second = release(workshop, run, "REJECTED")

    # Then
    assert first == {"status": "IN_PROGRESS", "released": 0, "pending": 1}
    assert second == {"status": "COMPLETED", "released": 1, "pending": 0}
    assert workshop.client.endpoints == {}
    assert states(workshop, run) == {kind: RELEASED}


@pytest.mark.parametrize("kind", [DEPLOYMENT, THROUGHPUT])
def test_an_endpoint_whose_arn_a_crash_swallowed_is_found_by_its_name(workshop: Workshop, kind: str) -> None:
    # Given a crash between the create call and the registry, and a neighbour whose name begins the same
    run = workshop.run()
    add = workshop.client.add_deployment if kind == DEPLOYMENT else workshop.client.add_throughput
    neighbour = add("dev-video-10", "arn:model")
    add("dev-video-1", "arn:model")
    workshop.made(run, kind, "dev-video-1", None, PLANNED)

    # When
    result = release(workshop, run, "FAILED")

    # Then
    assert result["released"] == 1
    assert list(workshop.client.endpoints) == [neighbour]


def test_a_job_under_way_is_stopped(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    arn = workshop.client.add_job("dev-video-1", "InProgress")
    workshop.made(run, CUSTOMIZATION_JOB, "dev-video-1", arn)

    # When
    result = release(workshop, run, "FAILED")

    # Then
    assert result == {"status": "COMPLETED", "released": 1, "pending": 0}
    assert workshop.client.called("StopModelCustomizationJob") == [arn]


@pytest.mark.parametrize("undecided", [False, True])
def test_the_model_of_a_rejected_run_is_kept_only_where_there_was_too_little_evidence(
    workshop: Workshop, undecided: bool
) -> None:
    # Given
    run = workshop.run()
    workshop.client.add_model("dev-video-1")
    workshop.made(run, CUSTOM_MODEL, "dev-video-1", None, PLANNED)
    workshop.pipeline.registry.record_facts(run.run_id, undecided=undecided)

    # When
    release(workshop, run, "REJECTED")

    # Then
    assert states(workshop, run) == {CUSTOM_MODEL: KEPT if undecided else RELEASED}


@pytest.mark.parametrize("outcome", ["FAILED", "EXPIRED"])
def test_the_model_of_a_failed_run_is_kept_for_its_retry_and_then_deleted(workshop: Workshop, outcome: str) -> None:
    # Given
    run = workshop.run()
    arn = workshop.client.add_model("dev-video-1")
    workshop.made(run, CUSTOM_MODEL, "dev-video-1", None, PLANNED)

    # When released, released again six days later, and after the setting's seven days
    now = release(workshop, run, outcome)
    (kept,) = workshop.pipeline.resources.of_run(run.run_id)
    workshop.pass_time(days=6)
    soon = release(workshop, run, outcome)
    workshop.pass_time(days=1.1)
    assert arn in {model["modelArn"] for model in workshop.client.models.values()}
    late = release(workshop, run, outcome)

    # Then
    assert (kept.state, kept.arn, kept.keep_until) == (KEPT, arn, "2026-09-08T10:00:00.000Z")
    assert (now, soon) == (COMPLETED, COMPLETED)
    assert late["released"] == 1
    assert workshop.client.models == {}
    assert states(workshop, run) == {CUSTOM_MODEL: RELEASED}


def test_the_model_of_a_rejected_run_goes_at_once(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    workshop.made(run, CUSTOM_MODEL, "dev-video-1", workshop.client.add_model("dev-video-1"))

    # When
    result = release(workshop, run, "REJECTED")

    # Then
    assert result["released"] == 1
    assert workshop.client.models == {}


def test_a_model_that_never_came_to_be_is_closed(workshop: Workshop) -> None:
    # Given the plan of a job that was never created
    run = workshop.run()
    workshop.made(run, CUSTOM_MODEL, "dev-video-1", None, PLANNED)
    workshop.made(run, CUSTOMIZATION_JOB, "dev-video-1", None, PLANNED)

    # When released at once, and again when no Lambda that could still create it is running
    first = release(workshop, run, "FAILED")
    workshop.pass_time(minutes=16)
    second = release(workshop, run, "FAILED")

    # Then
    assert first == {"status": "COMPLETED", "released": 0, "pending": 0}
    assert second == {"status": "COMPLETED", "released": 2, "pending": 0}
    assert set(states(workshop, run).values()) == {RELEASED}


@pytest.mark.parametrize("listed_late", [False, True])
@pytest.mark.parametrize("outcome", ["STOPPED", "REJECTED"])
def test_a_model_of_a_job_that_completes_while_it_is_stopped_is_not_forgotten(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, outcome: str, listed_late: bool
) -> None:
    # Given a job that is stopped too late
    run = workshop.run()
    job = workshop.client.add_job("dev-video-1", "InProgress")
    workshop.made(run, CUSTOM_MODEL, "dev-video-1", None, PLANNED)
    workshop.made(run, CUSTOMIZATION_JOB, "dev-video-1", job)
    monkeypatch.setattr(workshop.client, "stop_model_customization_job", lambda jobIdentifier: None)  # noqa: ARG005, N803

    # When it completes after the release has looked, and its model is listed with it or later
    first = release(workshop, run, outcome)
    workshop.client.jobs["dev-video-1"].update(status="Completed", endTime=workshop.pipeline.now())
    results = [first]
    if listed_late:
        results.append(release(workshop, run, outcome))
    workshop.client.add_model("dev-video-1")
    results.append(release(workshop, run, outcome))

    # Then the run is not done with before, and the model has the fate of every model
    assert [result["status"] for result in results] == ["IN_PROGRESS"] * (len(results) - 1) + ["COMPLETED"]
    kept = outcome == "STOPPED"
    assert states(workshop, run) == {CUSTOM_MODEL: KEPT if kept else RELEASED, CUSTOMIZATION_JOB: RELEASED}
    assert bool(workshop.client.models) == kept


def test_a_completed_job_whose_model_never_came_does_not_hold_the_release_for_ever(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    job = workshop.client.add_job("dev-video-1", "Completed", endTime=workshop.pipeline.now())
    workshop.made(run, CUSTOM_MODEL, "dev-video-1", None, PLANNED)
    workshop.made(run, CUSTOMIZATION_JOB, "dev-video-1", job)

    # When
    first = release(workshop, run, "FAILED")
    workshop.pass_time(minutes=31)
    second = release(workshop, run, "FAILED")

    # Then
    assert (first["status"], second["status"]) == ("IN_PROGRESS", "COMPLETED")
    assert set(states(workshop, run).values()) == {RELEASED}


def make(workshop: Workshop, kind: str) -> str:
    """Do what the create call does."""
    if kind == CUSTOMIZATION_JOB:
        return workshop.client.add_job("dev-video-1", "InProgress")
    if kind == DEPLOYMENT:
        return workshop.client.add_deployment("dev-video-1", "arn:model")
    return workshop.client.add_throughput("dev-video-1", "arn:model")


@pytest.mark.parametrize("kind", [DEPLOYMENT, THROUGHPUT, CUSTOMIZATION_JOB])
def test_what_a_dying_lambda_creates_after_the_release_is_found_by_its_planned_name(
    workshop: Workshop, kind: str
) -> None:
    # Given an execution that was stopped while its Lambda was between plan and create call
    run = workshop.run()
    workshop.made(run, kind, "dev-video-1", None, PLANNED)
    first = release(workshop, run, "FAILED")

    # When the Lambda makes it and is killed before it writes so, and the schedule comes back within its five minutes
    make(workshop, kind)
    workshop.pass_time(minutes=5)
    assert [item.name for item in workshop.pipeline.resources.open()] == ["dev-video-1"]
    second = release(workshop, run, "FAILED")

    # Then
    assert (first["status"], second["released"]) == ("COMPLETED", 1)
    assert workshop.client.endpoints == {}
    assert all(job["status"] == "Stopped" for job in workshop.client.jobs.values())
    assert states(workshop, run) == {kind: RELEASED}


def test_what_serves_the_task_stays_and_the_candidates_deployment_goes(workshop: Workshop) -> None:
    # Given a promoted run
    run = workshop.run()
    model_arn = workshop.client.add_model("dev-video-1")
    endpoint = workshop.client.add_throughput("dev-video-1", model_arn)
    workshop.made(run, CUSTOM_MODEL, "dev-video-1", model_arn)
    workshop.made(run, DEPLOYMENT, "dev-video-1", workshop.client.add_deployment("dev-video-1", model_arn))
    workshop.pipeline.resources.mark(workshop.made(run, THROUGHPUT, "dev-video-1", endpoint), IN_USE)
    workshop.crown(run.run_id, model_arn, endpoint)

    # When
    result = release(workshop, run, "PROMOTED")

    # Then
    assert result == {"status": "COMPLETED", "released": 1, "pending": 0}
    assert list(workshop.client.endpoints) == [endpoint]
    assert list(workshop.client.models) == ["dev-video-1"]


def test_the_model_to_which_a_rollback_returns_stays(workshop: Workshop) -> None:
    # Given a first champion that a second one followed
    first, second = workshop.run("1"), workshop.run("2")
    model_arn = workshop.client.add_model("dev-video-1")
    workshop.made(first, CUSTOM_MODEL, "dev-video-1", model_arn)
    workshop.crown(first.run_id, model_arn, "arn:endpoint")
    workshop.crown(second.run_id, "arn:model/2", "arn:endpoint")

    # When
    result = release(workshop, first, "PROMOTED")

    # Then
    assert result == COMPLETED
    assert list(workshop.client.models) == ["dev-video-1"]


def test_a_champions_endpoint_that_this_run_pointed_away_is_pointed_back(workshop: Workshop) -> None:
    # Given a promotion that died after its update
    old_model, new_model = workshop.client.add_model("old"), workshop.client.add_model("dev-video-1")
    endpoint = workshop.client.add_throughput("dev-video-old", new_model, "Updating")
    workshop.crown("video-old", old_model, endpoint)
    run = workshop.run()
    workshop.made(run, CUSTOM_MODEL, "dev-video-1", new_model)
    workshop.pipeline.registry.record_facts(run.run_id, pointed_endpoint={"endpoint_arn": endpoint})

    # When
    while_updating = release(workshop, run, "FAILED")
    workshop.client.endpoints[endpoint]["status"] = "InService"
    pointing_back = release(workshop, run, "FAILED")
    workshop.client.endpoints[endpoint]["status"] = "InService"
    done = release(workshop, run, "FAILED")

    # Then
    assert [result["status"] for result in (while_updating, pointing_back, done)] == [
        "IN_PROGRESS",
        "IN_PROGRESS",
        "COMPLETED",
    ]
    assert workshop.client.called("UpdateProvisionedModelThroughput") == [(endpoint, old_model)]
    assert workshop.client.endpoints[endpoint]["modelArn"] == old_model
    assert states(workshop, run) == {CUSTOM_MODEL: KEPT}


def test_until_the_champion_is_back_the_lease_is_held_and_the_schedule_still_sees_the_run(workshop: Workshop) -> None:
    # Given an execution that was stopped while the champion's endpoint changed to the candidate's model
    old_model, new_model = workshop.client.add_model("old"), workshop.client.add_model("dev-video-1")
    endpoint = workshop.client.add_throughput("dev-video-old", new_model, "Updating")
    workshop.crown("video-old", old_model, endpoint)
    run, tasks = workshop.run(), workshop.pipeline.tasks
    workshop.made(run, CUSTOM_MODEL, "dev-video-1", new_model)
    workshop.pipeline.registry.record_facts(run.run_id, pointed_endpoint={"endpoint_arn": endpoint})
    mine = workshop.stage("ReleaseResources", run).owner
    tasks.take_lease("video", mine, "video-old", workshop.now(), "2026-09-01T11:00:00.000Z")

    # When
    release(workshop, run, "FAILED")

    # Then the model is neither kept, which would hide the run from the schedule for days, nor deleted
    assert states(workshop, run) == {CUSTOM_MODEL: CREATED}
    assert tasks.state("video").lease_owner == mine


def test_an_endpoint_that_another_attempt_is_promoting_on_is_left_to_it(workshop: Workshop) -> None:
    # Given a run that pointed the endpoint away before, and another that holds the lease and points it elsewhere now
    old_model, other_model = workshop.client.add_model("old"), workshop.client.add_model("dev-video-2")
    endpoint = workshop.client.add_throughput("dev-video-old", other_model)
    workshop.crown("video-old", old_model, endpoint)
    run, tasks = workshop.run(), workshop.pipeline.tasks
    workshop.pipeline.registry.record_facts(run.run_id, pointed_endpoint={"endpoint_arn": endpoint})
    tasks.take_lease("video", "video-other-1", "video-old", workshop.now(), "2026-09-01T11:00:00.000Z")

    # When
    result = release(workshop, run, "FAILED")

    # Then
    assert result == COMPLETED
    assert workshop.client.called("UpdateProvisionedModelThroughput") == []


def test_release_gives_its_own_lease_back_and_nobody_elses(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    tasks = workshop.pipeline.tasks
    tasks.take_lease("video", "video-other-1", None, workshop.now(), "2026-09-01T11:00:00.000Z")

    # When / Then
    release(workshop, run, "FAILED")
    assert tasks.state("video").lease_owner == "video-other-1"
    tasks.drop_lease("video", "video-other-1")
    tasks.take_lease("video", f"{run.run_id}-1", None, workshop.now(), "2026-09-01T11:00:00.000Z")
    release(workshop, run, "FAILED")
    assert tasks.state("video").lease_owner is None


def test_a_model_that_another_run_on_the_same_content_adopted_is_left_to_it(workshop: Workshop) -> None:
    # Given two runs whose training content is the same, so that they share one model
    first, second = workshop.run(), workshop.run("2")
    arn = workshop.client.add_model("dev-video-shared")
    for run in (first, second):
        workshop.made(run, CUSTOM_MODEL, "dev-video-shared", arn)

    # When the first is rejected
    release(workshop, first, "REJECTED")

    # Then the other still has it, and takes it away when it is rejected too
    assert states(workshop, first) == {CUSTOM_MODEL: RELEASED}
    assert list(workshop.client.models) == ["dev-video-shared"]
    release(workshop, second, "REJECTED")
    assert workshop.client.models == {}


def launched_job(workshop: Workshop, status: str, *, phases: dict[str, str]) -> tuple[Run, str]:
    """Give a run with a customization job of its own that nobody looked at since."""
    run = workshop.run()
    workshop.plan(run)
    name = "dev-video-job"
    details = {phase: {"status": state} for phase, state in phases.items()}
    arn = workshop.client.add_job(name, status, statusDetails=details)
    workshop.client.tags[arn].append({"key": "run", "value": run.run_id})
    workshop.made(run, CUSTOMIZATION_JOB, name, arn)
    return run, arn


def test_a_job_that_a_release_stops_is_in_the_ledger_at_most(workshop: Workshop) -> None:
    # Given a run that was killed while its job trained
    phases = {"dataProcessingDetails": "Completed", "trainingDetails": "InProgress"}
    run, _ = launched_job(workshop, "InProgress", phases=phases)

    # When, twice as after a crash
    results = [release(workshop, run, "FAILED") for _ in range(2)]

    # Then the teacher's calls were all made, and how far the training came nobody says
    assert [result["released"] for result in results] == [1, 0]
    ledger = workshop.pipeline.registry.ledger(run.run_id)
    assert sorted((entry.stage, entry.id, entry.kind) for entry in ledger) == [
        ("LaunchDistillation", "own-teacher-calls.dev-video-job", "derived"),
        ("LaunchDistillation", "training.dev-video-job", "at most"),
    ]


def test_a_job_that_another_run_pays_is_not_in_this_ledger(workshop: Workshop) -> None:
    # Given
    run, arn = launched_job(workshop, "Completed", phases={"trainingDetails": "Completed"})
    workshop.client.tags[arn] = [{"key": "run", "value": "video-of-somebody-else"}]

    # When
    release(workshop, run, "FAILED")

    # Then
    assert workshop.pipeline.registry.ledger(run.run_id) == []


def test_what_keeps_a_cost_from_being_known_keeps_nothing_from_being_released(workshop: Workshop) -> None:
    # Given a run whose plan is gone
    run, _ = launched_job(workshop, "Completed", phases={"trainingDetails": "Completed"})
    workshop.bucket.objects.clear()

    # When / Then
    assert release(workshop, run, "FAILED")["status"] == "COMPLETED"
    assert states(workshop, run)[CUSTOMIZATION_JOB] == RELEASED


@pytest.mark.parametrize("tags", [[], [{"key": "distillation:environment", "value": "prod"}]])
def test_what_the_registry_names_and_another_team_owns_is_not_deleted(
    workshop: Workshop, tags: list[dict[str, str]]
) -> None:
    # Given an item that names a throughput whose own tags say otherwise
    run = workshop.run()
    arn = workshop.client.add_throughput("dev-tools", "arn:model")
    workshop.client.tags[arn] = tags
    workshop.made(run, THROUGHPUT, "dev-tools", arn)
    # When
    result = release(workshop, run, "FAILED")
    # Then
    assert result["status"] == "COMPLETED"
    assert arn in workshop.client.endpoints


@pytest.mark.parametrize("kind", [DEPLOYMENT, THROUGHPUT])
def test_an_endpoint_that_carries_the_tag_of_another_run_that_goes_on_stays(workshop: Workshop, kind: str) -> None:
    # Given an item of the registry that names what another run has made
    run, other = workshop.run("1"), workshop.run("2")
    add = workshop.client.add_deployment if kind == DEPLOYMENT else workshop.client.add_throughput
    arn = add("dev-video-1", "arn:model")
    workshop.client.tags[arn] = resource_tags("dev", "video", other.run_id, "PromoteStudent")
    workshop.made(run, kind, "dev-video-1", arn)
    # When / Then
    assert release(workshop, run, "FAILED")["status"] == "COMPLETED"
    assert arn in workshop.client.endpoints
    # And: once that run is over nobody else would delete it
    workshop.pipeline.registry.end(other.run_id, other.attempt, "FAILED", "why", workshop.now(), None)
    workshop.made(run, kind, "dev-video-1b", arn)
    assert release(workshop, run, "FAILED")["status"] == "COMPLETED"
    assert arn not in workshop.client.endpoints


def test_what_is_gone_between_look_and_deletion_is_released(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: what is gone has no tags, and IAM allows deleting only what has ours
    run = workshop.run()
    arn = workshop.client.add_deployment("dev-video-1", "arn:model")
    workshop.made(run, DEPLOYMENT, "dev-video-1", arn)

    def denied(**_: str) -> None:
        workshop.client.endpoints.pop(arn)
        raise refuse("AccessDeniedException", "DeleteCustomModelDeployment")

    monkeypatch.setattr(workshop.client, "delete_custom_model_deployment", denied)
    # When / Then
    assert release(workshop, run, "FAILED") == {"status": "COMPLETED", "released": 1, "pending": 0}


def test_a_deletion_that_is_denied_is_told(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    run = workshop.run()
    arn = workshop.client.add_deployment("dev-video-1", "arn:model")
    workshop.made(run, DEPLOYMENT, "dev-video-1", arn)

    def denied(**_: str) -> None:
        raise refuse("AccessDeniedException", "DeleteCustomModelDeployment")

    monkeypatch.setattr(workshop.client, "delete_custom_model_deployment", denied)
    with pytest.raises(ClientError, match="AccessDenied"):
        release(workshop, run, "FAILED")
