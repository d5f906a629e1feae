"""A batch may end in any way: every question gets its answer once, or is left to be asked on demand."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lambdas.domain.errors import TeacherBatchDenied
from tests.unit.support.batches import (
    TOKENS_IN,
    TOKENS_OUT,
    USD,
    Lines,
    answered,
    batch,
    dataset,
    failed,
    paid,
    prepared,
    records,
    run_to_the_end,
    small_jobs,
    step,
    stored,
)
from tests.unit.support.workshop import Workshop

__all__ = ["small_jobs"]


# On demand from the start


@pytest.mark.parametrize(
    ("count", "task", "reason"),
    [
        (99, {}, "99 answers are missing, and a batch takes at least 100"),
        (300, {"teacher_data": {"deadline_hours": 0.5}}, "'teacher_data.deadline_hours' is 0.5, too short"),
    ],
)
def test_what_cannot_be_a_batch_is_asked_on_demand_and_the_reason_is_kept(
    workshop: Workshop, count: int, task: dict[str, Any], reason: str
) -> None:
    run = prepared(workshop, count=count, task=task)
    assert step(workshop, run)["status"] == "COMPLETED"
    assert batch(workshop, run)["way"] == "on demand"
    assert reason in batch(workshop, run)["reason"]
    assert workshop.client.called("CreateModelInvocationJob") == []


@pytest.mark.parametrize("code", ["ValidationException", "ResourceNotFoundException"])
def test_a_model_without_batch_inference_is_asked_on_demand(workshop: Workshop, code: str) -> None:
    # Given
    run = prepared(workshop)
    workshop.client.refuses["CreateModelInvocationJob"] = code
    # When
    result = step(workshop, run)
    # Then nothing is waited for and nothing stays open
    assert result["status"] == "COMPLETED"
    assert {job["status"] for job in batch(workshop, run)["jobs"]} == {"refused"}
    assert code in batch(workshop, run)["jobs"][0]["message"]
    assert list(workshop.pipeline.resources.open()) == []


def test_a_region_without_batch_inference_is_asked_on_demand(workshop: Workshop) -> None:
    run = prepared(workshop)
    workshop.client.refuses["list_model_invocation_jobs"] = "UnknownOperationException"
    assert step(workshop, run)["status"] == "COMPLETED"
    assert batch(workshop, run)["reason"].startswith("there is no batch inference here: UnknownOperationException")


# Denied: an error that is told, never everything on demand at twice the price


@pytest.mark.parametrize("operation", ["list_model_invocation_jobs", "CreateModelInvocationJob"])
def test_a_call_that_is_denied_ends_the_run_with_the_service_s_words(workshop: Workshop, operation: str) -> None:
    # Given
    run = prepared(workshop)
    workshop.client.refuses[operation] = "AccessDeniedException"
    # When
    with pytest.raises(TeacherBatchDenied, match=r"AccessDeniedException.*costs twice as much") as raised:
        step(workshop, run)
    # Then
    assert "'teacher_data.deadline_hours' below 1 in task.json" in str(raised.value)
    assert list(workshop.pipeline.resources.open()) == []
    assert stored(workshop) == {}
    assert paid(workshop, run) == 0


@pytest.mark.parametrize(
    "said",
    [
        "The provided IAM role lacks the permission bedrock:InvokeModel on arn:aws:bedrock:us-west-2::foundation-model",
        "User: arn:aws:sts::1:assumed-role/b/x is not authorized to perform: bedrock:InvokeModel with an explicit deny",
        "Amazon Bedrock could not validate GetObject permissions for the S3 bucket.",
        "Could not assume provided IAM role.",
    ],
)
def test_a_job_whose_role_lacks_a_right_ends_the_run_with_the_service_s_words(workshop: Workshop, said: str) -> None:
    # Given
    run = prepared(workshop, count=150)
    # When
    with pytest.raises(TeacherBatchDenied, match=re.escape(said)):
        run_to_the_end(workshop, run, status="Failed", answer=lambda _lines: [], failure=said)
    # Then
    assert stored(workshop) == {}
    assert list(workshop.pipeline.resources.open()) == []


def test_after_the_right_was_given_a_retry_asks_by_batch(workshop: Workshop) -> None:
    # Given
    run = prepared(workshop)
    workshop.client.refuses["CreateModelInvocationJob"] = "AccessDeniedException"
    with pytest.raises(TeacherBatchDenied):
        step(workshop, run)
    # When
    workshop.client.refuses.clear()
    again = workshop.fail_and_retry(run)
    dataset(workshop, again)
    run_to_the_end(workshop, again)
    # Then
    assert len(stored(workshop)) == 300
    assert paid(workshop, run) == pytest.approx(300 * USD)


def test_a_job_that_failed_for_another_reason_leaves_all_to_be_asked(workshop: Workshop) -> None:
    run = prepared(workshop, count=150)
    run_to_the_end(workshop, run, status="Failed", answer=lambda _lines: [], failure="An internal error occurred.")
    assert batch(workshop, run)["jobs"][0]["denied"] is False


def test_a_teacher_without_batch_prices_is_asked_on_demand(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepared(workshop)
    monkeypatch.setitem(workshop.pipeline.__dict__, "prices", type(workshop.pipeline.prices)({}))
    step(workshop, run)
    assert batch(workshop, run)["reason"] == "the price book has no batch prices for the teacher"


# Endings


@pytest.mark.parametrize("status", ["Failed", "Stopped", "Expired"])
def test_a_job_that_gave_nothing_costs_nothing_and_leaves_all_to_be_asked(workshop: Workshop, status: str) -> None:
    run = prepared(workshop)
    run_to_the_end(workshop, run, status=status, answer=lambda _lines: [])
    assert stored(workshop) == {}
    assert paid(workshop, run) == 0
    assert {job["status"] for job in batch(workshop, run)["jobs"]} == {status}


@pytest.mark.parametrize("status", ["PartiallyCompleted", "Failed", "Stopped", "Expired"])
def test_what_was_done_before_a_bad_end_is_used_and_paid_once(workshop: Workshop, status: str) -> None:
    run = prepared(workshop)
    run_to_the_end(workshop, run, status=status, answer=lambda lines: [answered(line) for line in lines[:40]])
    assert len(stored(workshop)) == 80
    assert paid(workshop, run) == pytest.approx(80 * USD)


def test_completed_jobs_answer_every_question_once_at_half_the_price(workshop: Workshop) -> None:
    # Given
    run = prepared(workshop)
    # When
    run_to_the_end(workshop, run)
    # Then
    answers = stored(workshop)
    questions = {record.id for record in records(0, 300)}
    assert {answer.record_id for answer in answers.values()} == questions
    assert len(answers) == 300
    assert all(answer.batch for answer in answers.values())
    assert paid(workshop, run) == pytest.approx(300 * USD)
    assert list(workshop.pipeline.resources.open()) == []


def test_lost_refused_and_doubled_records_and_a_cut_line_are_counted(workshop: Workshop) -> None:
    # Given three lost, two refused, one throttled, two doubled; the last line is cut in the middle
    def answer(lines: Lines) -> Lines:
        bad = [failed(lines[3], 400), failed(lines[4], 400), failed(lines[5], 429)]
        good = [answered(line) for line in lines[6:]]
        return [*good, *bad, good[0], good[1]]

    run = prepared(workshop)
    # When
    run_to_the_end(workshop, run, status="PartiallyCompleted", answer=answer, cut_bytes=20)
    # Then
    first = batch(workshop, run)["jobs"][0]
    assert first["counts"] == {"answers": 144, "cut lines": 1, "duplicates": 1, "passing errors": 1, "refused": 2}
    assert len(stored(workshop)) == 2 * 144
    # What the service billed and the lines do not show is not known without a manifest; duplicates are.
    assert paid(workshop, run) == pytest.approx(2 * 145 * USD)


def test_the_manifest_says_what_a_cut_file_cost(workshop: Workshop) -> None:
    run = prepared(workshop, count=150)
    manifest = {"inputTokenCount": 150 * TOKENS_IN, "outputTokenCount": 150 * TOKENS_OUT}
    run_to_the_end(workshop, run, cut_bytes=9_000, manifest=manifest)
    assert 0 < len(stored(workshop)) < 150
    assert paid(workshop, run) == pytest.approx(150 * USD)
