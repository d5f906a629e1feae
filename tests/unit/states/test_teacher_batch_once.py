"""No question of a batch is paid twice: jobs are adopted, shared, and read again without harm."""

from __future__ import annotations

import pytest

from lambdas.domain.errors import RetryLater
from lambdas.gateways.registry.resources import BATCH_JOB, PLANNED, RELEASED
from lambdas.workflow.serving.deleter import Deleter
from tests.unit.support.batches import (
    USD,
    answered,
    batch,
    dataset,
    finish,
    paid,
    prepared,
    run_to_the_end,
    small_jobs,
    step,
    stored,
)
from tests.unit.support.workshop import Workshop

__all__ = ["small_jobs"]


def test_jobs_are_written_down_before_they_are_created(workshop: Workshop) -> None:
    run = prepared(workshop)
    workshop.client.refuses["CreateModelInvocationJob"] = "InternalServerException"
    with pytest.raises(RetryLater):
        step(workshop, run)
    [resource] = workshop.pipeline.resources.open()
    assert (resource.kind, resource.state) == (BATCH_JOB, PLANNED)


def test_a_crash_after_the_creation_adopts_the_job(workshop: Workshop) -> None:
    # Given a Lambda that was cut off before it noted what it had created
    run = prepared(workshop, count=150)
    step(workshop, run)
    document = batch(workshop, run)
    document["jobs"][0].update(state="PLANNED", arn=None)
    workshop.bucket.write_json(run.files.teacher_batch(1), document)
    # When
    run_to_the_end(workshop, run)
    # Then
    assert len(workshop.client.batches) == 1
    assert len(stored(workshop)) == 150


def test_an_output_that_is_read_twice_is_counted_once(workshop: Workshop) -> None:
    # Given a Lambda that was cut off between reading the output and noting so
    run = prepared(workshop, count=150)
    step(workshop, run)
    before = batch(workshop, run)
    run_to_the_end(workshop, run)
    objects = sorted(workshop.bucket.keys("answers/"))
    workshop.bucket.write_json(run.files.teacher_batch(1), before)
    # When
    step(workshop, run)
    # Then
    assert paid(workshop, run) == pytest.approx(150 * USD)
    assert sorted(workshop.bucket.keys("answers/")) == objects


def test_the_next_attempt_waits_for_the_job_of_the_last_one(workshop: Workshop) -> None:
    # Given a run that failed while its job was under way
    run = prepared(workshop, count=150)
    step(workshop, run)
    run = workshop.fail_and_retry(run)
    dataset(workshop, run, count=150)
    # When
    run_to_the_end(workshop, run)
    # Then
    assert len(workshop.client.batches) == 1
    assert paid(workshop, run) == pytest.approx(150 * USD)


def test_the_next_attempt_takes_what_a_released_job_had_done(workshop: Workshop) -> None:
    # Given an attempt whose release stopped the job at 30 of 150
    run = prepared(workshop, count=150)
    step(workshop, run)
    [resource] = workshop.pipeline.resources.open()
    deleter = Deleter(workshop.pipeline.bedrock, "dev")
    assert deleter.delete(resource) is False
    finish(workshop, resource.name, "Stopped", lambda lines: [answered(line) for line in lines[:30]])
    assert deleter.delete(resource) is True
    workshop.pipeline.resources.released(resource, workshop.now())
    run = workshop.fail_and_retry(run)
    dataset(workshop, run, count=150)
    # When
    run_to_the_end(workshop, run)
    # Then the second job asks only what is left
    assert [len(request["jobName"]) > 0 for request in workshop.client.called("CreateModelInvocationJob")] == [True] * 2
    assert batch(workshop, run)["missing"] == 120
    assert len(stored(workshop)) == 150
    assert paid(workshop, run) == pytest.approx(150 * USD)


def test_a_job_that_failed_is_tried_again_under_another_name(workshop: Workshop) -> None:
    run = prepared(workshop, count=150)
    run_to_the_end(workshop, run, status="Failed", answer=lambda _lines: [])
    run = workshop.fail_and_retry(run)
    dataset(workshop, run, count=150)
    run_to_the_end(workshop, run)
    first, second = workshop.client.batches
    assert second == f"{first}2"
    assert len(stored(workshop)) == 150


def test_a_grown_and_reordered_file_buys_only_what_is_new(workshop: Workshop) -> None:
    # Given
    run_to_the_end(workshop, prepared(workshop, count=300))
    # When 120 prompts are added in front
    grown = prepared(workshop, count=420, version="2")
    run_to_the_end(workshop, grown)
    # Then
    assert batch(workshop, grown)["missing"] == 120
    assert paid(workshop, grown) == pytest.approx(120 * USD)
    assert len(stored(workshop)) == 420


def test_two_runs_on_the_same_prompts_share_one_job_and_the_first_pays(workshop: Workshop) -> None:
    # Given
    first, second = prepared(workshop, count=150), prepared(workshop, count=150, version="2")
    step(workshop, first)
    step(workshop, second)
    [name] = workshop.client.batches
    assert [item.run_id for item in workshop.pipeline.resources.open()] == [first.run_id]
    # When the second is the one that reads the output
    finish(workshop, name)
    step(workshop, second)
    step(workshop, first)
    # Then
    assert len(stored(workshop)) == 150
    assert paid(workshop, first) == pytest.approx(150 * USD)
    assert paid(workshop, second) == 0


def test_under_golden_only_the_holdout_and_the_golden_share_are_asked(workshop: Workshop) -> None:
    run = prepared(workshop, task={"teacher_data": {"mode": "golden", "golden_examples": 50}})
    run_to_the_end(workshop, run)
    assert batch(workshop, run)["asked"] == 60 + 50


def test_a_stranger_s_job_of_that_name_is_not_adopted(workshop: Workshop) -> None:
    # Given a name that is taken by somebody whose tags are not ours
    run = prepared(workshop, count=150)
    step(workshop, run)
    [name] = workshop.client.batches
    workshop.client.tags[workshop.client.batches[name]["jobArn"]] = [{"key": "task", "value": "another"}]
    document = batch(workshop, run)
    document["jobs"][0].update(state="PLANNED", arn=None)
    workshop.bucket.write_json(run.files.teacher_batch(1), document)
    # When / Then
    assert step(workshop, run)["status"] == "COMPLETED"
    assert "ConflictException" in batch(workshop, run)["jobs"][0]["message"]


def test_a_released_job_is_found_in_the_registry(workshop: Workshop) -> None:
    run = prepared(workshop, count=150)
    run_to_the_end(workshop, run)
    [resource] = workshop.pipeline.resources.of_run(run.run_id)
    assert (resource.kind, resource.state) == (BATCH_JOB, RELEASED)
