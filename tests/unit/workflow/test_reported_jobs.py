"""What a report and ``watch`` tell of a training that is under way, has failed, or belonged to an earlier attempt."""

from __future__ import annotations

from typing import Any, Unpack

import pytest

from lambdas.domain.errors import DistillationFailed
from lambdas.domain.run_facts import RunFacts
from lambdas.gateways.registry.runs import Run
from lambdas.workflow.report import gather
from tests.unit.support.training import launch, started
from tests.unit.support.workshop import Workshop

OF_THE_REPORT = {"mode": "label", "drop_rate": 0, "batch": {}, "dropped": 0, "drop_reasons": {}}


def told(workshop: Workshop, run: Run) -> dict[str, Any]:
    key = run.files.teacher_data("teacher_data.json")
    workshop.bucket.write_json(key, workshop.bucket.read_json(key) | OF_THE_REPORT)
    training = gather(workshop.stage("PublishReport", run), outcome=None, reason=None)["training"]
    assert training is not None
    return dict(training)


def statuses(training: dict[str, Any]) -> dict[str, str]:
    return {phase["name"]: phase["status"] for phase in training["phases"]}


def test_a_run_that_ends_while_its_job_trains_reports_the_job_and_how_far_it_came(workshop: Workshop) -> None:
    # Given
    run, name = started(workshop)
    launch(workshop, run)
    # When
    training = told(workshop, run)
    # Then
    assert (training["job_name"], training["job_arn"]) == (name, workshop.client.jobs[name]["jobArn"])
    assert statuses(training) == {"training": "InProgress"}


def test_a_job_that_failed_is_reported_with_the_phase_in_which_it_did(workshop: Workshop) -> None:
    # Given
    run, name = started(workshop)
    launch(workshop, run)
    workshop.client.jobs[name].update(status="Failed", failureMessage="why")
    workshop.client.jobs[name]["statusDetails"]["trainingDetails"]["status"] = "Failed"
    # When
    with pytest.raises(DistillationFailed):
        launch(workshop, run)
    # Then
    training = told(workshop, run)
    assert training["job_name"] == name
    assert statuses(training) == {"training": "Failed"}


def test_an_attempt_that_came_to_no_job_does_not_report_the_job_of_the_one_before(workshop: Workshop) -> None:
    # Given
    run, _ = started(workshop)
    launch(workshop, run)
    # When
    run = workshop.fail_and_retry(run)
    workshop.plan(run)
    # Then
    training = told(workshop, run)
    assert (training["job_name"], training["job_arn"], training["adopted"]) == (None, None, None)
    assert training["phases"] == []


def test_polls_write_the_job_only_where_its_phases_changed(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    run, name = started(workshop)
    registry = workshop.pipeline.registry
    written: list[RunFacts] = []
    record = registry.record_facts

    def watched(run_id: str, **facts: Unpack[RunFacts]) -> None:
        written.append(facts)
        record(run_id, **facts)

    monkeypatch.setattr(registry, "record_facts", watched)
    # When
    for _ in range(3):
        launch(workshop, run)
    # Then
    assert len(written) == 1
    # When a phase moves
    workshop.client.jobs[name]["statusDetails"]["validationDetails"] = {"status": "Completed"}
    for _ in range(3):
        launch(workshop, run)
    # Then
    assert len(written) == 2


def test_a_job_that_is_still_being_stopped_is_no_second_try(workshop: Workshop) -> None:
    # Given
    run, name = started(workshop)
    workshop.pass_time(hours=12.1)
    workshop.client.now = workshop.time
    # When it stalls
    launch(workshop, run)
    workshop.client.jobs[name]["status"] = "Stopping"
    launch(workshop, run)
    # Then
    assert workshop.pipeline.registry.run(run.run_id).progress["failed_tries"] == 0
    # When it has stopped, and the next one trains
    workshop.client.jobs[name]["status"] = "Stopped"
    for _ in range(2):
        launch(workshop, run)
    # Then
    assert workshop.pipeline.registry.run(run.run_id).progress["failed_tries"] == 1
