"""A champion is replaced under its own limits, or by a person's explicit word: whatever the new upload says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.gate.approved_limits import ApprovedLimits, MeasuredOn
from lambdas.domain.run_files import RunFiles
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.gateways.aws import clients
from lambdas.gateways.registry.runs import Run
from lambdas.states.promote_student.stage import execute as promote
from lambdas.states.score_evaluation.stage import execute as score
from tests.unit.gateways.fakes import converse_answer
from tests.unit.states.test_evaluate_student import JUDGE, RECORDS, decided, measured, ready
from tests.unit.states.test_promote_student import evaluated, parameters, students
from tests.unit.support.workshop import Workshop

__all__ = ["parameters", "students"]

ENDPOINT = "arn:champion-endpoint"
NO_GATE = {
    "min_judge_score": 1,
    "max_quality_drop": 4,
    "min_schema_validity": 0,
    "min_cost_reduction": 0,
    "min_latency_reduction": 0,
    "min_judge_agreement": 0,
    "min_judge_correlation": -1,
    "max_judge_error": 4,
}


class Models:
    """The champion answers well, the others as well as the test says."""

    def __init__(self) -> None:
        self.score_of_others = 4

    def converse(self, **request: Any) -> dict[str, Any]:
        model = request["modelId"]
        if model == JUDGE:
            text = request["messages"][-1]["content"][0]["text"]
            return converse_answer(tool={"score": 4 if "as the champion" in text else self.score_of_others,
                                         "explanation": "because"})  # fmt: skip
        answer = converse_answer("as the champion" if model == ENDPOINT else "the answer")
        answer["metrics"]["latencyMs"] = 900 if "haiku" in model else 321
        return answer


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    found = Models()
    monkeypatch.setattr(clients, "bedrock_runtime", lambda: found)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    return found


def uploaded(workshop: Workshop, run: Run, **task: Any) -> None:
    workshop.bucket.write_json(run.files.task_definition, {"approval": "automatic", **task})


def champions_task(workshop: Workshop, **task: Any) -> None:
    workshop.bucket.write_json(RunFiles("video", "video-older").task_definition, task)


def said(workshop: Workshop, run: Run) -> str:
    measured(workshop, run)
    found = decided(workshop, run)["explicit_reasons"]
    return " | ".join(one["sentence"] for one in found if one["name"] != "min_cost_reduction")  # no price of an hour


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    "task",
    [
        pytest.param({"approval": "automatic"}, id="nobody is asked"),
        pytest.param({"approval": "automatic", "gate": NO_GATE}, id="no gate"),
        pytest.param({"budget_usd": 1_000_000}, id="a million"),
        pytest.param({"serving": {"model_units": 100}}, id="a hundred units"),
        pytest.param({"gate": {"min_cost_reduction": 0.5}}, id="dearer"),
        pytest.param({"gate": {"min_latency_reduction": 0.1}}, id="slower"),
        pytest.param({"judge_rubric": "5: anything whatever is worth five points."}, id="another rubric"),
        pytest.param({"teacher_system_prompt": "Say nothing."}, id="another question"),
        pytest.param({"secrets": "allow"}, id="secrets"),
    ],
)
def test_a_task_that_loosens_a_limit_needs_a_word_even_of_a_student_as_good_as_the_champion(
    workshop: Workshop, task: dict[str, Any]
) -> None:
    # Given a champion that was approved by a person under the default limits
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    champions_task(workshop)
    workshop.bucket.write_json(run.files.task_definition, {"approval": "required", **task})

    # When
    measured(workshop, run)
    result = score(workshop.stage("ScoreEvaluation", run))

    # Then
    assert result["decision"] == "PROMOTE"
    assert result["needs_a_person"]


def test_a_worse_student_under_a_gate_that_was_taken_away_is_told_with_the_champions_figures(
    workshop: Workshop, models: Models
) -> None:
    # Given
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    champions_task(workshop, gate={"min_judge_score": 3.5})
    uploaded(workshop, run, gate=NO_GATE, budget_usd=1_000_000)
    models.score_of_others = 2

    # When
    sentences = said(workshop, run)

    # Then
    assert "'min_judge_score' 3.5, a limit under which the champion was approved: measured 2" in sentences
    assert "not shown to be within 0.2 judge points of the champion" in sentences
    assert "approval automatic; the champion that it would replace was approved under required" in sentences
    assert "budget_usd 1,000,000.00" in sentences


@pytest.mark.usefixtures("models")
def test_a_run_under_the_champions_own_limits_needs_no_word_and_stricter_ones_do_not_either(
    workshop: Workshop,
) -> None:
    # Given
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    champions_task(workshop, approval="automatic")
    uploaded(workshop, run, gate={"min_judge_correlation": 0.8}, budget_usd=10)

    # When / Then
    assert said(workshop, run) == ""


@pytest.mark.usefixtures("models")
def test_the_same_student_under_looser_limits_needs_a_word_or_they_would_be_the_next_ones(workshop: Workshop) -> None:
    # Given an upload of the very prompts of the champion, whose training is adopted
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    champions_task(workshop)
    uploaded(workshop, run, gate=NO_GATE)
    workshop.pipeline.registry.record_facts(run.run_id, custom_model_arn="arn:older")

    # When / Then
    assert "gate.min_judge_score 1" in said(workshop, run)


@pytest.mark.usefixtures("models")
def test_limits_that_nothing_says_any_more_need_a_word(workshop: Workshop) -> None:
    # Given a champion of an earlier version, whose run's task.json cannot be read
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    workshop.bucket.write(RunFiles("video", "video-older").task_definition, b"not JSON")

    # When / Then
    assert "Nothing says under which limits the champion of run video-older was approved" in said(workshop, run)


@pytest.mark.usefixtures("models")
def test_limits_that_are_kept_with_the_champion_count_and_not_what_lies_in_its_folder(workshop: Workshop) -> None:
    # Given somebody who has loosened the task.json of the champion's run
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    champions_task(workshop, gate=NO_GATE, approval="automatic")
    keep_limits(workshop, run, lambda _limits: None)
    uploaded(workshop, run, gate=NO_GATE)

    # When / Then
    assert "gate.min_judge_score 1" in said(workshop, run)


def keep_limits(
    workshop: Workshop, run: Run, change: Callable[[dict[str, Any]], None], **measured_on: Any
) -> ApprovedLimits:
    """Let the champion be of this version: its limits are in the registry."""
    measured_on = {"holdout_records": RECORDS, **measured_on}
    models = workshop.stage("ScoreEvaluation", run).plan.models
    limits = ApprovedLimits.of(TaskDefinition.default(), models, MeasuredOn(**measured_on))
    document = limits.to_document()
    change(document)
    pinned = workshop.pipeline.tasks.state("video").champion
    assert pinned is not None
    item = replace(pinned, limits=document).to_document()
    values = {":champion": item}
    workshop.pipeline.__dict__["_table"].update("TASK#video", "TASK", "SET champion = :champion", values)
    workshop.pipeline.registry.record_facts(run.run_id, champion_before=item)
    return limits


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("measured_on", "models_before", "expected"),
    [
        ({"holdout_records": 2 * RECORDS}, {}, "measured on 120 holdout records, this student on 60"),
        ({"calibration_cases": 30}, {}, "measured on 30 answers with known scores, this run's on 0"),
        ({"own_holdout": True}, {}, "the task's own holdout.jsonl, this student on a split"),
        ({}, {"judge": "us.anthropic.claude-opus-4"}, "with us.anthropic.claude-opus-4 as judge, this run has"),
        ({}, {"baseline": "us.amazon.nova-pro-v1:0"}, "with us.amazon.nova-pro-v1:0 as baseline, this run has"),
    ],
)
def test_less_that_is_measured_and_other_models_need_a_word(
    workshop: Workshop, measured_on: dict[str, Any], models_before: dict[str, str], expected: str
) -> None:
    # Given
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    keep_limits(workshop, run, lambda limits: limits["models"].update(models_before), **measured_on)
    workshop.bucket.write_json(run.files.task_definition, {"approval": "required"})

    # When / Then
    assert expected in said(workshop, run)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("kept", [True, False])
def test_a_holdout_of_the_task_may_grow_and_may_not_lose_records(workshop: Workshop, *, kept: bool) -> None:
    # Given a champion that was measured on the task's own holdout
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    keep_limits(workshop, run, lambda _limits: None, own_holdout=True, golden_share=1.0)
    workshop.bucket.write_json(run.files.task_definition, {"approval": "required"})
    workshop.bucket.write_json(run.files.dataset("dataset.json"), {"own_holdout": True, "holdout": RECORDS})
    lines = workshop.bucket.read(run.files.dataset("holdout.jsonl")).splitlines()
    earlier = [json.loads(line) for line in lines[:50]]
    if not kept:
        earlier[0]["golden"] = "what a person said is right"
    # Ids follow from the student's prompt, which may change: the same question is the same question.
    text = "\n".join(json.dumps({**one, "id": "f" * 16}) for one in earlier)
    workshop.bucket.write(RunFiles("video", "video-older").dataset("holdout.jsonl"), text.encode())

    # When
    sentences = said(workshop, run)

    # Then
    assert sentences == ("" if kept else sentences)
    assert kept or "1 of the 50 records of the holdout.jsonl" in sentences


@pytest.mark.usefixtures("models")
def test_an_evaluation_says_what_its_student_was_held_against(workshop: Workshop) -> None:
    # Given a task without a champion
    run = ready(workshop, calibration=False)
    uploaded(workshop, run, gate={"min_judge_score": 3.25})
    measured(workshop, run)

    # When
    limits = decided(workshop, run)["limits"]

    # Then
    assert limits["gate"]["min_judge_score"] == 3.25
    assert limits["measured_on"]["holdout_records"] == RECORDS
    assert limits["models"]["judge"] == JUDGE


@pytest.mark.usefixtures("students", "parameters")
def test_the_limits_stay_with_the_student_that_becomes_champion(workshop: Workshop) -> None:
    # Given
    run = evaluated(workshop, "1")
    limits = ApprovedLimits.of(TaskDefinition.default(), measured_on=MeasuredOn(holdout_records=200)).to_document()
    evaluation = workshop.bucket.read_json(run.files.evaluation(1, "evaluation.json"))
    workshop.bucket.write_json(run.files.evaluation(1, "evaluation.json"), {**evaluation, "limits": limits})

    # When
    promote(workshop.stage("PromoteStudent", run))
    for endpoint in workshop.client.endpoints.values():
        endpoint["status"] = "InService"
    assert promote(workshop.stage("PromoteStudent", run))["status"] == "COMPLETED"

    # Then the registry gives them back as they were
    champion = workshop.pipeline.tasks.state(run.task).champion
    assert champion is not None
    assert champion.limits == limits
