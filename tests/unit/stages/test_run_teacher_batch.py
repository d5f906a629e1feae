"""A batch may end in any way: every question gets its answer once, or is left to be asked on demand; nothing is paid
twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lambdas.domain.answers import Answer, Question
from lambdas.domain.datasets import to_json_lines
from lambdas.domain.errors import RetryLater
from lambdas.domain.records import WHOLE_RANGE, Record, Turn
from lambdas.domain.teacher_batch import BatchLimits
from lambdas.gateways.answer_store import AnswerStore
from lambdas.gateways.registry import Run
from lambdas.gateways.resource_book import BATCH_JOB, CREATED, PLANNED, RELEASED
from lambdas.pipeline import Result
from lambdas.release_resources.deleter import Deleter
from lambdas.run_teacher_batch import planning
from lambdas.run_teacher_batch.stage import execute
from tests.unit.stages.workshop import Workshop

TEACHER = "us.amazon.nova-pro-v1:0"
TOKENS_IN, TOKENS_OUT = 200, 50
USD = 0.4e-6 * TOKENS_IN + 1.6e-6 * TOKENS_OUT

Lines = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def small_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of at most 150 records, two at once: three jobs for the 300 questions of a run."""
    limits = BatchLimits(max_records=150, jobs_at_once=2)
    monkeypatch.setattr(planning, "read_limits", lambda _model: limits)


def records(first: int, last: int) -> list[Record]:
    return [
        Record(f"{number * 2654435761 % 2**64:016x}", None, (Turn("user", f"q{number}"),), None, {})
        for number in range(first, last)
    ]


def prepared(workshop: Workshop, *, count: int = 300, version: str = "1", task: dict[str, Any] | None = None) -> Run:
    run = workshop.run(version)
    dataset(workshop, run, count=count, task=task)
    return run


def dataset(workshop: Workshop, run: Run, *, count: int = 300, task: dict[str, Any] | None = None) -> None:
    workshop.plan(run)
    workshop.bucket.write_json(run.files.task_definition, task or {})
    workshop.bucket.write(run.files.dataset("train.jsonl"), to_json_lines(records(0, count - 60)))
    workshop.bucket.write(run.files.dataset("holdout.jsonl"), to_json_lines(records(count - 60, count)))


def step(workshop: Workshop, run: Run) -> Result:
    return execute(workshop.stage("RunTeacherBatch", run))


def batch(workshop: Workshop, run: Run) -> dict[str, Any]:
    document: dict[str, Any] = workshop.bucket.read_json(
        run.files.teacher_batch(workshop.pipeline.registry.run(run.run_id).attempt)
    )
    return document


def answered(line: dict[str, Any]) -> dict[str, Any]:
    output = {
        "output": {"message": {"role": "assistant", "content": [{"text": "yes"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": TOKENS_IN, "outputTokens": TOKENS_OUT, "totalTokens": TOKENS_IN + TOKENS_OUT},
    }
    return {**line, "modelOutput": output}


def failed(line: dict[str, Any], code: int) -> dict[str, Any]:
    return {**line, "error": {"errorCode": code, "errorMessage": "as the service words it"}}


def finish(
    workshop: Workshop,
    name: str,
    status: str = "Completed",
    answer: Callable[[Lines], Lines] | None = None,
    *,
    cut_bytes: int = 0,
    manifest: dict[str, Any] | None = None,
) -> None:
    """End a job as the service does: read its input, write its output in another order."""
    job = workshop.client.batches[name]
    prefix = f"s3://{workshop.bucket.name}/"
    given = workshop.bucket.objects[job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"].removeprefix(prefix)]
    asked = [json.loads(line) for line in given.splitlines()]
    lines = (answer(asked) if answer else [answered(line) for line in asked])[::-1]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    root = job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].removeprefix(prefix) + job["jobArn"].split("/")[-1]
    if lines:
        workshop.bucket.objects[f"{root}/input.jsonl.out"] = text[: len(text) - cut_bytes]
    if manifest is not None:
        workshop.bucket.objects[f"{root}/manifest.json.out"] = json.dumps(manifest).encode()
    job["status"] = status


def stored(workshop: Workshop) -> dict[str, Answer]:
    pool = Question(record_id="x", system=None, turns=()).pool(TEACHER)
    return AnswerStore(workshop.bucket, "video").load(pool, WHOLE_RANGE)


def paid(workshop: Workshop, run: Run) -> float:
    return sum(entry.usd for entry in workshop.pipeline.registry.ledger(run.run_id))


def run_to_the_end(workshop: Workshop, run: Run, **how: Any) -> Result:
    """Finish every job as soon as it is there."""
    for _ in range(10):
        result = step(workshop, run)
        if result["status"] == "COMPLETED":
            return result
        for name, job in workshop.client.batches.items():
            if job["status"] == "Submitted":
                finish(workshop, name, **how)
    raise AssertionError("the batch never ends")


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


@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException", "ResourceNotFoundException"])
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


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnknownOperationException"])
def test_an_account_without_batch_inference_is_asked_on_demand(workshop: Workshop, code: str) -> None:
    run = prepared(workshop)
    workshop.client.refuses["list_model_invocation_jobs"] = code
    assert step(workshop, run)["status"] == "COMPLETED"
    assert batch(workshop, run)["reason"] == f"the account has no batch inference here: {code}"


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


# Deadline and quota


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


# Nothing twice


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
    deleter = Deleter(workshop.pipeline.bedrock)
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
