"""What a finished job left: records lost in silence fail the run, and its own figures are kept for the report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdas.domain.errors import DistillationFailed
from lambdas.gateways.registry.resources import CREATED, CUSTOM_MODEL, CUSTOMIZATION_JOB, KEPT, RELEASED
from lambdas.gateways.registry.runs import Run
from lambdas.states.release_resources.stage import execute as release
from tests.unit.support.training import launch, started
from tests.unit.support.workshop import Workshop

MANIFEST = "fileName,totalProcessedRecordCount,acceptedRecordCount,partiallyAcceptedRecordCount,rejectedRecordCount\n"


def completed_with_output(workshop: Workshop, **files: str) -> Run:
    run, name = started(workshop)
    prefix = run.files.distillation_output
    uri = f"s3://{workshop.bucket.name}/{prefix}"
    workshop.client.jobs[name].update(status="Completed", outputDataConfig={"s3Uri": uri})
    workshop.client.add_model(name)
    for path, text in files.items():
        workshop.bucket.write(f"{prefix}model-customization-job-{name}/some/where/{path}.csv", text.encode())
    return run


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


def test_a_file_that_is_reported_twice_hides_no_loss(workshop: Workshop) -> None:
    # Given the same count in two places, which together come to more than was sent
    manifest = f"{MANIFEST}training.jsonl,1000,700,0,300\n"
    run = completed_with_output(
        workshop, **{"input_data_report/manifest.report": manifest, "input_status/manifest.report": manifest}
    )

    # When / Then
    with pytest.raises(DistillationFailed, match=r"700 of the 1,000 records sent \(30\.0% lost"):
        launch(workshop, run)


def test_more_records_than_were_sent_hide_no_rejections(workshop: Workshop) -> None:
    # Given a job that counts what it added itself
    manifest = f"{MANIFEST}training.jsonl,1000,800,0,200\nsynthetic.jsonl,4000,3800,0,200\n"
    run = completed_with_output(workshop, **{"manifest.report": manifest})

    # When / Then
    with pytest.raises(DistillationFailed, match=r"counts 5,000 records where 1,000 were sent, 4,600 .*8\.0% lost"):
        launch(workshop, run)


def test_a_broken_metrics_file_does_not_hide_a_whole_one(workshop: Workshop) -> None:
    # Given
    header = "step_number,epoch_number,training_loss,perplexity\n"
    files = {
        "a/step_wise_training_metrics": f"{header}1,0",
        "b/step_wise_training_metrics": f"{header}1,0,2.5,1\n\n2,0,0.5,1\n3,1,NaN,NaN\n",
    }
    run = completed_with_output(workshop, **files)

    # When
    launch(workshop, run)

    # Then
    learnt = workshop.bucket.read_json(run.files.training(run.attempt))
    assert (learnt["steps"], learnt["last_loss"], learnt["steps_without_loss"]) == (2, 0.5, 1)
