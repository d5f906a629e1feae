"""A person's word changes who answers callers: within what was tested, for the student that serves, and never twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from lambdas.domain.errors import PipelineError, RoutingRefused
from lambdas.domain.gate import routing as rules
from lambdas.domain.gate.routing import AdoptionLimits, RoutedPair, RoutingTest
from lambdas.gateways.aws import clients
from lambdas.gateways.registry.runs import Run
from lambdas.workflow.serving.routing import ServingWord, route, serve_as
from tests.unit.domain.gate.test_routing import FIELD, population
from tests.unit.support.workshop import Workshop
from tests.unit.workflow.test_champion_pointer import FakeParameters

POLICY = "/distillation/dev/video/policy"
TASK: dict[str, Any] = {
    "gate": {"reference": "teacher"},
    "serving": {"mode": "on_demand"},
    "cascade": {"confidence_field": FIELD, "below": 0.5},
    "output_schema": {"type": "object", "properties": {FIELD: {"type": "number", "minimum": 0, "maximum": 1}}},
    "teacher_system_prompt": "Say how sure you are.",
}
LIMITS = AdoptionLimits(min_gain=0.05, max_cost_share=0.5)
WORD = ServingWord("", "arn:me")
SHOWN, TESTED = RoutingTest(max_share=0.5), RoutingTest(max_share=0.5, limits=LIMITS)


@pytest.fixture
def parameters(monkeypatch: pytest.MonkeyPatch) -> FakeParameters:
    made = FakeParameters()
    monkeypatch.setattr(clients, "ssm", lambda: made)
    monkeypatch.setattr(rules, "PERMUTATIONS", 99)
    return made


def serving(
    workshop: Workshop, pairs: list[RoutedPair], version: str = "1", mode: str = "on_demand", **task: Any
) -> Run:
    """Leave what a promotion leaves: plan, measurements, a champion."""
    run = workshop.run(version)
    workshop.plan(run)
    workshop.bucket.write_json(run.files.task_definition, {**TASK, **task})
    items = [item for pair in pairs for item in (pair.student, replace(pair.fallback, role="teacher"))]
    lines = "\n".join(json.dumps(asdict(item)) for item in items)
    workshop.bucket.write(run.files.evaluation(1, "00-15.jsonl"), lines.encode())
    workshop.bucket.write_json(run.files.evaluation(1, "evaluation.json"), {"break_even": None})
    crowned = workshop.crown(run.run_id, f"arn:model{version}", f"arn:endpoint{version}")
    champion = replace(crowned, mode=mode).to_document()
    workshop.pipeline.tasks._table.update("TASK#video", "TASK", "SET champion = :one", {":one": champion})
    return run


def published(parameters: FakeParameters) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(parameters.values[POLICY])
    return found


def test_showing_changes_nothing_and_looks_at_no_record_that_tests(
    workshop: Workshop, parameters: FakeParameters
) -> None:
    run = serving(workshop, population(270, 1, 1.0))
    told = route(workshop.pipeline, "video", run.run_id, SHOWN, WORD)
    assert told["proposal"]["confidence_field"] == FIELD
    assert told["records"]["proposing"] + told["records"]["testing"] == 270
    assert "lines" not in told
    assert parameters.values == {}


def test_a_good_policy_is_adopted_and_published_with_what_was_foreseen(
    workshop: Workshop, parameters: FakeParameters
) -> None:
    run = serving(workshop, population(270, 1, 1.0))
    told = route(workshop.pipeline, "video", run.run_id, TESTED, ServingWord("it gains", "arn:me"))
    assert told["adopted"], told["lines"]
    policy = published(parameters)
    assert (policy["mode"], policy["for_run"], policy["escalate"]["max_share"]) == ("cascade", run.run_id, 0.5)
    assert policy["expected"]["share_low"] < policy["expected"]["share"] < policy["expected"]["share_high"]
    assert policy["decided"]["why"] == "it gains"
    # And again, with the same result
    assert route(workshop.pipeline, "video", run.run_id, TESTED, ServingWord("it gains", "arn:me"))["adopted"]


@pytest.mark.parametrize("mode", ["on_demand", "provisioned_throughput"])
def test_foreseen_dollars_are_those_that_callers_count(
    workshop: Workshop, parameters: FakeParameters, mode: str
) -> None:
    # Given a champion in a mode, and a volume that makes a throughput cheap enough
    pairs = population(270, 1, 1.0)
    run = serving(workshop, pairs, mode=mode)
    costs = {"usd_per_month": {"student_provisioned_throughput": 0.1}, "expected_requests_per_month": 1_000_000}
    workshop.bucket.write_json(run.files.evaluation(1, "evaluation.json"), {"break_even": costs})
    told = route(workshop.pipeline, "video", run.run_id, TESTED, WORD)
    assert told["adopted"], told["lines"]
    # When a caller prices the same records by the policy
    policy, asked = published(parameters), 0.0
    prices = policy["fallback"]["usd_per_million_tokens"], policy["student"]["usd_per_million_tokens"]
    for pair in pairs:
        answers = [pair.student] if pair.student.score == 5 else [pair.student, pair.fallback]
        for answer, usd in zip(answers, reversed(prices), strict=False):
            asked += (answer.input_tokens * usd["input"] + answer.output_tokens * usd["output"]) / 1e6
    # Then
    assert policy["expected"]["usd_per_1k_requests"] == pytest.approx(1000 * asked / len(pairs))


def test_a_policy_that_says_nothing_is_not_adopted(workshop: Workshop, parameters: FakeParameters) -> None:
    run = serving(workshop, population(270, 1, 0.0))
    told = route(workshop.pipeline, "video", run.run_id, TESTED, WORD)
    assert not told["adopted"]
    assert parameters.values == {}
    assert workshop.pipeline.tasks.state("video").choice is None


def test_the_records_of_a_run_test_one_policy(workshop: Workshop, parameters: FakeParameters) -> None:
    # Given one that was tested
    run = serving(workshop, population(270, 1, 0.6))
    first = route(workshop.pipeline, "video", run.run_id, TESTED, WORD)
    half = first["proposal"]["share"] / 2
    other = route(workshop.pipeline, "video", run.run_id, RoutingTest(max_share=half), WORD)
    # When another is tried because its result was not liked
    with pytest.raises(RoutingRefused, match=r"no rule gains|upload more prompts"):
        route(workshop.pipeline, "video", run.run_id, RoutingTest(max_share=half, limits=LIMITS), WORD)
    assert other["proposal"] != first["proposal"]
    # Then a new run has records of its own
    second = serving(workshop, population(270, 2, 1.0), "2")
    assert route(workshop.pipeline, "video", second.run_id, TESTED, WORD)["adopted"]
    assert published(parameters)["for_run"] == second.run_id


@pytest.mark.usefixtures("parameters")
def test_the_records_of_a_run_that_comes_back_test_no_second_policy(workshop: Workshop) -> None:
    # Given a policy that the first run tested, and one that the second tested
    pairs, tasks = population(270, 1, 0.6), workshop.pipeline.tasks
    first = serving(workshop, pairs)
    tasks.claim_routing_test("video", first.run_id, {"on": ["truncated"]})
    second = serving(workshop, population(270, 2, 0.6), "2")
    tasks.claim_routing_test("video", second.run_id, {"on": ["truncated"]})
    # When the first serves again
    serving(workshop, pairs)
    # Then no other policy is tested, and the same one may be again
    with pytest.raises(RoutingRefused, match="have tested another policy"):
        tasks.claim_routing_test("video", first.run_id, {"on": ["breaks_schema"]})
    tasks.claim_routing_test("video", first.run_id, {"on": ["truncated"]})


@pytest.mark.usefixtures("parameters")
def test_a_claim_of_an_earlier_version_is_kept(workshop: Workshop) -> None:
    # Given what that version wrote: one claim, in the task's own item
    run, tasks = serving(workshop, population(270, 1, 0.6)), workshop.pipeline.tasks
    claimed = {"for_run": run.run_id, "rule": {"on": ["truncated"]}}
    tasks._table.update("TASK#video", "TASK", "SET routing_test = :one", {":one": claimed})
    # Then
    with pytest.raises(RoutingRefused, match="have tested another policy"):
        tasks.claim_routing_test("video", run.run_id, {"on": ["breaks_schema"]})
    tasks.claim_routing_test("video", run.run_id, {"on": ["truncated"]})


def uploaded_later(workshop: Workshop, champion: str, pairs: list[RoutedPair], version: str = "2", **task: Any) -> Run:
    """Leave what a later run leaves that was compared with the champion, whoever serves in the end."""
    run = workshop.run(version)
    workshop.plan(run)
    workshop.bucket.write_json(run.files.task_definition, {**TASK, **task})
    items = [item for pair in pairs for item in (replace(pair.student, role="champion"), pair.fallback)]
    lines = "\n".join(json.dumps(asdict(item)) for item in items)
    workshop.bucket.write(run.files.evaluation(1, "00-15.jsonl"), lines.encode())
    held_out(workshop, run, [pair.student.record_id for pair in pairs])
    pinned = workshop.pipeline.tasks.state("video").champion
    assert pinned is not None
    workshop.pipeline.registry.record_facts(run.run_id, champion_before=pinned.to_document())
    assert pinned.run_id == champion
    return run


def held_out(workshop: Workshop, run: Run, ids: list[str], kind: str = "holdout") -> None:
    records = [{"id": one, "turns": [["user", f"what is {one}"]]} for one in ids]
    workshop.bucket.write(run.files.dataset(f"{kind}.jsonl"), "\n".join(map(json.dumps, records)).encode())


class TestFreshRecords:
    """A later upload tests what all of the champion's own records proposed."""

    def test_they_test_what_the_whole_holdout_proposed_and_cost_nothing(
        self, workshop: Workshop, parameters: FakeParameters
    ) -> None:
        # Given
        run = serving(workshop, population(100, 1, 1.0))
        held_out(workshop, run, [])
        later = uploaded_later(workshop, run.run_id, population(200, 2, 1.0))
        # When
        told = route(workshop.pipeline, "video", run.run_id, replace(TESTED, fresh_run=later.run_id), WORD)
        # Then
        assert told["adopted"], told["lines"]
        assert (told["records"], told["tested_on"]) == ({"proposing": 100, "testing": 200}, later.run_id)
        assert (published(parameters)["mode"], published(parameters)["for_run"]) == ("cascade", run.run_id)
        assert published(parameters)["expected"]["records"] == 300

    def test_a_signal_that_only_the_own_records_know_is_not_adopted(
        self, workshop: Workshop, parameters: FakeParameters
    ) -> None:
        run = serving(workshop, population(100, 1, 1.0))
        held_out(workshop, run, [])
        later = uploaded_later(workshop, run.run_id, population(200, 2, 0.0))
        told = route(workshop.pipeline, "video", run.run_id, replace(TESTED, fresh_run=later.run_id), WORD)
        assert not told["adopted"]
        assert parameters.values == {}

    def test_what_trained_or_measured_the_champion_is_not_fresh(
        self, workshop: Workshop, parameters: FakeParameters
    ) -> None:
        # Given a later file that has all records of the first one
        own, new = population(100, 1, 1.0), population(60, 2, 1.0)
        run = serving(workshop, own)
        ids = [pair.student.record_id for pair in own]
        held_out(workshop, run, ids[:50])
        held_out(workshop, run, ids[50:], "train")
        later = uploaded_later(workshop, run.run_id, [*own, *new])
        # When
        told = route(workshop.pipeline, "video", run.run_id, replace(SHOWN, fresh_run=later.run_id), WORD)
        # Then
        assert told["records"]["testing"] == 60
        assert parameters.values == {}

    @pytest.mark.usefixtures("parameters")
    def test_each_later_run_tests_one_policy(self, workshop: Workshop) -> None:
        # Given one that a later run has tested
        run = serving(workshop, population(100, 1, 0.6))
        held_out(workshop, run, [])
        later = uploaded_later(workshop, run.run_id, population(200, 2, 0.6))
        first = route(workshop.pipeline, "video", run.run_id, replace(TESTED, fresh_run=later.run_id), WORD)
        other = RoutingTest(max_share=first["proposal"]["share"] / 2, limits=LIMITS, fresh_run=later.run_id)
        # When
        pipeline = workshop.pipeline
        pipeline.tasks.claim_routing_test("video", run.run_id, first["proposal"] and _rule(first), later.run_id)
        with pytest.raises(RoutingRefused, match=r"no rule gains|have tested another policy"):
            route(pipeline, "video", run.run_id, other, WORD)
        with pytest.raises(RoutingRefused, match="have tested another policy"):
            pipeline.tasks.claim_routing_test("video", run.run_id, {"on": []}, later.run_id)
        # Then another one brings records of its own
        pipeline.tasks.claim_routing_test("video", run.run_id, {"on": []}, "a later one still")

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"teacher_system_prompt": "Another."}, "asked with another prompt"),
            ({"output_schema": {**TASK["output_schema"], "required": [FIELD]}}, "output schema is another one"),
            ({"max_answer_tokens": 77}, "asked with another prompt"),
        ],
        ids=["prompt", "schema", "parameters"],
    )
    def test_what_callers_do_not_get_is_no_test(
        self, workshop: Workshop, parameters: FakeParameters, change: dict[str, Any], why: str
    ) -> None:
        run = serving(workshop, population(100, 1, 1.0))
        held_out(workshop, run, [])
        later = uploaded_later(workshop, run.run_id, population(200, 2, 1.0), **change)
        with pytest.raises(RoutingRefused, match=why):
            route(workshop.pipeline, "video", run.run_id, replace(TESTED, fresh_run=later.run_id), WORD)
        assert parameters.values == {}

    @pytest.mark.usefixtures("parameters")
    def test_a_run_that_did_not_measure_this_champion_says_nothing(self, workshop: Workshop) -> None:
        # Given a run before it, whose student was never compared with it
        first = serving(workshop, population(100, 1, 1.0))
        run = serving(workshop, population(100, 2, 1.0), "2")
        held_out(workshop, run, [])
        for other, why in ((first.run_id, "no champion"), (run.run_id, "not a later run"), ("video-x", "not a later")):
            with pytest.raises(RoutingRefused, match=why):
                route(workshop.pipeline, "video", run.run_id, replace(SHOWN, fresh_run=other), WORD)

    @pytest.mark.usefixtures("parameters")
    def test_without_the_champions_own_records_nobody_knows_what_is_fresh(self, workshop: Workshop) -> None:
        run = serving(workshop, population(100, 1, 1.0))
        later = uploaded_later(workshop, run.run_id, population(200, 2, 1.0))
        with pytest.raises(RoutingRefused, match="have expired"):
            route(workshop.pipeline, "video", run.run_id, replace(SHOWN, fresh_run=later.run_id), WORD)


