"""What a later run asks for less strictly than the champion's did is found, whatever it is; what is stricter is not."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.gate.approved_limits import ApprovedLimits, MeasuredOn, loosened, not_shown, protected_rules
from lambdas.domain.gate.rule_result import at_least
from lambdas.domain.task.task_definition import GateRules, TaskDefinition
from tests.unit.domain.samples import models

TEAM: dict[str, Any] = {
    "teacher_system_prompt": "Answer with a JSON object, as the guide says.",
    "judge_rubric": "5 is right in every detail, 1 is wrong.",
    "output_schema": {"type": "object"},
    "gate": {"slices": {"language": 3.5}},
    "teacher_data": {"max_disagreement": 0.1},
    "serving": {"model_units": 2, "expected_requests_per_month": 1_000_000},
    "budget_usd": 20,
}
MEASURED = MeasuredOn(holdout_records=400, golden_share=0.0, calibration_cases=40)


def limits(
    task: dict[str, Any] | None = None, measured: MeasuredOn = MEASURED, chosen: dict[str, str] | None = None
) -> ApprovedLimits:
    definition = TaskDefinition.from_document(TEAM if task is None else task)
    return ApprovedLimits.of(definition, models(**(chosen or {})), measured)


def changed(**changes: Any) -> dict[str, Any]:
    """Change the team's definition; maps are merged, a key whose value is ``...`` is left out."""
    task = dict(TEAM)
    for name, value in changes.items():
        if value is ...:
            del task[name]
        elif isinstance(value, dict) and isinstance(task.get(name), dict) and name != "output_schema":
            task[name] = {key: given for key, given in {**task[name], **value}.items() if given is not ...}
        else:
            task[name] = value
    return task


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gate.min_judge_score", {"gate": {"min_judge_score": 3.9}}),
        ("gate.max_quality_drop", {"gate": {"max_quality_drop": 0.21}}),
        ("gate.reference", {"gate": {"reference": "teacher"}}),
        ("gate.min_schema_validity", {"gate": {"min_schema_validity": 0.98}}),
        ("gate.min_cost_reduction", {"gate": {"min_cost_reduction": 0.9}}),
        ("gate.min_latency_reduction", {"gate": {"min_latency_reduction": 0.4}}),
        ("gate.min_judge_agreement", {"gate": {"min_judge_agreement": 0.8}}),
        ("gate.min_judge_correlation", {"gate": {"min_judge_correlation": -1}}),
        ("gate.max_judge_error", {"gate": {"max_judge_error": 4}}),
        ("gate.slices.language", {"gate": {"slices": {}}}),
        ("gate.slices.language", {"gate": {"slices": {"language": 3.0}}}),
        ("gate.slices.language", {"gate": {"slices": {"tongue": 3.5}}}),
        ("approval", {"approval": "automatic"}),
        ("budget_usd", {"budget_usd": 1_000_000}),
        ("serving.model_units", {"serving": {"model_units": 3}}),
        ("serving.commitment", {"serving": {"commitment": "OneMonth"}}),
        ("serving.expected_requests_per_month", {"serving": {"expected_requests_per_month": 2_000_000}}),
        ("serving.expected_requests_per_month", {"serving": {"expected_requests_per_month": ...}}),
        ("teacher_data.max_drop_rate", {"teacher_data": {"max_drop_rate": 0.2}}),
        ("teacher_data.max_disagreement", {"teacher_data": {"max_disagreement": 0.2}}),
        ("teacher_data.max_disagreement", {"teacher_data": {"max_disagreement": ...}}),
        ("secrets", {"secrets": "drop"}),
        ("secrets", {"secrets": "allow"}),
        ("judge_rubric", {"judge_rubric": "5 is anything at all, 1 is nothing."}),
        ("judge_rubric", {"judge_rubric": ...}),
        ("output_schema", {"output_schema": ...}),
        ("output_schema", {"output_schema": {"type": ["object", "string"]}}),
        ("teacher_system_prompt", {"teacher_system_prompt": "Answer with an empty object."}),
    ],
)
def test_each_looser_limit_is_found_alone_with_both_values(name: str, changes: dict[str, Any]) -> None:
    # Given / When
    found = loosened(limits(), limits(changed(**changes)))

    # Then
    assert [one["name"] for one in found] == [name]
    assert "champion" in found[0]["sentence"]


def test_both_values_are_said() -> None:
    [found] = loosened(limits(), limits(changed(gate={"min_judge_score": 1})))
    assert found["sentence"] == (
        "task.json has gate.min_judge_score 1; the champion that it would replace was approved under 4"
    )


def test_an_endpoint_that_bills_by_the_hour_in_place_of_one_that_bills_tokens_is_found() -> None:
    by_token = limits(changed(serving={"mode": "on_demand"}))
    assert [one["name"] for one in loosened(by_token, limits())] == ["serving.mode"]
    assert loosened(limits(), by_token) == []


