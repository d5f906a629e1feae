"""The student's base model with the long prompt is measured beside the student, and no verdict waits for it."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import pytest

from lambdas.domain.evaluation.measurements import PROMPTED, REQUIRED
from lambdas.gateways.answering import call_scheduler
from lambdas.gateways.aws import clients
from lambdas.gateways.registry.runs import Run
from tests.unit.gateways.fakes import converse_answer, refusal
from tests.unit.states.test_evaluate_student import JUDGE, RECORDS, decided, measured, ready
from tests.unit.support.workshop import Workshop

LONG, SHORT = "the long prompt " * 50, "the short prompt"
TASK = {
    "approval": "automatic",
    "serving": {"mode": "on_demand"},
    "teacher_system_prompt": LONG,
    "student_system_prompt": SHORT,
}
BASE = "amazon.nova-micro-v1:0"


class Models:
    """Each answers at once; the base model may refuse the long prompt."""

    def __init__(self) -> None:
        self.code: str | None = None
        self.asked: Counter[tuple[str, str]] = Counter()

    def converse(self, **request: Any) -> dict[str, Any]:
        model = request["modelId"]
        if model == JUDGE:
            text = request["messages"][-1]["content"][0]["text"]
            return converse_answer(tool={"score": 2 if "poorly" in text else 4, "explanation": "because"})
        prompt = request["system"][0]["text"]
        self.asked[model, prompt] += 1
        if model == BASE and prompt == LONG and self.code:
            raise refusal(self.code)
        answer = converse_answer("poorly" if model == BASE and prompt == SHORT else "the answer")
        answer["metrics"]["latencyMs"] = 900 if "haiku" in model else 321
        return answer


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    found = Models()
    monkeypatch.setattr(clients, "bedrock_runtime", lambda: found)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(call_scheduler, "MAX_STREAK", 1)  # more of them take minutes
    monkeypatch.setattr(call_scheduler, "MAX_BROKEN", 1)
    return found


def to_measure(workshop: Workshop, **task: Any) -> Run:
    run = ready(workshop, calibration=False)
    workshop.bucket.write_json(run.files.task_definition, {**TASK, **task})
    return run


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "ThrottlingException", "ModelErrorException"])
def test_a_rival_that_does_not_answer_is_left_out_and_changes_no_verdict(
    workshop: Workshop, models: Models, code: str
) -> None:
    # Given
    run = to_measure(workshop)
    models.code = code

    # When
    roles = {item.role for item in measured(workshop, run)}
    evaluation = decided(workshop, run)

    # Then
    assert roles == set(REQUIRED)
    assert (evaluation["decision"], evaluation["explicit_reasons"]) == ("PROMOTE", [])
    assert evaluation["prompting"] is None
    assert [(note["role"], note["model_id"]) for note in evaluation["left_out"]] == [(PROMPTED, BASE)]


@pytest.mark.parametrize(
    "task", [{"measure_prompting": False}, {"student_system_prompt": LONG}], ids=["turned off", "one prompt for all"]
)
def test_it_is_not_asked_where_the_task_says_so_or_another_contestant_is_that_rival(
    workshop: Workshop, models: Models, task: dict[str, Any]
) -> None:
    # Given / When
    run = to_measure(workshop, **task)
    roles = {item.role for item in measured(workshop, run)}

    # Then
    assert roles == set(REQUIRED)
    assert sum(count for (model, _), count in models.asked.items() if model == BASE) == RECORDS
    assert decided(workshop, run)["prompting"] is None


def test_a_base_that_does_with_the_long_prompt_what_the_student_does_is_told_first(
    workshop: Workshop, models: Models
) -> None:
    # Given trusted answers
    run = to_measure(workshop)
    key = run.files.teacher_data("references.jsonl")
    references = [{**json.loads(line), "trusted": True} for line in workshop.bucket.read(key).splitlines()]
    workshop.bucket.write(key, "\n".join(map(json.dumps, references)).encode())

    # When
    measured(workshop, run)
    evaluation = decided(workshop, run)
    report = workshop.bucket.read_json(run.files.report(1, "report.json"))
    page = workshop.bucket.read(run.files.report(1, "report.html")).decode()

    # Then it is a contestant on the same records, asked once each
    assert [one["role"] for one in evaluation["contestants"]] == [*REQUIRED, PROMPTED]
    assert {one["records"] for one in evaluation["contestants"]} == {RECORDS}
    assert models.asked[BASE, LONG] == models.asked[BASE, SHORT] == RECORDS
    assert evaluation["prompting"]["passes_gate"]
    assert report["prompting"] == evaluation["prompting"]
    sentence = evaluation["prompting"]["sentence"]
    assert sentence.startswith("Prompting is enough")
    assert page.index("Prompting is enough") < page.index("Promote this student?")
