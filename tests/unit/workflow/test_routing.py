"""A person's word changes who answers callers: within what was tested, for the student that serves, and never twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from lambdas.domain.errors import PipelineError, RoutingRefused
from lambdas.domain.gate import routing as rules
from lambdas.domain.gate.routing import AdoptionLimits, RoutedPair
from lambdas.gateways.aws import clients
from lambdas.gateways.registry.runs import Run
from lambdas.workflow.serving.routing import ServingWord, route, serve_as
from tests.unit.domain.gate.test_routing import FIELD, population
from tests.unit.support.workshop import Workshop
from tests.unit.workflow.test_champion_pointer import FakeParameters

POLICY = "/distillation/dev/video/policy"
TASK = {
    "gate": {"reference": "teacher"},
    "serving": {"mode": "on_demand"},
    "cascade": {"confidence_field": FIELD, "below": 0.5},
    "output_schema": {"type": "object", "properties": {FIELD: {"type": "number", "minimum": 0, "maximum": 1}}},
    "teacher_system_prompt": "Say how sure you are.",
}
LIMITS = AdoptionLimits(min_gain=0.05, max_cost_share=0.5)


@pytest.fixture
def parameters(monkeypatch: pytest.MonkeyPatch) -> FakeParameters:
    made = FakeParameters()
    monkeypatch.setattr(clients, "ssm", lambda: made)
    monkeypatch.setattr(rules, "PERMUTATIONS", 99)
    return made


def serving(workshop: Workshop, pairs: list[RoutedPair], version: str = "1", **task: Any) -> Run:
    """Leave what a promotion leaves: plan, measurements, a champion on demand."""
    run = workshop.run(version)
    workshop.plan(run)
    workshop.bucket.write_json(run.files.task_definition, {**TASK, **task})
    items = [item for pair in pairs for item in (pair.student, replace(pair.fallback, role="teacher"))]
    lines = "\n".join(json.dumps(asdict(item)) for item in items)
    workshop.bucket.write(run.files.evaluation(1, "00-15.jsonl"), lines.encode())
    workshop.bucket.write_json(run.files.evaluation(1, "evaluation.json"), {"break_even": None})
    crowned = workshop.crown(run.run_id, f"arn:model{version}", f"arn:endpoint{version}")
    champion = replace(crowned, mode="on_demand").to_document()
    workshop.pipeline.tasks._table.update("TASK#video", "TASK", "SET champion = :one", {":one": champion})
    return run


def published(parameters: FakeParameters) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(parameters.values[POLICY])
    return found


def test_showing_changes_nothing_and_looks_at_no_record_that_tests(
    workshop: Workshop, parameters: FakeParameters
) -> None:
    run = serving(workshop, population(270, 1, 1.0))
    told = route(workshop.pipeline, "video", run.run_id, 0.5, None, ServingWord("", "arn:me"))
    assert told["proposal"]["confidence_field"] == FIELD
    assert told["records"]["proposing"] + told["records"]["testing"] == 270
    assert "lines" not in told
    assert parameters.values == {}


def test_a_good_policy_is_adopted_and_published_with_what_was_foreseen(
    workshop: Workshop, parameters: FakeParameters
) -> None:
    run = serving(workshop, population(270, 1, 1.0))
    told = route(workshop.pipeline, "video", run.run_id, 0.5, LIMITS, ServingWord("it gains", "arn:me"))
    assert told["adopted"], told["lines"]
    policy = published(parameters)
    assert (policy["mode"], policy["for_run"], policy["escalate"]["max_share"]) == ("cascade", run.run_id, 0.5)
    assert policy["expected"]["share_low"] < policy["expected"]["share"] < policy["expected"]["share_high"]
    assert policy["decided"]["why"] == "it gains"
    # And again, with the same result
    assert route(workshop.pipeline, "video", run.run_id, 0.5, LIMITS, ServingWord("it gains", "arn:me"))["adopted"]


def test_a_policy_that_says_nothing_is_not_adopted(workshop: Workshop, parameters: FakeParameters) -> None:
    run = serving(workshop, population(270, 1, 0.0))
    told = route(workshop.pipeline, "video", run.run_id, 0.5, LIMITS, ServingWord("", "arn:me"))
    assert not told["adopted"]
    assert parameters.values == {}
    assert workshop.pipeline.tasks.state("video").choice is None


def test_the_records_of_a_run_test_one_policy(workshop: Workshop, parameters: FakeParameters) -> None:
    # Given one that was tested
    run = serving(workshop, population(270, 1, 0.6))
    first = route(workshop.pipeline, "video", run.run_id, 0.5, LIMITS, ServingWord("", "arn:me"))
    other = route(
        workshop.pipeline, "video", run.run_id, first["proposal"]["share"] / 2, None, ServingWord("", "arn:me")
    )
    # When another is tried because its result was not liked
    with pytest.raises(RoutingRefused, match=r"no rule gains|upload more prompts"):
        route(workshop.pipeline, "video", run.run_id, first["proposal"]["share"] / 2, LIMITS, ServingWord("", "arn:me"))
    assert other["proposal"] != first["proposal"]
    # Then a new run has records of its own
    second = serving(workshop, population(270, 2, 1.0), "2")
    assert route(workshop.pipeline, "video", second.run_id, 0.5, LIMITS, ServingWord("", "arn:me"))["adopted"]
    assert published(parameters)["for_run"] == second.run_id


def test_a_mode_is_chosen_and_what_was_adopted_is_kept(workshop: Workshop, parameters: FakeParameters) -> None:
    # Given
    run = serving(workshop, population(270, 1, 1.0))
    with pytest.raises(RoutingRefused, match="no routing was adopted"):
        serve_as(workshop.pipeline, "video", "cascade", run.run_id, ServingWord("", "arn:me"))
    assert parameters.values == {}
    serve_as(
        workshop.pipeline, "video", "fallback", run.run_id, ServingWord("the student is wrong about dogs", "arn:me")
    )
    assert published(parameters)["mode"] == "fallback"
    assert route(workshop.pipeline, "video", run.run_id, 0.5, LIMITS, ServingWord("", "arn:me"))["adopted"]
    # When
    serve_as(workshop.pipeline, "video", "student", run.run_id, ServingWord("for a while", "arn:me"))
    assert published(parameters)["mode"] == "student"
    serve_as(workshop.pipeline, "video", "cascade", run.run_id, ServingWord("again", "arn:me"))
    # Then
    assert (published(parameters)["mode"], published(parameters)["escalate"]["confidence_field"]) == ("cascade", FIELD)
    assert [entry["why"] for entry in workshop.pipeline.tasks.history("video") if "why" in entry][
        -1
    ] == "cascade: again"


@pytest.mark.parametrize(
    "act",
    [
        lambda workshop, run_id: serve_as(workshop.pipeline, "video", "fallback", run_id, ServingWord("", "arn:me")),
        lambda workshop, run_id: route(workshop.pipeline, "video", run_id, 0.5, LIMITS, ServingWord("", "arn:me")),
    ],
    ids=["serve", "route"],
)
def test_nothing_is_chosen_for_another_student_than_the_person_means(
    workshop: Workshop, parameters: FakeParameters, act: Callable[[Workshop, str], Any]
) -> None:
    first = serving(workshop, population(270, 1, 1.0))
    serving(workshop, population(270, 2, 1.0), "2")
    with pytest.raises(PipelineError, match="is served by run"):
        act(workshop, first.run_id)
    assert parameters.values == {}


def test_without_the_runs_files_the_student_goes_on_alone(workshop: Workshop, parameters: FakeParameters) -> None:
    run = serving(workshop, population(100, 1, 1.0))
    del workshop.bucket.objects[run.files.plan(1)]
    with pytest.raises(RoutingRefused, match="have expired"):
        serve_as(workshop.pipeline, "video", "fallback", run.run_id, ServingWord("", "arn:me"))
    with pytest.raises(RoutingRefused, match="have expired"):
        route(workshop.pipeline, "video", run.run_id, 0.5, None, ServingWord("", "arn:me"))
    assert parameters.values == {}


def test_a_torn_down_environment_chooses_nothing(workshop: Workshop, parameters: FakeParameters) -> None:
    run = serving(workshop, population(100, 1, 1.0))
    workshop.pipeline.intake.close("arn:machine", workshop.now())
    with pytest.raises(RoutingRefused, match="torn down"):
        serve_as(workshop.pipeline, "video", "fallback", run.run_id, ServingWord("", "arn:me"))
    assert parameters.values == {}
