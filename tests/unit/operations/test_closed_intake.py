"""While an environment is torn down nothing is started, created or bought; a later deployment opens it by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdas.domain.errors import EnvironmentClosed, RollbackRefused
from lambdas.gateways.registry.resources import DEPLOYMENT, RELEASED
from lambdas.gateways.registry.runs import QUEUED, RUNNING
from lambdas.workflow.serving.rollback import roll_back
from tests.unit.operations.test_start_and_reconcile import MACHINE, Office
from tests.unit.support.workshop import Workshop


@pytest.fixture
def office(workshop: Workshop) -> Office:
    return Office(workshop, max_running=2)


def test_an_upload_waits_while_the_intake_is_closed_and_starts_when_it_is_open(office: Office) -> None:
    # Given
    intake = office.workshop.pipeline.intake
    intake.close(MACHINE, office.workshop.now())
    # When
    run = office.deliver("1")
    # Then
    assert (run.state, office.states.executions) == (QUEUED, {})
    assert office.reconciler.look_after_all()["started"] == []
    # When
    intake.open_again()
    # Then
    assert office.reconciler.look_after_all()["started"] == [run.run_id]
    assert office.registry.run(run.run_id).state == RUNNING


def test_the_machine_of_a_later_deployment_opens_the_intake_by_asking(office: Office) -> None:
    # Given an environment that was torn down and deployed again
    office.workshop.pipeline.intake.close("arn:of:the:machine:that:was:destroyed", office.workshop.now())
    # When / Then
    assert office.deliver("1").state == RUNNING
    assert office.workshop.pipeline.intake.closed_since() is None


def test_a_lambda_that_outlives_its_execution_plans_and_creates_nothing(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    workshop.pipeline.intake.close(MACHINE, workshop.now())
    # When / Then
    with pytest.raises(EnvironmentClosed, match="is not created: this environment is being torn down"):
        workshop.made(run, DEPLOYMENT, "dev-video-1", None)
    assert workshop.pipeline.resources.of_run(run.run_id) == []


def test_what_was_created_before_the_intake_closed_is_written_down_all_the_same(workshop: Workshop) -> None:
    # Given a create call under way while teardown closes the intake and the run is forgotten
    run = workshop.run()
    planned = workshop.made(run, DEPLOYMENT, "dev-video-1", None)
    workshop.pipeline.intake.close(MACHINE, workshop.now())
    workshop.pipeline.registry.forget(run.run_id)
    # When
    workshop.pipeline.resources.created(planned, "arn:made")
    # Then
    [known] = workshop.pipeline.resources.of_run(run.run_id)
    assert known.arn == "arn:made"
    assert known.state != RELEASED


def test_nothing_is_rolled_back_while_the_environment_is_torn_down(workshop: Workshop) -> None:
    workshop.crown("video-old", "arn:old-model", "arn:old")
    workshop.crown("video-new", "arn:model", "arn:endpoint")
    workshop.pipeline.intake.close(MACHINE, workshop.now())
    with pytest.raises(RollbackRefused, match="being torn down since"):
        roll_back(workshop.pipeline, "video", None, "")


def test_a_task_that_was_torn_down_has_no_champion_and_says_which_it_had(workshop: Workshop) -> None:
    # Given
    workshop.crown("video-1", "arn:model", "arn:endpoint")
    tasks = workshop.pipeline.tasks
    # When, twice
    for _ in range(2):
        tasks.tear_down("video", workshop.now())
    # Then
    state = tasks.state("video")
    assert (state.champion, state.former, state.torn_down_run) == (None, [], "video-1")
    assert [entry["action"] for entry in tasks.history("video")] == ["promoted", "torn down"]
    # When another student is promoted later
    workshop.pass_time(hours=1)
    workshop.crown("video-2", "arn:model-2", "arn:endpoint-2")
    assert replace(tasks.state("video")).champion is not None