def _rule(told: dict[str, Any]) -> dict[str, Any]:
    return {name: told["proposal"][name] for name in ("on", "confidence_field", "below")}


def test_a_mode_is_chosen_and_what_was_adopted_is_kept(workshop: Workshop, parameters: FakeParameters) -> None:
    # Given
    run = serving(workshop, population(270, 1, 1.0))
    with pytest.raises(RoutingRefused, match="no routing was adopted"):
        serve_as(workshop.pipeline, "video", "cascade", run.run_id, WORD)
    assert parameters.values == {}
    serve_as(
        workshop.pipeline, "video", "fallback", run.run_id, ServingWord("the student is wrong about dogs", "arn:me")
    )
    assert published(parameters)["mode"] == "fallback"
    assert route(workshop.pipeline, "video", run.run_id, TESTED, WORD)["adopted"]
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
        lambda workshop, run_id: serve_as(workshop.pipeline, "video", "fallback", run_id, WORD),
        lambda workshop, run_id: route(workshop.pipeline, "video", run_id, TESTED, WORD),
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
        serve_as(workshop.pipeline, "video", "fallback", run.run_id, WORD)
    with pytest.raises(RoutingRefused, match="have expired"):
        route(workshop.pipeline, "video", run.run_id, SHOWN, WORD)
    assert parameters.values == {}


def test_a_torn_down_environment_chooses_nothing(workshop: Workshop, parameters: FakeParameters) -> None:
    run = serving(workshop, population(100, 1, 1.0))
    workshop.pipeline.intake.close("arn:machine", workshop.now())
    with pytest.raises(RoutingRefused, match="torn down"):
        serve_as(workshop.pipeline, "video", "fallback", run.run_id, WORD)
    assert parameters.values == {}