@pytest.mark.parametrize("role", ["teacher", "student_customization", "baseline", "judge"])
def test_another_model_is_another_yardstick(role: str) -> None:
    [found] = loosened(limits(), limits(chosen={role: "amazon.nova-lite-v1:0"}))
    assert found["name"] == f"models.{role}"
    assert "amazon.nova-lite-v1:0" in found["sentence"]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("holdout_records", {"holdout_records": 350}),
        ("golden_share", {"golden_share": 0.5}),
        ("calibration_cases", {"calibration_cases": 0}),
    ],
)
def test_less_that_is_measured_is_found(name: str, changes: dict[str, Any]) -> None:
    [found] = loosened(limits(), limits(measured=replace(MEASURED, **changes)))
    assert found["name"] == name


def test_a_split_in_place_of_the_tasks_own_holdout_is_found() -> None:
    own = replace(MEASURED, own_holdout=True, golden_share=1.0)
    assert [one["name"] for one in loosened(limits(measured=own), limits())] == ["own_holdout"]
    assert [one["name"] for one in loosened(limits(), limits(measured=own))] == ["golden_share"]


def test_a_holdout_that_shrinks_a_little_each_time_is_found_in_the_end() -> None:
    # Given promotions without a word, each with a twelfth fewer records than the one before
    kept, found = limits(), []
    for records in (368, 338):
        now = limits(measured=replace(MEASURED, holdout_records=records))
        found = loosened(kept, now)
        kept = now.carried_over(kept)

    # Then what counts is the champion that was approved
    assert [one["name"] for one in found] == ["holdout_records"]


def test_limits_are_read_as_an_earlier_or_later_version_wrote_them() -> None:
    # Given one that knew fewer limits, and one that knows more
    document = limits().to_document()
    fewer = {**document, "gate": {"min_judge_score": 4.0}, "measured_on": {"holdout_records": 400}, "models": {}}
    more = {**document, "gate": {**document["gate"], "min_something": 1.0}, "of_tomorrow": 1}

    # When / Then nothing is invented
    assert loosened(ApprovedLimits.from_document(fewer), limits()) == []
    assert loosened(ApprovedLimits.from_document(more), limits()) == []
    assert protected_rules(TaskDefinition.default().gate, ApprovedLimits.from_document(more)).slices


def test_a_student_is_held_against_the_stricter_one_of_each_limit() -> None:
    # Given a team's gate, and an upload with one stricter and one looser limit and other slices
    before = limits()
    wanted = TaskDefinition.from_document(
        {"gate": {"min_judge_score": 4.5, "max_quality_drop": 4, "slices": {"language": 1, "length": 2.0}}}
    )

    # When
    rules = protected_rules(wanted.gate, before)

    # Then
    assert (rules.min_judge_score, rules.max_quality_drop) == (4.5, 0.2)
    assert rules.slices == {"language": 3.5, "length": 2.0}


def test_a_rule_that_is_not_shown_is_told_with_its_figures() -> None:
    lines = [at_least("min_judge_score", 4.0, 2.78, ""), at_least("min_schema_validity", 0.9, 1.0, "")]
    [found] = not_shown(lines)
    assert found["name"] == "champion.min_judge_score"
    assert "4" in found["sentence"]
    assert "2.78" in found["sentence"]


# Whatever the limits are

numbers = st.floats(min_value=0.01, max_value=1, allow_nan=False).map(lambda value: round(value, 3))
gates = st.fixed_dictionaries(
    {
        "min_judge_score": st.floats(min_value=1, max_value=5, allow_nan=False),
        "max_quality_drop": numbers,
        "min_schema_validity": numbers,
        "min_cost_reduction": numbers,
        "min_latency_reduction": numbers,
        "min_judge_agreement": numbers,
        "min_judge_correlation": numbers,
        "max_judge_error": numbers,
        "slices": st.dictionaries(st.sampled_from(["language", "length"]), st.floats(min_value=1, max_value=5)),
    }
)


@given(gates, gates)
def test_the_stricter_one_of_two_gates_is_looser_than_neither(first: dict[str, Any], second: dict[str, Any]) -> None:
    # Given
    before, wanted = limits({"gate": first}), TaskDefinition.from_document({"gate": second})

    # When
    rules = protected_rules(wanted.gate, before)

    # Then
    strict = replace(before, gate=asdict(rules))
    assert loosened(before, strict) == []
    assert loosened(ApprovedLimits.of(wanted, models(), MEASURED), strict) == []


@given(gates)
def test_what_has_not_changed_is_not_looser(gate: dict[str, Any]) -> None:
    kept = ApprovedLimits.from_document(limits({"gate": gate}).to_document())
    assert loosened(kept, limits({"gate": gate})) == []


def test_every_limit_of_the_gate_is_kept() -> None:
    """A rule that is added to the gate is a limit of the champion without another line of code."""
    assert set(limits().gate) == {one.name for one in fields(GateRules)}
