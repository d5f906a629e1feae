"""With every promotion callers get a safe policy; what a person decides holds for one run, and is never lost."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock_student.policy import read_policy
from lambdas.domain.errors import ChampionChanged
from lambdas.domain.serving.serving_policy import (
    BY_CASCADE,
    BY_FALLBACK,
    FallbackModel,
    ServingChoice,
    choice_in,
    policy_document,
)
from lambdas.gateways.aws import clients
from lambdas.gateways.registry.champions import Champion
from lambdas.gateways.registry.runs import Run
from lambdas.workflow.serving.published import publish_champion
from tests.unit.support.workshop import Workshop
from tests.unit.workflow.test_champion_pointer import FakeParameters

POINTER, POLICY = "/distillation/dev/video/champion", "/distillation/dev/video/policy"
PROMPT = "You classify {{query}}. " * 800
"""Longer than a parameter may be."""


@pytest.fixture
def parameters(monkeypatch: pytest.MonkeyPatch) -> FakeParameters:
    made = FakeParameters()
    monkeypatch.setattr(clients, "ssm", lambda: made)
    return made


def champion(
    workshop: Workshop, version: str = "1", mode: str = "provisioned_throughput", **task: Any
) -> tuple[Run, Champion]:
    run = workshop.run(version)
    workshop.plan(run)
    workshop.bucket.write_json(run.files.task_definition, {"teacher_system_prompt": PROMPT, **task})
    crowned = workshop.crown(run.run_id, f"arn:model{version}", f"arn:endpoint{version}")
    return run, replace(crowned, mode=mode)


def published(workshop: Workshop, parameters: FakeParameters, run: Run, one: Champion) -> dict[str, Any]:
    publish_champion(workshop.stage("PromoteStudent", run), one)
    found: dict[str, Any] = json.loads(parameters.values[POLICY])
    return found


def read(workshop: Workshop, parameters: FakeParameters) -> Any:
    """Read both parameters as the client does, the prompt from the bucket."""

    def prompt(fallback: Any) -> str:
        return workshop.bucket.objects[fallback["prompt"]["key"]].decode() if fallback["prompt"] else ""

    return read_policy(parameters.values[POINTER], parameters.values[POLICY], prompt)


def chosen(run_id: str, mode: str = BY_CASCADE, **more: Any) -> ServingChoice:
    return ServingChoice(for_run=run_id, mode=mode, at="2026-11-29T12:00:00.000Z", why="it gains", **more)


@pytest.mark.parametrize(
    ("reference", "model"),
    [("baseline", "us.anthropic.claude-haiku-4-5-20251001-v1:0"), ("teacher", "us.amazon.nova-pro-v1:0")],
)
def test_a_promotion_publishes_who_answers_in_an_outage_and_nothing_more(
    workshop: Workshop, parameters: FakeParameters, reference: str, model: str
) -> None:
    # Given
    run, one = champion(workshop, gate={"reference": reference})
    # When
    document = published(workshop, parameters, run, one)
    # Then what a client reads of it asks that model with the long prompt, in outages alone
    policy = read(workshop, parameters)
    assert (policy.run_id, policy.variant, policy.fallback.model) == (run.run_id, "student", model)
    assert policy.fallback.system == PROMPT
    assert policy.fallback.prices is not None
    assert policy.student.prices == (0.0, 0.0), "the hours of a throughput bill, not its tokens"
    assert {
        reason for reason in ("unanswered", "truncated", "breaks_schema", "low_confidence") if policy.escalates(reason)
    } == {"unanswered"}
    assert document["fallback"]["prompt"]["key"].startswith(f"policies/video/{run.run_id}/")


def test_on_demand_the_student_has_its_price(workshop: Workshop, parameters: FakeParameters) -> None:
    run, one = champion(workshop, mode="on_demand")
    published(workshop, parameters, run, one)
    assert read(workshop, parameters).student.prices == (0.035, 0.14)


def test_without_its_plan_a_champion_is_published_without_a_fallback(
    workshop: Workshop, parameters: FakeParameters
) -> None:
    run, one = champion(workshop)
    del workshop.bucket.objects[run.files.plan(1)]
    assert published(workshop, parameters, run, one)["fallback"] is None
    assert read(workshop, parameters).fallback is None


def test_a_champion_that_is_published_again_keeps_its_fallback_without_its_plan(
    workshop: Workshop, parameters: FakeParameters
) -> None:
    # Given a champion with routing, whose plan has expired since
    run, one = champion(workshop)
    workshop.pipeline.tasks.choose("video", chosen(run.run_id, on=["breaks_schema"], max_share=0.1))
    before = published(workshop, parameters, run, one)
    del workshop.bucket.objects[run.files.plan(1)]
    # When
    stage = workshop.stage("ReapIdleThroughput", run)
    publish_champion(stage, one, before)
    # Then
    assert json.loads(parameters.values[POLICY]) == before
    assert (read(workshop, parameters).variant, read(workshop, parameters).fallback.system) == ("cascade", PROMPT)
    # But what was published of another run says nothing of this one's
    publish_champion(stage, one, {**before, "for_run": "another"})
    assert read(workshop, parameters).fallback is None


def test_what_a_person_chose_holds_for_its_run_alone(workshop: Workshop, parameters: FakeParameters) -> None:
    # Given
    first, one = champion(workshop)
    workshop.pipeline.tasks.choose("video", chosen(first.run_id, on=["breaks_schema"], max_share=0.1))
    # When
    published(workshop, parameters, first, one)
    # Then
    policy = read(workshop, parameters)
    assert (policy.variant, policy.max_share, policy.escalates("breaks_schema")) == ("cascade", 0.1, True)
    assert workshop.pipeline.tasks.history("video")[-1]["action"] == "way to serve chosen"
    # When another student is promoted
    second, other = champion(workshop, "2")
    published(workshop, parameters, second, other)
    # Then it begins as any other does
    policy = read(workshop, parameters)
    assert (policy.run_id, policy.variant, policy.escalates("breaks_schema")) == (second.run_id, "student", False)
    # When the first comes back, by a rollback
    published(workshop, parameters, first, one)
    # Then it is served as it was
    assert read(workshop, parameters).variant == "cascade"


def test_nobody_chooses_for_a_student_that_does_not_serve(workshop: Workshop) -> None:
    first, _ = champion(workshop)
    champion(workshop, "2")
    with pytest.raises(ChampionChanged, match="is not served by run"):
        workshop.pipeline.tasks.choose("video", chosen(first.run_id))
    assert workshop.pipeline.tasks.state("video").choice is None


def test_a_teardown_and_a_forgotten_run_take_the_choice_away(workshop: Workshop) -> None:
    run, _ = champion(workshop)
    workshop.pipeline.tasks.choose("video", chosen(run.run_id))
    workshop.pipeline.tasks.forget_choice("video", "another run")
    assert workshop.pipeline.tasks.state("video").choice == chosen(run.run_id)
    workshop.pipeline.tasks.forget_choice("video", run.run_id)
    assert workshop.pipeline.tasks.state("video").choice is None
    workshop.pipeline.tasks.choose("video", chosen(run.run_id))
    workshop.pipeline.tasks.tear_down("video", workshop.now())
    assert workshop.pipeline.tasks.state("video").choice is None


def test_nothing_is_published_of_a_task_that_was_torn_down_after_its_champion_was_read(
    workshop: Workshop, parameters: FakeParameters
) -> None:
    # Given a promotion that has read its champion, and a teardown of the environment
    run, one = champion(workshop)
    workshop.pipeline.tasks.tear_down("video", workshop.now())
    # When it goes on
    publish_champion(workshop.stage("PromoteStudent", run), one)
    # Then no caller is told of an endpoint that is gone
    assert parameters.values == {}


FALLBACK = FallbackModel(model="m", role="teacher", prompt="p", parameters={}, usd_per_million_tokens=None)
shares = st.floats(0, 1)
choices = st.builds(
    ServingChoice,
    for_run=st.just("run-1"),
    mode=st.sampled_from([BY_CASCADE, BY_FALLBACK]),
    at=st.text(max_size=5),
    why=st.text(max_size=20),
    on=st.lists(st.sampled_from(["truncated", "breaks_schema", "low_confidence"]), unique=True).map(tuple),
    confidence_field=st.none() | st.text(min_size=1, max_size=5),
    below=st.none() | shares,
    max_share=shares,
    expected=st.dictionaries(st.text(max_size=5), shares, max_size=3),
)


@settings(max_examples=30)
@given(choices)
def test_a_lost_registry_reads_the_choice_back_from_the_policy(choice: ServingChoice) -> None:
    document = json.loads(json.dumps(policy_document("video", "run-1", "runs", FALLBACK, None, choice)))
    assert choice_in(document) == choice


@pytest.mark.parametrize("damaged", [None, {}, {"decided": 1, "escalate": {}}, {"decided": {"at": ""}, "escalate": {}}])
def test_a_damaged_policy_holds_no_choice(damaged: Any) -> None:
    assert choice_in(damaged) is None
