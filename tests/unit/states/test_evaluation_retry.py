"""A shard of the evaluation that dies is retried without asking what is answered, and equal answers are judged once."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.errors import RetryLater
from lambdas.domain.evaluation.latency_sample import TEACHER_JUDGED
from lambdas.domain.evaluation.measurements import TEACHER
from lambdas.gateways.answering import answer_recorder
from lambdas.gateways.aws import clients
from lambdas.gateways.registry.runs import Run
from lambdas.states.evaluate_student.stage import execute as evaluate
from lambdas.workflow.stage import Stage
from tests.unit.gateways.fakes import converse_answer, judge_answer
from tests.unit.states.test_evaluate_student import JUDGE, RECORDS, SHARD, measured, ready
from tests.unit.support.workshop import Workshop

PAID = 4 * RECORDS + 3 * RECORDS + TEACHER_JUDGED + 2 * RECORDS
"""Answers of four contestants; verdicts on three and on some of the teacher's; each pair in both orders."""


class Models:
    """Contestants answer with their own name; every paid call is counted by model and text."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.same = False
        self._lock = threading.Lock()

    def converse(self, **request: Any) -> dict[str, Any]:
        model, text = request["modelId"], request["messages"][-1]["content"][0]["text"]
        with self._lock:
            self.calls[model, text] += 1
        if model == JUDGE:
            return judge_answer(request, 4)
        return converse_answer("the answer" if self.same else f"{model} about {text}")

    def of(self, *, judge: bool) -> int:
        return sum(count for (model, _), count in self.calls.items() if (model == JUDGE) == judge)


class Killed(BaseException):
    """A Lambda that ends without a word."""


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    found = Models()
    monkeypatch.setattr(clients, "bedrock_runtime", lambda: found)
    return found


def shard(workshop: Workshop, run: Run) -> Stage:
    return workshop.stage("EvaluateStudent", run, shard=SHARD)


def paid(workshop: Workshop, run: Run) -> float:
    return sum(entry.usage["calls"] for entry in workshop.pipeline.registry.ledger(run.run_id))


def stored(workshop: Workshop) -> int:
    kept = [text for key, text in workshop.bucket.objects.items() if key.startswith("answers/")]
    return sum(text.count(b"\n") for text in kept)


def test_a_shard_that_dies_is_retried_without_asking_stored_answers_again(
    workshop: Workshop, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a Lambda that is killed while it stores its ninth batch
    run = ready(workshop, calibration=False)
    monkeypatch.setattr(answer_recorder, "FLUSH_EVERY", 10)
    save, writes, lock = workshop.bucket.write, 0, threading.Lock()

    def write(key: str, content: bytes, content_type: str = "application/x-ndjson") -> None:
        nonlocal writes
        with lock:
            writes += 1
            if writes > 8:
                raise Killed
            save(key, content, content_type)

    monkeypatch.setattr(workshop.bucket, "write", write)
    with pytest.raises(Killed):
        evaluate(shard(workshop, run))
    monkeypatch.setattr(workshop.bucket, "write", save)
    kept = stored(workshop)
    assert kept > 0
    models.calls.clear()

    # When
    found = measured(workshop, run)

    # Then all is measured and judged, and only what was not stored is asked
    assert len(found) == 4 * RECORDS
    assert {item.score for item in found if item.role != TEACHER} == {4}
    assert models.of(judge=False) + models.of(judge=True) == PAID - kept
    assert max(models.calls.values()) == 1


def test_a_shard_that_runs_out_of_time_keeps_everything_that_it_bought(workshop: Workshop, models: Models) -> None:
    # Given a Lambda whose time is over after some calls
    run = ready(workshop, calibration=False)
    short = replace(shard(workshop, run), seconds_left=lambda: 900.0 if sum(models.calls.values()) < 50 else 1.0)
    with pytest.raises(RetryLater):
        evaluate(short)
    assert paid(workshop, run) == stored(workshop) == sum(models.calls.values())

    # When
    measured(workshop, run)

    # Then nothing was paid twice
    assert max(models.calls.values()) == 1
    assert paid(workshop, run) == PAID


def test_equal_answers_of_several_contestants_are_judged_once(workshop: Workshop, models: Models) -> None:
    # Given
    run = ready(workshop, calibration=False)
    models.same = True

    # When
    found = measured(workshop, run)

    # Then each of them has the verdict
    assert models.of(judge=True) == RECORDS
    assert {item.score for item in found if item.role != TEACHER} == {4}
    assert len(found) == 4 * RECORDS
