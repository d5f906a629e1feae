"""Runs whose questions are three batch inference jobs, and jobs that end as tests say."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lambdas.domain.dataset.records import WHOLE_RANGE, Record, Turn, to_json_lines
from lambdas.domain.questions.answers import Answer, Question
from lambdas.domain.training.batch_inference import BatchLimits
from lambdas.gateways.answering.answer_store import AnswerStore
from lambdas.gateways.registry.runs import Run
from lambdas.states.run_teacher_batch import planning
from lambdas.states.run_teacher_batch.stage import execute
from lambdas.workflow.stage import Result
from tests.unit.support.workshop import Workshop

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
        Record(number * 2654435761 % 2**64, None, (Turn("user", f"q{number}"),), None, {})
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
    failure: str = "",
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
    if failure:
        job["message"] = failure


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
