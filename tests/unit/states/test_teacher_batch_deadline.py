"""Batch inference jobs wait for the quota and end at the deadline."""

from __future__ import annotations

from lambdas.gateways.registry.resources import BATCH_JOB, CREATED
from tests.unit.support.batches import (
    answered,
    batch,
    finish,
    prepared,
    small_jobs,
    step,
    stored,
)
from tests.unit.support.workshop import Workshop

__all__ = ["small_jobs"]


def test_at_the_deadline_jobs_are_stopped_and_what_they_did_is_taken(workshop: Workshop) -> None:
    # Given
    run = prepared(workshop, count=150, task={"teacher_data": {"deadline_hours": 2}})
    step(workshop, run)
    [name] = workshop.client.batches
    workshop.pass_time(hours=2)
    # When
    assert step(workshop, run)["status"] == "IN_PROGRESS"
    assert len(workshop.client.called("StopModelInvocationJob")) == 1
    finish(workshop, name, "Stopped", lambda lines: [answered(line) for line in lines[:30]])
    # Then
    assert step(workshop, run)["status"] == "COMPLETED"
    assert len(stored(workshop)) == 30
    assert "deadline" in batch(workshop, run)["jobs"][0]["message"]


def test_a_job_that_does_not_stop_is_left_to_the_release(workshop: Workshop) -> None:
    # Given
    run = prepared(workshop, count=150)
    step(workshop, run)
    workshop.pass_time(hours=24)
    step(workshop, run)
    # When ten polls later it still says Stopping
    workshop.pass_time(seconds=10 * 576)
    # Then
    assert step(workshop, run)["status"] == "COMPLETED"
    [left] = workshop.pipeline.resources.open()
    assert (left.kind, left.state) == (BATCH_JOB, CREATED)


def test_no_more_jobs_are_under_way_than_the_quota_allows(workshop: Workshop) -> None:
    # Given 450 questions: three jobs, two at once
    run = prepared(workshop, count=450)
    step(workshop, run)
    assert [job["state"] for job in batch(workshop, run)["jobs"]] == ["RUNNING", "RUNNING", "PLANNED"]
    # When
    finish(workshop, next(iter(workshop.client.batches)))
    step(workshop, run)
    # Then
    assert [job["state"] for job in batch(workshop, run)["jobs"]] == ["ENDED", "RUNNING", "RUNNING"]


def test_a_quota_held_by_others_is_waited_for_until_the_deadline(workshop: Workshop) -> None:
    # Given
    run = prepared(workshop, count=150)
    workshop.client.refuses["CreateModelInvocationJob"] = "ServiceQuotaExceededException"
    assert step(workshop, run)["status"] == "IN_PROGRESS"
    assert list(workshop.pipeline.resources.open()) == []
    # When it is free again
    workshop.client.refuses.clear()
    assert step(workshop, run)["status"] == "IN_PROGRESS"
    assert len(workshop.client.batches) == 1


def test_the_interval_of_the_polls_follows_from_a_far_deadline(workshop: Workshop) -> None:
    run = prepared(workshop, task={"teacher_data": {"deadline_hours": 168}})
    assert step(workshop, run)["wait_seconds"] == 4032
    assert workshop.client.called("CreateModelInvocationJob")[0]["timeoutDurationInHours"] == 168
