"""Where batch inference gave a model's answers, a sample of the holdout is asked again on demand, for the times."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import Any

import pytest

from lambdas.domain.dataset.records import from_json_lines
from lambdas.domain.errors import RetryLater
from lambdas.domain.evaluation import latency_sample
from lambdas.domain.evaluation.latency_sample import LATENCY_CALLS, TEACHER_JUDGED
from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.questions.answers import Answer
from lambdas.domain.questions.prompts import teacher_question
from lambdas.gateways.answering import call_scheduler
from lambdas.gateways.answering.answer_store import AnswerStore
from lambdas.gateways.aws import clients
from lambdas.gateways.registry.runs import Run
from tests.unit.gateways.fakes import converse_answer, judge_answer, refusal
from tests.unit.states.test_evaluate_student import JUDGE, RECORDS, SHARD, decided, measured, ready
from tests.unit.support.workshop import Workshop

TEACHER, BASELINE = "us.amazon.nova-pro-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0"
SAMPLE = 20


class Models:
    """Each answers; the teacher takes two seconds, or refuses after so many calls."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.teacher_refuses_after: int | None = None
        self.code = "ThrottlingException"
        self.refusing_baseline = False
        self._lock = threading.Lock()

    def converse(self, **request: Any) -> dict[str, Any]:
        model = request["modelId"]
        with self._lock:
            allowed = self.teacher_refuses_after
            if model == TEACHER and allowed is not None and self.calls[model] >= allowed:
                raise refusal(self.code)
            if model == BASELINE and self.refusing_baseline:
                raise refusal(self.code)
            self.calls[model] += 1
        if model == JUDGE:
            second = "<answer>asked on demand" in request["messages"][-1]["content"][0]["text"]
            return judge_answer(request, 3 if second else 5)
        answer = converse_answer("asked on demand")
        answer["metrics"]["latencyMs"] = 2_000 if model == TEACHER else 500
        return answer


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    found = Models()
    monkeypatch.setattr(clients, "bedrock_runtime", lambda: found)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr(call_scheduler, "MAX_STREAK", 1)  # more of them take minutes
    monkeypatch.setattr(latency_sample, "TIMED_RECORDS", SAMPLE)
    return found


def by_batch(workshop: Workshop, run: Run, *, on_demand: int = 0, model: str = TEACHER) -> None:
    """Leave a teacher's answers as RunTeacherBatch does, the first few of them bought on demand."""
    task = workshop.stage("EvaluateStudent", run).task
    records = from_json_lines(workshop.bucket.read(run.files.dataset("holdout.jsonl")))
    questions = [teacher_question(record, task) for record in records]
    answers = [
        Answer(
            key=question.key(model),
            record_id=question.record_id,
            model=model,
            text="given by a batch",
            stop_reason="end_turn",
            input_tokens=100,
            output_tokens=10,
            latency_ms=1_000.0 if number < on_demand else 0.0,
            client_ms=1_100.0 if number < on_demand else 0.0,
            batch=number >= on_demand,
        )
        for number, question in enumerate(questions)
    ]
    AnswerStore(workshop.bucket, run.task).save(questions[0].pool(model), SHARD, answers)


def teacher(found: list[Measurement]) -> list[Measurement]:
    return [item for item in found if item.role == "teacher"]


def test_a_sample_is_timed_and_nothing_else_of_it_counts(workshop: Workshop, models: Models) -> None:
    # Given
    run = ready(workshop, calibration=False)
    by_batch(workshop, run)

    # When
    found = teacher(measured(workshop, run))
    [summary] = [one for one in decided(workshop, run)["contestants"] if one["role"] == "teacher"]

    # Then the batch's answers are judged and counted, and the sample's times are the teacher's
    assert models.calls[TEACHER] == SAMPLE
    assert {item.answer for item in found} == {"given by a batch"}
    assert (summary["timed"], summary["timed_apart"], summary["throttled"]) == (SAMPLE, SAMPLE, 0)
    assert summary["latency_ms"]["p50"] == summary["latency_ms"]["p95"] == 2_000
    assert summary["records"] == RECORDS


@pytest.mark.usefixtures("models")
def test_its_second_answers_show_how_well_the_teacher_agrees_with_itself(workshop: Workshop) -> None:
    # Given a teacher that says something else the second time, which the judge finds worth three points
    run = ready(workshop, calibration=False)
    by_batch(workshop, run)

    # When
    found = teacher(measured(workshop, run))
    evaluation = decided(workshop, run)

    # Then its own answers are judged for thirty records at most, and only second ones count
    assert [item.score for item in found if item.timed_apart] == [3] * SAMPLE
    assert [item.judged for item in found].count(True) == TEACHER_JUDGED
    assert evaluation["evidence"]["teacher_agrees_with_itself"] == 3.0
    [floor] = [line for line in evaluation["gate"] if line["rule"] == "min_judge_score"]
    assert "the teacher's own second answers reach 3.00" in floor["explanation"]


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("trusted", "ceiling"), [(range(60), None), (range(40), None), (range(20, 60), 3.0), (range(50, 60), 3.0)]
)
def test_what_it_scores_against_trusted_answers_is_not_how_well_it_agrees_with_itself(
    workshop: Workshop, trusted: range, ceiling: float | None
) -> None:
    # Given references of which some are the user's own
    run = ready(workshop, calibration=False)
    by_batch(workshop, run)
    key = run.files.teacher_data("references.jsonl")
    lines = [json.loads(line) for line in workshop.bucket.read(key).splitlines()]
    marked = [json.dumps({**line, "trusted": number in trusted}) for number, line in enumerate(lines)]
    workshop.bucket.write(key, "\n".join(marked).encode())

    # When
    found = teacher(measured(workshop, run))
    evaluation = decided(workshop, run)

    # Then each trusted one is judged by the first answer, which callers would get, and thirty of the others at most
    ids = {lines[number]["record_id"] for number in trusted}
    judged = [item for item in found if item.judged]
    assert {item.score for item in judged if item.record_id in ids} == {5}
    assert len(judged) == len(trusted) + min(RECORDS - len(trusted), TEACHER_JUDGED)
    assert evaluation["evidence"]["teacher_agrees_with_itself"] == ceiling


