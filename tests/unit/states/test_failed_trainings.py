"""A job that fails, stalls or whose pair is refused: what is tried once more, and what ends the run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lambdas.domain.costs.ledger import AT_MOST
from lambdas.domain.errors import DistillationFailed, RetryLater
from lambdas.domain.outcomes import FAILED
from lambdas.states.release_resources.stage import execute as release_resources
from lambdas.workflow.report import gather
from tests.unit.support.training import launch, started
from tests.unit.support.workshop import Workshop


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_our_own_job_that_failed_ends_the_attempt_with_the_reason_of_the_service(
    workshop: Workshop, status: str
) -> None:
    # Given
    run, name = started(workshop)
    workshop.client.jobs[name].update(status=status, failureMessage="the training file has too few records")

    # When / Then
    with pytest.raises(DistillationFailed, match=f"{name} is {status}: the training file has too few records"):
        launch(workshop, run)


def test_a_job_without_progress_is_stopped_and_tried_again_once_when_it_has_stopped(workshop: Workshop) -> None:
    # Given a phase that last moved longer ago than the setting's twelve hours
    run, name = started(workshop)
    workshop.pass_time(hours=12.1)

    # When it stops but slowly
    stopping = launch(workshop, run)
    workshop.client.jobs[name]["status"] = "Stopping"
    results = [launch(workshop, run) for _ in range(2)]

    # Then nothing else is started, so that two are never paid at once
    assert [item["phase"] for item in (stopping, *results)] == ["stopping"] * 3
    assert workshop.client.called("StopModelCustomizationJob") == [workshop.client.jobs[name]["jobArn"]]
    assert len(workshop.client.called("CreateModelCustomizationJob")) == 1

    # When it has stopped
    workshop.client.jobs[name]["status"] = "Stopped"
    second = launch(workshop, run)

    # Then
    assert second == {"status": "IN_PROGRESS", "phase": "submitted", "job_name": f"{name}-2"}
    (failed,) = workshop.pipeline.registry.run(run.run_id).facts["failed_tries"]
    assert failed["job_name"] == name
    assert "'distillation_stall_hours' (12); it was stopped" in failed["reason"]


def test_a_job_in_a_status_that_is_not_known_is_waited_for_and_stopped_and_no_second_one_is_paid(
    workshop: Workshop,
) -> None:
    # Given a status that the service model does not have
    run, name = started(workshop)
    workshop.client.jobs[name]["status"] = "Queued"

    # When / Then it is waited for
    assert launch(workshop, run)["status"] == "IN_PROGRESS"
    assert len(workshop.client.called("CreateModelCustomizationJob")) == 1

    # When the run ends, then it is stopped
    release_resources(workshop.stage("ReleaseResources", run, outcome=FAILED))
    assert workshop.client.called("StopModelCustomizationJob") == [workshop.client.jobs[name]["jobArn"]]


def test_a_second_stall_fails_the_run_and_names_both(workshop: Workshop) -> None:
    # Given
    run, name = started(workshop)
    workshop.pass_time(hours=12.1)
    launch(workshop, run)
    workshop.client.now = workshop.time
    assert launch(workshop, run)["job_name"] == f"{name}-2"
    workshop.pass_time(hours=12.1)
    assert launch(workshop, run)["phase"] == "stopping"

    # When / Then
    with pytest.raises(DistillationFailed, match=f"job {name}-2 made no progress .* Before that, job {name} made"):
        launch(workshop, run)
    assert len(workshop.client.called("CreateModelCustomizationJob")) == 2


@pytest.mark.parametrize(("minutes", "again"), [(2, True), (60, False)])
def test_an_internal_error_is_tried_again_only_within_the_first_minutes(
    workshop: Workshop, minutes: int, again: bool
) -> None:
    # Given
    run, name = started(workshop)
    ended = workshop.time + timedelta(minutes=minutes)
    message = "Encountered an internal error when processing the request."
    workshop.client.jobs[name].update(status="Failed", failureMessage=message, endTime=ended)

    # When / Then
    if again:
        assert launch(workshop, run)["job_name"] == f"{name}-2"
    else:
        with pytest.raises(DistillationFailed, match="internal error"):
            launch(workshop, run)
    # a retry of the run may try twice anew
    assert workshop.client.called("StopModelCustomizationJob") == []


def test_a_stopped_job_is_counted_with_what_it_began(workshop: Workshop) -> None:
    # Given a distillation that stalled in training, before which Bedrock asked the teacher
    run, name = started(workshop)
    details = workshop.client.jobs[name]["statusDetails"]
    details["dataProcessingDetails"] = {**details["trainingDetails"], "status": "Completed"}
    details["trainingDetails"] = {"status": "NotStarted"}
    workshop.pass_time(hours=12.1)
    launch(workshop, run)

    # When
    launch(workshop, run)

    # Then
    assert [entry.id for entry in workshop.pipeline.registry.ledger(run.run_id)] == [f"own-teacher-calls.{name}"]


def test_a_job_that_moves_is_left_alone_however_long_it_takes(workshop: Workshop) -> None:
    # Given forty hours in which a phase moved now and then
    run, name = started(workshop)
    workshop.pass_time(hours=40)
    training = workshop.client.jobs[name]["statusDetails"]["trainingDetails"]
    training["lastModifiedTime"] = workshop.time - timedelta(hours=11)

    # When
    result = launch(workshop, run)

    # Then
    assert result == {"status": "IN_PROGRESS", "phase": "training", "job_name": name}
    assert workshop.client.called("StopModelCustomizationJob") == []


def test_a_job_that_tells_of_no_phase_is_watched_by_the_time_of_its_last_change(workshop: Workshop) -> None:
    # Given a fine-tuning: the service model has statusDetails for distillation jobs
    run, name = started(workshop)
    del workshop.client.jobs[name]["statusDetails"]
    workshop.pass_time(hours=13)
    workshop.client.jobs[name]["lastModifiedTime"] = workshop.time - timedelta(hours=1)
    assert launch(workshop, run)["phase"] == "waiting"

    # When nothing of it changes any more
    workshop.pass_time(hours=11.1)

    # Then
    assert launch(workshop, run)["phase"] == "stopping"
    assert len(workshop.client.called("StopModelCustomizationJob")) == 1


def test_a_stopped_job_that_tells_of_no_phase_is_counted_with_the_most_that_it_can_have_cost(
    workshop: Workshop,
) -> None:
    # Given
    run, name = started(workshop)
    del workshop.client.jobs[name]["statusDetails"]
    workshop.pass_time(hours=12.1)
    launch(workshop, run)

    # When
    launch(workshop, run)

    # Then
    ledger = {entry.id: entry.kind for entry in workshop.pipeline.registry.ledger(run.run_id)}
    assert ledger == {f"own-teacher-calls.{name}": AT_MOST, f"training.{name}": AT_MOST}


def test_a_job_that_completes_before_its_stop_takes_effect_is_used_and_told_as_no_failed_try(
    workshop: Workshop,
) -> None:
    # Given a job that ended between two calls: the one that saw it stall, and the one that stops it
    run, name = started(workshop)
    workshop.pass_time(hours=12.1)
    workshop.client.refuses["StopModelCustomizationJob"] = "ConflictException"
    assert launch(workshop, run)["phase"] == "stopping"
    workshop.client.jobs[name].update(status="Completed", endTime=workshop.time)
    workshop.client.add_model(name)

    # When
    result = launch(workshop, run)

    # Then
    assert result == {"status": "COMPLETED", "phase": "completed", "job_name": name}
    assert workshop.pipeline.registry.run(run.run_id).facts["failed_tries"] == []
    assert len(workshop.client.called("CreateModelCustomizationJob")) == 1


def test_a_job_that_an_earlier_attempt_left_running_is_stopped_when_it_stalls(workshop: Workshop) -> None:
    # Given an attempt that was killed, and whose release did not come to its job
    run, name = started(workshop)
    run = workshop.fail_and_retry(run)
    workshop.plan(run)
    assert launch(workshop, run)["job_name"] == name

    # When
    workshop.pass_time(hours=12.1)
    results = [launch(workshop, run) for _ in range(2)]

    # Then nobody waits for it until the deadline
    assert [item["phase"] for item in results] == ["stopping", "submitted"]
    assert results[-1]["job_name"] == f"{name}-2"


def test_a_create_that_fails_inside_the_service_says_what_a_closed_pair_looks_like(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    workshop.plan(run)
    workshop.client.refuses["CreateModelCustomizationJob"] = "InternalServerException"

    # When / Then
    with pytest.raises(
        RetryLater, match=r"as the service words it\. .*'training' to \"fine_tuning\" in task\.json and upload again"
    ):
        launch(workshop, run)


def test_a_job_without_a_status_is_under_way(workshop: Workshop) -> None:
    # Given: the service model does not require the field
    run, name = started(workshop)
    del workshop.client.jobs[name]["status"]

    # When / Then
    assert launch(workshop, run)["status"] == "IN_PROGRESS"


def test_nine_useless_jobs_for_the_same_content_are_enough(workshop: Workshop) -> None:
    # Given that every name for the content is burnt by somebody else's failed job
    run, name = started(workshop)
    workshop.pipeline.resources.released(workshop.pipeline.resources.of_run(run.run_id)[0], workshop.now())
    for suffix in ["", *(f"-{number}" for number in range(2, 10))]:
        workshop.client.add_job(name + suffix, "Failed")
    run = workshop.fail_and_retry(run)
    workshop.plan(run)

    # When / Then
    with pytest.raises(DistillationFailed, match=r"9 jobs for the same training file failed .*upload them again"):
        launch(workshop, run)


PAIR = "The student model amazon.nova-micro-v1:0 is not supported with the teacher model amazon.nova-pro-v1:0."


LEGACY = "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model"


@pytest.mark.parametrize(
    ("code", "says"),
    [("ValidationException", PAIR), ("AccessDeniedException", PAIR), ("ResourceNotFoundException", LEGACY)],
)
def test_a_refused_pair_is_fine_tuned_on_the_same_data_in_the_same_run(
    workshop: Workshop, code: str, says: str
) -> None:
    # Given
    run = workshop.run()
    workshop.plan(run)
    workshop.client.refuses["CreateModelCustomizationJob"], workshop.client.says = code, says
    assert launch(workshop, run)["phase"] == "refused"

    # When
    workshop.client.refuses.clear()
    launch(workshop, run)

    # Then
    _, request = workshop.client.called("CreateModelCustomizationJob")
    assert request["customizationType"] == "FINE_TUNING"
    assert "customizationConfig" not in request
    assert workshop.pipeline.registry.run(run.run_id).facts["pair_refused"]["message"].endswith(says)


def test_distillation_that_the_task_forces_is_not_replaced(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    workshop.plan(run)
    workshop.bucket.write_json(run.files.task_definition, {"training": "distillation"})
    workshop.client.refuses["CreateModelCustomizationJob"], workshop.client.says = "ValidationException", PAIR

    # When / Then
    with pytest.raises(
        DistillationFailed, match=r"refused the distillation job.*'training' to \"auto\" .*upload again"
    ):
        launch(workshop, run)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("ValidationException", "bad bucket"),
        # What a refusal names of ours has the word distillation in it.
        ("ValidationException", "Could not assume arn:aws:iam::000000000000:role/distillation-dev-pipeline-Role-1."),
        ("ValidationException", "Cannot read s3://distillation-runs-000000000000/runs/1/training.jsonl"),
        ("ValidationException", "Bucket distillation-runs-000000000000 is in another Region"),
        (
            "AccessDeniedException",
            "User: arn:aws:sts::000000000000:assumed-role/a is not authorized to perform: iam:PassRole",
        ),
    ],
)
def test_a_refusal_that_is_not_about_the_pair_is_the_runs_failure(workshop: Workshop, code: str, says: str) -> None:
    # Given
    run = workshop.run()
    workshop.plan(run)
    workshop.client.refuses["CreateModelCustomizationJob"], workshop.client.says = code, says

    # When / Then
    with pytest.raises(DistillationFailed, match="nothing was paid") as failed:
        launch(workshop, run)
    assert says.rstrip(".") in str(failed.value)
    assert "pair_refused" not in workshop.pipeline.registry.run(run.run_id).facts


def test_a_refused_pair_cannot_fine_tune_on_records_without_an_answer(workshop: Workshop) -> None:
    # Given a file of prompts, most of which Bedrock's own teacher was to answer
    run = workshop.run()
    workshop.plan(run)
    facts = workshop.bucket.read_json(run.files.teacher_data("teacher_data.json"))
    workshop.bucket.write_json(run.files.teacher_data("teacher_data.json"), {**facts, "labelled_records": 300})
    workshop.client.refuses["CreateModelCustomizationJob"], workshop.client.says = "ValidationException", PAIR

    # When / Then
    with pytest.raises(DistillationFailed, match=r"700 of its 1,000 records have no answer.*\"label\" .*upload again"):
        launch(workshop, run)
    assert "pair_refused" not in workshop.pipeline.registry.run(run.run_id).facts


def test_a_pair_that_is_open_again_is_not_told_as_refused(workshop: Workshop) -> None:
    # Given an attempt that was refused the pair
    run = workshop.run()
    workshop.plan(run)
    facts = workshop.bucket.read_json(run.files.teacher_data("teacher_data.json"))
    of_the_report = {"mode": "label", "drop_rate": 0, "batch": {}, "dropped": 0, "drop_reasons": {}}
    workshop.bucket.write_json(run.files.teacher_data("teacher_data.json"), {**facts, **of_the_report})
    workshop.client.refuses["CreateModelCustomizationJob"], workshop.client.says = "ValidationException", PAIR
    launch(workshop, run)
    told: dict[str, Any] = dict(gather(workshop.stage("PublishReport", run), outcome=None, reason=None))
    assert (told["training"]["pair_refused"] or "").endswith(PAIR)
    assert told["models"]["training"] == "fine_tuning"

    # When the next one distils
    workshop.client.refuses.clear()
    run = workshop.fail_and_retry(run)
    workshop.plan(run)
    workshop.bucket.write_json(run.files.teacher_data("teacher_data.json"), {**facts, **of_the_report})
    launch(workshop, run)

    # Then
    told = dict(gather(workshop.stage("PublishReport", run), outcome=None, reason=None))
    assert told["models"]["training"] == "distillation"
    assert told["training"]["pair_refused"] is None
