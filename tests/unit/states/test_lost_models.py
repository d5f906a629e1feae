"""A training that is Completed and paid, and whose model Bedrock does not know: nobody pays for another one unasked."""

from __future__ import annotations

import re

import pytest

from lambdas.domain.errors import DistillationFailed
from lambdas.domain.outcomes import REJECTED
from lambdas.states.launch_distillation.second_try import TRIES
from lambdas.states.release_resources.stage import execute as release
from tests.unit.support.training import launch, started
from tests.unit.support.workshop import Workshop


def complete(workshop: Workshop, name: str) -> None:
    workshop.client.jobs[name].update(status="Completed", endTime=workshop.time)


def trainings(workshop: Workshop) -> int:
    return len(workshop.client.called("CreateModelCustomizationJob"))


def test_it_is_waited_for_a_while(workshop: Workshop) -> None:
    # Given
    run, name = started(workshop)
    complete(workshop, name)
    # When / Then
    assert launch(workshop, run) == {"status": "IN_PROGRESS", "phase": "model", "job_name": name}
    # When
    workshop.client.add_model(name)
    # Then
    assert launch(workshop, run)["status"] == "COMPLETED"
    assert trainings(workshop) == 1


@pytest.mark.parametrize("status", [None, "Failed"])
def test_then_the_run_fails_with_the_job_in_its_ledger(workshop: Workshop, status: str | None) -> None:
    # Given
    run, name = started(workshop)
    complete(workshop, name)
    if status:
        workshop.client.add_model(name, status)
    workshop.pass_time(hours=1)
    # When
    says = f"job {re.escape(name)} is Completed and paid, but its model of the same name is {status or 'not there'}"
    with pytest.raises(DistillationFailed, match=says):
        launch(workshop, run)
    # Then
    assert trainings(workshop) == 1
    assert f"training.{name}" in [entry.id for entry in workshop.pipeline.registry.ledger(run.run_id)]


def test_a_retry_takes_the_model_that_has_come(workshop: Workshop) -> None:
    # Given
    run, name = started(workshop)
    complete(workshop, name)
    second = workshop.fail_and_retry(run)
    workshop.plan(second)
    workshop.client.add_model(name)
    # When / Then
    assert launch(workshop, second)["status"] == "COMPLETED"
    assert trainings(workshop) == 1


@pytest.mark.parametrize("whose", ["another run's", "an earlier attempt's"])
def test_the_model_of_a_job_that_another_one_started_is_waited_for_as_long(workshop: Workshop, whose: str) -> None:
    # Given a training that has just ended, and whose model Bedrock does not list yet
    first, name = started(workshop)
    run = workshop.run("2") if whose == "another run's" else workshop.fail_and_retry(first)
    workshop.plan(run)
    launch(workshop, run)
    complete(workshop, name)
    # When / Then
    assert launch(workshop, run) == {"status": "IN_PROGRESS", "phase": "model", "job_name": name}
    assert trainings(workshop) == 1
    # When
    workshop.client.add_model(name)
    # Then
    assert launch(workshop, run) == {"status": "COMPLETED", "phase": "completed", "job_name": name}
    assert trainings(workshop) == 1


def test_a_model_of_another_run_that_does_not_come_is_trained_anew(workshop: Workshop) -> None:
    # Given
    _, name = started(workshop)
    complete(workshop, name)
    run = workshop.run("2")
    workshop.plan(run)
    workshop.pass_time(hours=1)
    # When / Then
    assert launch(workshop, run)["job_name"] == f"{name}-2"


def test_a_second_training_is_stopped_when_the_first_one_s_model_comes_after_all(workshop: Workshop) -> None:
    # Given a run that began its own training after it had waited for another run's model
    _, name = started(workshop)
    complete(workshop, name)
    run = workshop.run("2")
    workshop.plan(run)
    workshop.pass_time(hours=1)
    own = workshop.client.jobs[launch(workshop, run)["job_name"]]
    # When
    workshop.client.add_model(name)
    result = launch(workshop, run)
    # Then
    assert (result["status"], result["job_name"]) == ("COMPLETED", name)
    assert workshop.client.called("StopModelCustomizationJob") == [own["jobArn"]]
    # When it is asked again
    launch(workshop, run)
    # Then nothing else is stopped
    assert len(workshop.client.called("StopModelCustomizationJob")) == 1


def test_retries_pay_for_so_many_trainings_and_no_more(workshop: Workshop) -> None:
    # Given a run of which every training is lost
    run, name = started(workshop)
    for number in range(1, TRIES):
        complete(workshop, name)
        workshop.pass_time(hours=1)
        run = workshop.fail_and_retry(run)
        workshop.plan(run)
        name = launch(workshop, run)["job_name"]
        assert trainings(workshop) == number + 1
    complete(workshop, name)
    workshop.pass_time(hours=1)
    run = workshop.fail_and_retry(run)
    workshop.plan(run)
    # When / Then
    with pytest.raises(DistillationFailed, match=f"{TRIES} trainings of this run are Completed and paid.*{name}"):
        launch(workshop, run)
    assert trainings(workshop) == TRIES


def test_a_model_that_the_pipeline_deleted_itself_is_not_waited_for(workshop: Workshop) -> None:
    # Given a student that a person rejected: its run is released, its training ended a moment ago
    first, name = started(workshop)
    complete(workshop, name)
    workshop.client.add_model(name)
    assert launch(workshop, first)["status"] == "COMPLETED"
    workshop.pipeline.registry.end(first.run_id, 1, REJECTED, "rejected by a person", workshop.now(), None)
    release(workshop.stage("ReleaseResources", first, outcome=REJECTED))
    assert workshop.client.models == {}
    workshop.pipeline.registry.forget(first.run_id)
    # When the same prompts are uploaded again
    again = workshop.run("2")
    workshop.plan(again)
    result = launch(workshop, again)
    # Then another training begins at once
    assert result["phase"] == "submitted"
    assert result["job_name"] != name
    assert trainings(workshop) == 2
