"""One job per content: started once, adopted by whoever trains on the same, stopped when it stalls."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from lambdas.domain.errors import DistillationFailed, QuotaTooLow, RetryLater
from lambdas.gateways.registry import Run
from lambdas.gateways.resource_book import CREATED, CUSTOM_MODEL, CUSTOMIZATION_JOB, KEPT, PLANNED, RELEASED
from lambdas.launch_distillation.stage import execute
from lambdas.pipeline import Result
from lambdas.release_resources.stage import execute as release
from tests.unit.stages.workshop import Workshop


def launch(workshop: Workshop, run: Run) -> Result:
    return execute(workshop.stage("LaunchDistillation", run))


def started(workshop: Workshop) -> tuple[Run, str]:
    run = workshop.run()
    workshop.plan(run)
    return run, launch(workshop, run)["job_name"]


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


PAIR = "The student model amazon.nova-micro-v1:0 is not supported with the teacher model amazon.nova-pro-v1:0."


@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException"])
def test_a_refused_pair_is_fine_tuned_on_the_same_data_in_the_same_run(workshop: Workshop, code: str) -> None:
    # Given
    run = workshop.run()
    workshop.plan(run)
    workshop.client.refuses["CreateModelCustomizationJob"], workshop.client.says = code, PAIR
    assert launch(workshop, run)["phase"] == "refused"

    # When
    workshop.client.refuses.clear()
    launch(workshop, run)

    # Then
    _, request = workshop.client.called("CreateModelCustomizationJob")
    assert request["customizationType"] == "FINE_TUNING"
    assert "customizationConfig" not in request
    assert workshop.pipeline.registry.run(run.run_id).facts["pair_refused"]["message"].endswith(PAIR)


def test_distillation_that_the_task_forces_is_not_replaced(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    workshop.plan(run)
    workshop.bucket.write_json(run.files.task_definition, {"training": "distillation"})
    workshop.client.refuses["CreateModelCustomizationJob"], workshop.client.says = "ValidationException", PAIR

    # When / Then
    with pytest.raises(DistillationFailed, match=r"refused the distillation job.*'training' to \"auto\""):
        launch(workshop, run)


def test_a_refusal_that_is_not_about_the_pair_is_the_runs_failure(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    workshop.plan(run)
    workshop.client.refuses["CreateModelCustomizationJob"], workshop.client.says = "ValidationException", "bad bucket"

    # When / Then
    with pytest.raises(DistillationFailed, match="bad bucket"):
        launch(workshop, run)


def completed_with_output(workshop: Workshop, **files: str) -> Run:
    run, name = started(workshop)
    prefix = run.files.distillation_output
    uri = f"s3://{workshop.bucket.name}/{prefix}"
    workshop.client.jobs[name].update(status="Completed", outputDataConfig={"s3Uri": uri})
    workshop.client.add_model(name)
    for path, text in files.items():
        workshop.bucket.write(f"{prefix}model-customization-job-{name}/some/where/{path}.csv", text.encode())
    return run


MANIFEST = "fileName,totalProcessedRecordCount,acceptedRecordCount,partiallyAcceptedRecordCount,rejectedRecordCount\n"


def test_records_that_were_dropped_in_silence_fail_the_run_with_both_numbers(workshop: Workshop) -> None:
    # Given
    manifest = {"manifest.report": f"{MANIFEST}training.jsonl,1000,700,0,300\n"}
    run = completed_with_output(workshop, **manifest)

    # When / Then: the model is known, so that it is released, and what was paid is in the ledger
    with pytest.raises(DistillationFailed, match=r"700 of the 1,000 records sent \(30\.0% lost"):
        launch(workshop, run)
    models = [item for item in workshop.pipeline.resources.of_run(run.run_id) if item.kind == CUSTOM_MODEL]
    assert [item.state for item in models] == [CREATED]
    assert len(workshop.pipeline.registry.ledger(run.run_id)) == 2


def lose_records(workshop: Workshop, run: Run, name: str) -> None:
    uri = f"s3://{workshop.bucket.name}/{run.files.distillation_output}"
    workshop.client.jobs[name].update(status="Completed", outputDataConfig={"s3Uri": uri})
    workshop.client.add_model(name)
    key = f"{run.files.distillation_output}model-customization-job-{name}/manifest.report.csv"
    workshop.bucket.write(key, f"{MANIFEST}training.jsonl,1000,700,0,300\n".encode())


def lost_in_the_first_attempt(workshop: Workshop) -> tuple[Run, str]:
    run, name = started(workshop)
    lose_records(workshop, run, name)
    with pytest.raises(DistillationFailed, match=r"retry: one more job is paid, and no third\. .*raise the setting"):
        launch(workshop, run)
    run = workshop.fail_and_retry(run)
    workshop.plan(run)
    return run, name


def test_a_lossy_job_is_released_like_that_of_other_failures_and_its_model_kept_for_the_retry(
    workshop: Workshop,
) -> None:
    # Given
    run, name = started(workshop)
    lose_records(workshop, run, name)
    with pytest.raises(DistillationFailed):
        launch(workshop, run)

    # When
    released = release(workshop.stage("ReleaseResources", run, outcome="FAILED"))

    # Then nothing trains on, and the model waits for a person's decision, but not for ever
    assert released["status"] == "COMPLETED"
    states = {item.kind: item.state for item in workshop.pipeline.resources.of_run(run.run_id)}
    assert states == {CUSTOMIZATION_JOB: RELEASED, CUSTOM_MODEL: KEPT}
    workshop.pass_time(days=60)
    release(workshop.stage("ReleaseResources", run, outcome="FAILED"))
    assert len(workshop.client.called("DeleteCustomModel")) == 1


@pytest.mark.parametrize("model_is_gone", [False, True])
def test_a_lossy_job_is_passed_over_once_and_a_second_one_ends_every_retry_unpaid(
    workshop: Workshop, model_is_gone: bool
) -> None:
    # Given
    run, name = lost_in_the_first_attempt(workshop)
    if model_is_gone:
        workshop.client.models.clear()

    # When
    assert [launch(workshop, run)["job_name"] for _ in range(3)] == [f"{name}-2"] * 3

    # Then the report can say so
    (passed,) = workshop.pipeline.registry.run(run.run_id).facts["failed_tries"]
    assert (passed["job_name"], passed["passed_over"]) == (name, True)
    assert "30.0% lost" in passed["reason"]

    # When the second job loses them too
    lose_records(workshop, run, f"{name}-2")
    with pytest.raises(DistillationFailed, match=f"Job {name} lost too many of the same records before"):
        launch(workshop, run)

    # Then neither a further retry nor a new upload of the same prompts pays for a third
    again = workshop.fail_and_retry(run)
    workshop.plan(again)
    other = workshop.run("2")
    workshop.plan(other)
    for late in (again, other):
        with pytest.raises(DistillationFailed, match="no further job is paid"):
            launch(workshop, late)
    assert len(workshop.client.called("CreateModelCustomizationJob")) == 2


def test_a_stall_after_a_lossy_job_still_gets_its_second_try(workshop: Workshop) -> None:
    # Given
    run, name = lost_in_the_first_attempt(workshop)
    launch(workshop, run)
    workshop.client.jobs[f"{name}-2"]["creationTime"] = workshop.time
    workshop.pass_time(hours=12.1)

    # When
    launch(workshop, run)

    # Then
    assert launch(workshop, run)["job_name"] == f"{name}-3"


def test_a_raised_limit_adopts_the_lossy_jobs_model_and_pays_nothing(workshop: Workshop) -> None:
    # Given
    run, name = lost_in_the_first_attempt(workshop)
    changed = replace(workshop.pipeline.environment.settings, training_data_max_rejected_rate=0.3)
    gateways = {name: workshop.pipeline.__dict__[name] for name in ("_table", "runs", "uploads", "bedrock")}
    workshop.pipeline = replace(workshop.pipeline, environment=replace(workshop.pipeline.environment, settings=changed))
    workshop.pipeline.__dict__.update(gateways)

    # When
    result = launch(workshop, run)

    # Then
    assert result == {"status": "COMPLETED", "phase": "completed", "job_name": name}
    assert len(workshop.client.called("CreateModelCustomizationJob")) == 1


def test_a_refused_pair_cannot_fine_tune_on_records_without_an_answer(workshop: Workshop) -> None:
    # Given a file of prompts, most of which Bedrock's own teacher was to answer
    run = workshop.run()
    workshop.plan(run)
    facts = workshop.bucket.read_json(run.files.teacher_data("teacher_data.json"))
    workshop.bucket.write_json(run.files.teacher_data("teacher_data.json"), {**facts, "labelled_records": 300})
    workshop.client.refuses["CreateModelCustomizationJob"], workshop.client.says = "ValidationException", PAIR

    # When / Then
    with pytest.raises(DistillationFailed, match=r"700 of its 1,000 records have no answer.*\"label\""):
        launch(workshop, run)
    assert "pair_refused" not in workshop.pipeline.registry.run(run.run_id).facts


def test_what_the_job_left_is_kept_for_the_report(workshop: Workshop) -> None:
    # Given
    files = {
        "manifest.report": f"{MANIFEST}training.jsonl,1000,985,5,10\n",
        "step_wise_training_metrics": "step_number,epoch_number,training_loss,perplexity\n1,0,2.5,1\n2,1,0.5,1\n",
    }
    run = completed_with_output(workshop, **files)

    # When
    assert launch(workshop, run)["status"] == "COMPLETED"

    # Then
    learnt = workshop.bucket.read_json(run.files.training(run.attempt))
    assert (learnt["sent"], learnt["counts"]["accepted"], learnt["steps"]) == (1000, 985, 2)
    assert (learnt["first_loss"], learnt["last_loss"]) == (2.5, 0.5)


def test_without_counts_the_share_is_unknown_and_the_run_goes_on(workshop: Workshop) -> None:
    # Given
    run = completed_with_output(workshop)

    # When
    assert launch(workshop, run)["status"] == "COMPLETED"

    # Then
    learnt = workshop.bucket.read_json(run.files.training(run.attempt))
    assert (learnt["counts"], learnt["lost_share"], learnt["last_loss"]) == (None, None, None)


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


@pytest.mark.parametrize(
    ("code", "error"),
    [("ServiceQuotaExceededException", QuotaTooLow), ("ThrottlingException", RetryLater)],
)
def test_a_refused_create_leaves_the_plan_as_its_trace(workshop: Workshop, code: str, error: type[Exception]) -> None:
    # Given
    run = workshop.run()
    workshop.plan(run)
    workshop.client.refuses["CreateModelCustomizationJob"] = code

    # When / Then
    with pytest.raises(error) as raised:
        launch(workshop, run)
    assert code == "ThrottlingException" or "Ask for more in Service Quotas" in str(raised.value)
    resources = workshop.pipeline.resources.of_run(run.run_id)
    assert {(item.kind, item.state) for item in resources} == {(CUSTOM_MODEL, PLANNED), (CUSTOMIZATION_JOB, PLANNED)}


def test_nine_useless_jobs_for_the_same_content_are_enough(workshop: Workshop) -> None:
    # Given that every name for the content is burnt by somebody else's failed job
    run, name = started(workshop)
    workshop.pipeline.resources.released(workshop.pipeline.resources.of_run(run.run_id)[0], workshop.now())
    for suffix in ["", *(f"-{number}" for number in range(2, 10))]:
        workshop.client.add_job(name + suffix, "Failed")
    run = workshop.fail_and_retry(run)
    workshop.plan(run)

    # When / Then
    with pytest.raises(DistillationFailed, match="9 jobs for the same training file failed or were stopped"):
        launch(workshop, run)


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
    assert (facts["custom_model_arn"], facts["job_name"], facts["adopted"]) == (model_arn, name, False)
    ledger = workshop.pipeline.registry.ledger(run.run_id)
    assert sorted(entry.id for entry in ledger) == [f"own-teacher-calls.{name}", f"training.{name}"]
    training = next(entry for entry in ledger if entry.id.startswith("training"))
    assert training.usage == {"training_tokens": 200_000}
    assert training.kind == "derived"


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
    assert workshop.pipeline.registry.run(second.run_id).facts["adopted"] is True
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
    assert workshop.pipeline.registry.run(run.run_id).facts["adopted"] is False


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
