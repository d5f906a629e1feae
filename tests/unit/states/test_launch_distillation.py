"""One job per content: started once, and adopted by whoever trains on the same."""

from __future__ import annotations

from unittest import mock

import pytest

from lambdas.domain.errors import DistillationFailed, QuotaTooLow, RetryLater
from lambdas.gateways.registry.resources import CREATED, CUSTOM_MODEL, CUSTOMIZATION_JOB, PLANNED, RELEASED
from lambdas.workflow.training.customization_job import job_of_attempt
from tests.unit.support.training import launch, started
from tests.unit.support.workshop import Workshop


def test_a_create_that_may_have_made_something_leaves_the_plan_as_its_trace(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    workshop.plan(run)
    workshop.client.refuses["CreateModelCustomizationJob"] = "ThrottlingException"

    # When / Then
    with pytest.raises(RetryLater):
        launch(workshop, run)
    resources = workshop.pipeline.resources.of_run(run.run_id)
    assert {(item.kind, item.state) for item in resources} == {(CUSTOM_MODEL, PLANNED), (CUSTOMIZATION_JOB, PLANNED)}


def test_a_quota_that_other_jobs_hold_is_waited_for(workshop: Workshop) -> None:
    # Given an account that may have no further job under way
    run = workshop.run()
    workshop.plan(run)
    workshop.client.refuses["CreateModelCustomizationJob"] = "ServiceQuotaExceededException"

    # When
    results = [launch(workshop, run) for _ in range(2)]

    # Then nothing is left planned, and whoever watches reads why
    assert {(result["status"], result["phase"]) for result in results} == {("IN_PROGRESS", "quota")}
    assert "Ask for more in Service Quotas" in results[-1]["waits_for"]
    assert workshop.pipeline.registry.run(run.run_id).progress["waits_for"] == results[-1]["waits_for"]
    states = {item.kind: item.state for item in workshop.pipeline.resources.of_run(run.run_id)}
    assert states == {CUSTOM_MODEL: PLANNED, CUSTOMIZATION_JOB: RELEASED}

    # When one of the others has ended
    workshop.client.refuses.clear()

    # Then
    assert launch(workshop, run)["phase"] == "submitted"
    assert launch(workshop, run)["status"] == "IN_PROGRESS"
    states = {item.kind: item.state for item in workshop.pipeline.resources.of_run(run.run_id)}
    assert states == {CUSTOM_MODEL: PLANNED, CUSTOMIZATION_JOB: CREATED}


def test_a_quota_that_is_held_for_half_of_the_deadline_ends_the_run_before_a_training_that_could_not_end(
    workshop: Workshop,
) -> None:
    # Given a deadline of 48 hours
    run = workshop.run()
    workshop.plan(run)
    workshop.client.refuses["CreateModelCustomizationJob"] = "ServiceQuotaExceededException"
    assert launch(workshop, run)["phase"] == "quota"

    # When
    workshop.pass_time(hours=24)
    assert launch(workshop, run)["phase"] == "quota"
    workshop.pass_time(hours=1)

    # Then
    with pytest.raises(QuotaTooLow, match=r"Ask for more in Service Quotas.*25 of the 48 hours.*None was paid"):
        launch(workshop, run)

    # And the next attempt waits anew
    again = workshop.fail_and_retry(run)
    workshop.plan(again)
    assert launch(workshop, again)["phase"] == "quota"


@pytest.mark.parametrize("training", ["distillation", "fine_tuning"])
def test_the_request_satisfies_shapes_and_patterns_of_the_service_model(workshop: Workshop, training: str) -> None:
    # Given
    run = workshop.run()
    workshop.plan(run, training)

    # When: the fake service holds the request against the service model
    result = launch(workshop, run)

    # Then
    (request,) = workshop.client.called("CreateModelCustomizationJob")
    assert result == {"status": "IN_PROGRESS", "phase": "submitted", "job_name": request["jobName"]}
    assert request["customizationType"] == training.upper()
    assert request["trainingDataConfig"]["s3Uri"].endswith(f"{run.run_id}/teacher_data/training.jsonl")
    teacher = request.get("customizationConfig", {}).get("distillationConfig", {}).get("teacherModelConfig", {})
    assert teacher.get("teacherModelIdentifier") == ("us.amazon.nova-pro-v1:0" if training == "distillation" else None)
    hyper = {"epochCount": "2", "learningRateWarmupSteps": "1"}
    assert request.get("hyperParameters") == (None if training == "distillation" else hyper)


def test_polling_creates_nothing_more(workshop: Workshop) -> None:
    # Given
    run, _ = started(workshop)

    # When
    for _ in range(3):
        launch(workshop, run)

    # Then
    assert len(workshop.client.called("CreateModelCustomizationJob")) == 1
    job, model = sorted(workshop.pipeline.resources.of_run(run.run_id), key=lambda item: item.kind, reverse=True)
    assert (job.kind, job.state, model.kind, model.state) == (CUSTOMIZATION_JOB, CREATED, CUSTOM_MODEL, PLANNED)


def test_a_crash_between_create_and_registry_is_healed_by_the_next_call(workshop: Workshop) -> None:
    # Given a job that the service has and the registry knows only as planned
    run, name = started(workshop)
    workshop.made(run, CUSTOMIZATION_JOB, name, None, PLANNED)

    # When
    result = launch(workshop, run)

    # Then it is still this attempt's job, which a stall or a failure concerns
    assert result["status"] == "IN_PROGRESS"
    workshop.client.jobs[name].update(status="Failed", failureMessage="why")
    with pytest.raises(DistillationFailed):
        launch(workshop, run)


def test_a_completed_job_waits_for_its_model_then_pays_for_the_training_once(workshop: Workshop) -> None:
    # Given
    run, name = started(workshop)
    workshop.client.jobs[name]["status"] = "Completed"
    model_arn = workshop.client.add_model(name, "Creating")
    assert launch(workshop, run)["phase"] == "model"

    # When
    workshop.client.add_model(name)
    results = [launch(workshop, run) for _ in range(2)]

    # Then
    assert [result["status"] for result in results] == ["COMPLETED", "COMPLETED"]
    facts = workshop.pipeline.registry.run(run.run_id).facts
    assert (facts["custom_model_arn"], job_of_attempt(facts, 1)["adopted"]) == (model_arn, False)
    assert job_of_attempt(facts, 1)["job_name"] == name
    ledger = workshop.pipeline.registry.ledger(run.run_id)
    assert sorted(entry.id for entry in ledger) == [f"own-teacher-calls.{name}", f"training.{name}"]
    training = next(entry for entry in ledger if entry.id.startswith("training"))
    assert training.usage == {"training_tokens": 200_000}
    assert training.kind == "derived"


def test_a_training_is_written_down_as_the_bill_has_shown_it(workshop: Workshop) -> None:
    # Given what 'reconcile --learn' proposed, in the settings
    run, name = started(workshop)
    workshop.client.jobs[name]["status"] = "Completed"
    workshop.client.add_model(name)
    factors = workshop.pipeline.environment.settings.derived_factors

    # When
    with mock.patch.dict(factors, {"training": 1.5, "own_teacher_calls": 0.5}):
        launch(workshop, run)

    # Then
    own, training = sorted(workshop.pipeline.registry.ledger(run.run_id), key=lambda entry: entry.id)
    assert training.usage == {"training_tokens": 300_000}
    assert [part.quantity for part in training.priced] == [300_000]
    asked = own.usage["input_tokens"] + own.usage["output_tokens"]
    assert (own.usage["calls"], asked) == (1000, 50_000)


def test_a_retry_adopts_the_completed_job_and_pays_nothing(workshop: Workshop) -> None:
    # Given a first attempt that failed after its training
    run, name = started(workshop)
    workshop.client.jobs[name]["status"] = "Completed"
    model_arn = workshop.client.add_model(name)
    launch(workshop, run)
    before = workshop.pipeline.registry.ledger(run.run_id)
    run = workshop.fail_and_retry(run)
    workshop.plan(run)

    # When
    result = launch(workshop, run)

    # Then
    assert result == {"status": "COMPLETED", "phase": "completed", "job_name": name}
    assert len(workshop.client.called("CreateModelCustomizationJob")) == 1
    assert workshop.pipeline.registry.ledger(run.run_id) == before
    assert workshop.pipeline.registry.run(run.run_id).facts["custom_model_arn"] == model_arn


def test_another_run_with_the_same_training_file_adopts_and_says_so(workshop: Workshop) -> None:
    # Given
    first, name = started(workshop)
    workshop.client.jobs[name]["status"] = "Completed"
    workshop.client.add_model(name)
    launch(workshop, first)
    second = workshop.run("2")
    workshop.plan(second)

    # When
    launch(workshop, second)

    # Then
    assert workshop.pipeline.registry.run(second.run_id).facts["customization_job"]["adopted"] is True
    assert workshop.pipeline.registry.ledger(second.run_id) == []


def test_another_runs_job_under_way_is_waited_for_and_neither_stopped_nor_paid_here(workshop: Workshop) -> None:
    # Given a second upload of the same prompts while the first one's job trains
    _, name = started(workshop)
    second = workshop.run("2")
    workshop.plan(second)
    assert [launch(workshop, second)["status"] for _ in range(2)] == ["IN_PROGRESS", "IN_PROGRESS"]
    workshop.pass_time(hours=13)
    assert launch(workshop, second)["job_name"] == name

    # When
    workshop.client.jobs[name]["status"] = "Completed"
    workshop.client.add_model(name)
    launch(workshop, second)

    # Then
    assert workshop.client.called("StopModelCustomizationJob") == []
    assert [item.kind for item in workshop.pipeline.resources.of_run(second.run_id)] == [CUSTOM_MODEL]
    assert workshop.pipeline.registry.ledger(second.run_id) == []


def test_a_training_that_ended_after_its_attempt_is_paid_by_the_retry(workshop: Workshop) -> None:
    # Given an attempt that was killed while its job trained on
    run, name = started(workshop)
    run = workshop.fail_and_retry(run)
    workshop.plan(run)
    workshop.client.jobs[name]["status"] = "Completed"
    workshop.client.add_model(name)

    # When
    launch(workshop, run)

    # Then
    assert len(workshop.pipeline.registry.ledger(run.run_id)) == 2
    assert workshop.pipeline.registry.run(run.run_id).facts["customization_job"]["adopted"] is False


@pytest.mark.parametrize("status", ["Failed", "Stopped", "Completed"])
def test_an_earlier_job_of_no_use_gives_the_next_name(workshop: Workshop, status: str) -> None:
    # Given a first attempt whose job failed, was stopped, or whose model was deleted since
    run, name = started(workshop)
    workshop.client.jobs[name]["status"] = status
    run = workshop.fail_and_retry(run)
    workshop.plan(run)

    # When
    result = launch(workshop, run)

    # Then
    assert result["job_name"] == f"{name}-2"
    assert len(workshop.client.called("CreateModelCustomizationJob")) == 2


def test_another_training_file_is_another_job(workshop: Workshop) -> None:
    # Given
    _, name = started(workshop)
    second = workshop.run("2")
    workshop.plan(second, training_sha256="cd" * 32)

    # When / Then
    assert launch(workshop, second)["job_name"] != name


def test_logged_answers_are_trained_on_where_they_lie_and_the_teacher_is_not_paid(workshop: Workshop) -> None:
    # Given a run whose pairs are also a training file of another run's finished job
    _, other = started(workshop)
    run = workshop.run("2")
    workshop.plan(run)
    workshop.bucket.write_json(run.files.task_definition, {"teacher_data": {"mode": "logged"}})
    facts = workshop.bucket.read_json(run.files.teacher_data("teacher_data.json"))
    log = {"prefix": run.files.teacher_data("invocation_logs/0123/"), "metadata": {"app": "search"}}
    workshop.bucket.write_json(run.files.teacher_data("teacher_data.json"), {**facts, "invocation_logs": log})

    # When
    name = launch(workshop, run)["job_name"]
    workshop.client.jobs[name]["status"] = "Completed"
    workshop.client.add_model(name)
    launch(workshop, run)

    # Then
    assert name != other
    request = workshop.client.called("CreateModelCustomizationJob")[-1]
    assert request["trainingDataConfig"] == {
        "invocationLogsConfig": {
            "usePromptResponse": True,
            "invocationLogSource": {"s3Uri": f"s3://{workshop.bucket.name}/{log['prefix']}"},
            "requestMetadataFilters": {"equals": {"app": "search"}},
        }
    }
    [paid] = workshop.pipeline.registry.ledger(run.run_id)
    assert paid.id == f"training.{name}"


def test_a_pair_that_is_refused_is_fine_tuned_on_the_logged_pairs(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    workshop.plan(run, training="fine_tuning")
    workshop.bucket.write_json(run.files.task_definition, {"teacher_data": {"mode": "logged"}})

    # When
    launch(workshop, run)

    # Then
    [request] = workshop.client.called("CreateModelCustomizationJob")
    assert request["trainingDataConfig"]["s3Uri"].endswith("/teacher_data/training.jsonl")
