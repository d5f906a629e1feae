"""A batch job that was created and that Bedrock does not know: its answers may be paid, so nobody buys them again."""

from __future__ import annotations

import pytest

from lambdas.domain.errors import TeacherBatchLost
from lambdas.gateways.registry.runs import Run
from lambdas.states.run_teacher_batch.stage import NOT_FOUND_POLLS
from tests.unit.support.batches import USD, batch, finish, paid, prepared, run_to_the_end, small_jobs, step, stored
from tests.unit.support.workshop import Workshop

__all__ = ["small_jobs"]

OPERATION = "GetModelInvocationJob"
UNKNOWN = "ResourceNotFoundException"


def hide(workshop: Workshop) -> dict[str, object]:
    """Let Bedrock know no batch job any more, and keep them for :func:`show`."""
    hidden: dict[str, object] = dict(workshop.client.batches)
    workshop.client.batches.clear()
    return hidden


def show(workshop: Workshop, hidden: dict[str, object]) -> None:
    workshop.client.batches.update(hidden)  # type: ignore[arg-type]


def started(workshop: Workshop) -> Run:
    run = prepared(workshop, count=150)
    step(workshop, run)
    assert len(workshop.client.batches) == 1
    return run


def bought(workshop: Workshop) -> int:
    return len(workshop.client.called("CreateModelInvocationJob"))


def test_without_an_output_the_run_fails_and_names_the_job(workshop: Workshop) -> None:
    # Given
    run = started(workshop)
    [job] = workshop.client.batches.values()
    hide(workshop)
    # When
    for _ in range(NOT_FOUND_POLLS - 1):
        assert step(workshop, run)["status"] == "IN_PROGRESS"
    with pytest.raises(TeacherBatchLost, match=str(job["jobArn"])):
        step(workshop, run)
    # Then
    assert bought(workshop) == 1
    assert batch(workshop, run)["jobs"][0]["status"] == "not found"


def test_one_that_is_back_in_time_is_looked_after_as_before(workshop: Workshop) -> None:
    # Given
    run = started(workshop)
    for _ in range(2):
        hidden = hide(workshop)
        for _ in range(NOT_FOUND_POLLS - 1):
            step(workshop, run)
        show(workshop, hidden)
        assert step(workshop, run)["status"] == "IN_PROGRESS"
    # When
    assert run_to_the_end(workshop, run)["status"] == "COMPLETED"
    # Then
    assert (len(stored(workshop)), bought(workshop)) == (150, 1)


def test_what_it_wrote_before_it_was_forgotten_is_taken_and_paid_once(workshop: Workshop) -> None:
    # Given
    run = started(workshop)
    [name] = workshop.client.batches
    finish(workshop, name, manifest={"inputTokenCount": 1, "outputTokenCount": 1})
    hide(workshop)
    # When
    assert step(workshop, run)["status"] == "COMPLETED"
    # Then
    assert (len(stored(workshop)), bought(workshop)) == (150, 1)
    assert paid(workshop, run) == pytest.approx(150 * USD)


def test_a_retry_takes_what_it_wrote_meanwhile(workshop: Workshop) -> None:
    # Given a run that failed of it
    run = started(workshop)
    [name] = workshop.client.batches
    hidden = hide(workshop)
    for _ in range(NOT_FOUND_POLLS - 1):
        step(workshop, run)
    with pytest.raises(TeacherBatchLost):
        step(workshop, run)
    show(workshop, hidden)
    finish(workshop, name, manifest={"inputTokenCount": 1, "outputTokenCount": 1})
    hide(workshop)
    # When
    second = workshop.fail_and_retry(run)
    workshop.bucket.write_json(second.files.plan(2), workshop.bucket.read_json(second.files.plan(1)))
    # Then
    assert step(workshop, second)["status"] == "COMPLETED"
    assert (len(stored(workshop)), bought(workshop)) == (150, 1)
