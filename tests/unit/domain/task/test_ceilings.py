"""What a task asks for beyond its environment is refused with both values; what is within is let through."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.documents import load_schema
from lambdas.domain.errors import CeilingExceeded, InvalidSettings, InvalidTaskDefinition
from lambdas.domain.gate.approved_limits import ApprovedLimits
from lambdas.domain.task.ceilings import beyond, check_ceilings
from lambdas.domain.task.settings import Settings
from lambdas.domain.task.task_definition import TaskDefinition

STRICT: dict[str, Any] = {
    "max_budget_usd": 60,
    "approval_modes": ["required"],
    "max_model_units": 2,
    "lowest_gate": {"min_judge_score": 3.5, "max_quality_drop": 0.5},
}
EXAMPLES = sorted((Path(__file__).parents[4] / "examples").glob("*/task.json"))


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"budget_usd": 1_000_000}, "'budget_usd' is 1,000,000.00, at most 60.00 ('max_budget_usd')"),
        ({"approval": "automatic"}, "'approval' is automatic, allowed is required ('approval_modes')"),
        ({"serving": {"model_units": 3}}, "'serving.model_units' is 3, at most 2 ('max_model_units')"),
        (
            {"gate": {"min_judge_score": 1}},
            "'gate.min_judge_score' is 1, at least 3.5 ('lowest_gate.min_judge_score')",
        ),
        (
            {"gate": {"max_quality_drop": 4}},
            "'gate.max_quality_drop' is 4, at most 0.5 ('lowest_gate.max_quality_drop')",
        ),
        (
            {"gate": {"min_judge_correlation": -1}},
            "'gate.min_judge_correlation' is -1, at least 0.3 ('lowest_gate.min_judge_correlation')",
        ),
        ({"gate": {"max_judge_error": 4}}, "'gate.max_judge_error' is 4, at most 1 ('lowest_gate.max_judge_error')"),
    ],
)
def test_each_ceiling_refuses_alone_with_both_values(task: dict[str, Any], said: str) -> None:
    with pytest.raises(CeilingExceeded) as refused:
        check_ceilings(TaskDefinition.from_document(task), Settings.from_mapping(STRICT))
    assert said in str(refused.value)
    assert str(refused.value).count("at most") + str(refused.value).count("at least") <= 1
    assert "Nothing was paid" in str(refused.value)


def test_everything_that_is_beyond_is_said_at_once() -> None:
    task = TaskDefinition.from_document({"budget_usd": 61, "approval": "automatic", "gate": {"min_judge_score": 2}})
    assert len(list(beyond(asdict(task), Settings.from_mapping(STRICT)))) == 3


def test_a_default_that_is_beyond_is_refused_as_what_is_written_is() -> None:
    with pytest.raises(CeilingExceeded, match=r"'budget_usd' is 50\.00, at most 20\.00.*has its default"):
        check_ceilings(TaskDefinition.default(), Settings.from_mapping({"max_budget_usd": 20}))


def test_units_count_only_where_throughput_is_purchased() -> None:
    task = TaskDefinition.from_document({"serving": {"mode": "on_demand", "model_units": 100}})
    check_ceilings(task, Settings.from_mapping(STRICT))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_and_the_default_are_within_the_default_settings(path: Path) -> None:
    for task in (TaskDefinition.from_text(path.read_bytes()), TaskDefinition.default()):
        check_ceilings(task, Settings.from_mapping({}))


def test_the_attack_of_an_uploader_is_refused_by_the_default_settings() -> None:
    # Given what took a champion's place: no person, no gate, a million of budget
    gate = {"min_judge_score": 1, "max_quality_drop": 4, "min_schema_validity": 0, "min_judge_agreement": 0}
    gate |= {"min_cost_reduction": 0, "min_latency_reduction": 0, "min_judge_correlation": -1, "max_judge_error": 4}
    task = TaskDefinition.from_document({"approval": "automatic", "budget_usd": 1_000_000, "gate": gate})

    # When
    with pytest.raises(CeilingExceeded) as refused:
        check_ceilings(task, Settings.from_mapping({}))

    # Then all of it is said
    names = ("budget_usd", "min_judge_score", "max_quality_drop", "min_schema_validity", "max_judge_error")
    assert all(f"{name}'" in str(refused.value) for name in names)


def test_what_a_champion_was_approved_under_is_held_against_the_settings_too() -> None:
    limits = ApprovedLimits.of(TaskDefinition.from_document({"budget_usd": 100, "serving": {"model_units": 5}}))
    stored = json.loads(json.dumps(limits.to_document()))
    assert len(list(beyond(stored, Settings.from_mapping(STRICT)))) == 2


def test_a_threshold_that_an_earlier_version_did_not_know_is_not_beyond() -> None:
    asked = replace(ApprovedLimits.of(TaskDefinition.default()), gate={"min_judge_score": 4.0}, serving={})
    assert list(beyond(asked.to_document(), Settings.from_mapping(STRICT))) == []


def test_every_threshold_of_the_gate_has_its_floor_or_ceiling_within_the_same_numbers() -> None:
    """A rule that is added to the gate can be bounded by an environment."""
    gate = load_schema("task.schema.json")["properties"]["gate"]["properties"]
    bounds = load_schema("settings.schema.json")["properties"]["lowest_gate"]["properties"]
    thresholds = {name: rule for name, rule in gate.items() if name.startswith(("min_", "max_"))}
    assert set(bounds) == set(thresholds)
    limits = ("type", "minimum", "maximum", "exclusiveMinimum")
    for name, rule in thresholds.items():
        assert {key: bounds[name].get(key) for key in limits} == {key: rule.get(key) for key in limits}, name


@pytest.mark.parametrize(
    "settings",
    [
        {"max_budget_usd": 0},
        {"max_budget_usd": 2_000_000},
        {"max_monthly_usd": -1},
        {"max_monthly_usd": 1e12},
        {"approval_modes": []},
        {"approval_modes": ["never"]},
        {"max_model_units": 0},
        {"max_model_units": 101},
        {"max_model_units": 1.5},
        {"lowest_gate": {"min_judge_score": 0.5}},
        {"lowest_gate": {"min_judge_scores": 3}},
        {"lowest_gate": {"max_quality_drop": float("nan")}},
    ],
)
def test_a_ceiling_that_bounds_nothing_is_no_setting(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings):
        Settings.from_mapping(settings)


def test_task_json_names_no_model_that_is_asked() -> None:
    """The lists of the settings are the models that are allowed: an upload has no word for another one."""
    for role in ("teacher", "student", "baseline", "judge"):
        for key in (f"{role}_model", f"{role}_models", role, "models"):
            with pytest.raises(InvalidTaskDefinition, match="unknown key"):
                TaskDefinition.from_document({key: "amazon.nova-premier-v1:0"})


@given(st.floats(min_value=1, max_value=5), st.floats(min_value=1, max_value=5), st.sampled_from(["min_judge_score"]))
def test_a_floor_lets_through_what_reaches_it_and_nothing_else(floor: float, wanted: float, name: str) -> None:
    settings = Settings.from_mapping({"lowest_gate": {name: floor}})
    task = TaskDefinition.from_document({"gate": {name: wanted}})
    assert bool(list(beyond(asdict(task), settings))) == (wanted < floor - 1e-9)