def test_the_ledger_names_the_sample_and_nothing_of_it_is_bought_twice(workshop: Workshop, models: Models) -> None:
    # Given a shard that was measured, and of which nothing but bought answers remains
    run = ready(workshop, calibration=False)
    by_batch(workshop, run)
    first = measured(workshop, run)

    # When
    again = measured(workshop, run)

    # Then
    assert again == first
    assert models.calls[TEACHER] == SAMPLE
    entries = [entry for entry in workshop.pipeline.registry.ledger(run.run_id) if entry.model == TEACHER]
    assert sum(entry.usage.get(LATENCY_CALLS, 0) for entry in entries) == SAMPLE
    assert sum(entry.usage["calls"] for entry in entries) == SAMPLE
    assert {entry.stage for entry in entries} == {"EvaluateStudent"}


def test_answers_that_were_bought_on_demand_are_timed_already(workshop: Workshop, models: Models) -> None:
    # Given
    run = ready(workshop, calibration=False)
    by_batch(workshop, run, on_demand=SAMPLE - 5)

    # When
    found = teacher(measured(workshop, run))

    # Then
    assert models.calls[TEACHER] == 5
    assert sum(item.is_timed for item in found) == SAMPLE
    assert sum(item.timed_apart for item in found) == 5


def test_a_teacher_that_was_asked_on_demand_is_not_asked_again(workshop: Workshop, models: Models) -> None:
    # Given no answer of a batch
    run = ready(workshop, calibration=False)

    # When
    found = teacher(measured(workshop, run))

    # Then
    assert models.calls[TEACHER] == RECORDS
    assert not any(item.timed_apart for item in found)


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException"])
@pytest.mark.parametrize("answered", [0, 7])
def test_a_teacher_that_does_not_answer_on_demand_holds_no_run_up(
    workshop: Workshop, models: Models, code: str, answered: int
) -> None:
    # Given
    run = ready(workshop, calibration=False)
    by_batch(workshop, run)
    models.teacher_refuses_after, models.code = answered, code

    # When
    found = teacher(measured(workshop, run))
    [summary] = [one for one in decided(workshop, run)["contestants"] if one["role"] == "teacher"]

    # Then what was paid for is used, and without any the latency is unknown
    assert sum(item.timed_apart for item in found) == answered
    assert len(found) == summary["records"] == RECORDS
    assert (summary["latency_ms"] is None) == (answered == 0)


def test_a_baseline_that_was_a_teacher_before_is_timed_too_and_the_gate_decides(
    workshop: Workshop, models: Models
) -> None:
    # Given a baseline whose answers an earlier run bought by batch, when it was the teacher
    run = ready(workshop, calibration=False)
    by_batch(workshop, run, model=BASELINE)

    # When
    measured(workshop, run)
    evaluation = decided(workshop, run)

    # Then
    [baseline] = [one for one in evaluation["contestants"] if one["role"] == "baseline"]
    assert (baseline["timed"], baseline["timed_apart"]) == (SAMPLE, SAMPLE)
    assert models.calls[BASELINE] == SAMPLE
    [latency] = [line for line in evaluation["gate"] if line["rule"] == "min_latency_reduction"]
    assert not latency["undecided"]


def test_a_model_that_is_teacher_and_baseline_is_timed_once(workshop: Workshop, models: Models) -> None:
    # Given
    run = ready(workshop, calibration=False)
    plan = workshop.bucket.read_json(run.files.plan(1))
    workshop.bucket.write_json(run.files.plan(1), {"models": {**plan["models"], "baseline": TEACHER}})
    by_batch(workshop, run)

    # When
    found = measured(workshop, run)

    # Then
    assert models.calls[TEACHER] == SAMPLE
    for role in ("teacher", "baseline"):
        assert sum(item.timed_apart for item in found if item.role == role) == SAMPLE


def test_a_baseline_that_does_not_answer_on_demand_is_tried_again(workshop: Workshop, models: Models) -> None:
    # Given: the gate holds the student against its latency
    run = ready(workshop, calibration=False)
    by_batch(workshop, run, model=BASELINE)
    models.refusing_baseline = True

    # When / Then
    with pytest.raises(RetryLater):
        measured(workshop, run)
