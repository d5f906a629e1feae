"""``task.json`` is refused by key, and a task without one has careful defaults."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.errors import InvalidTaskDefinition
from lambdas.domain.task.task_definition import CascadeRules, TaskDefinition

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["gate", "serving", "approval", "budget_usd", "output_schema", "teacher_data", "training", "judge_rubric"]
KEYS += ["cascade", "x"]
SURE: dict[str, Any] = {
    "output_schema": {
        "properties": {
            "why": {"type": "string"},
            "sure": {"type": "number", "minimum": 0, "maximum": 1},
            "votes": {"type": ["integer", "null"]},
        }
    }
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"\xff\xfe{\x00}\x00", ["not UTF-8", "byte 0 is 0xff"]),
        (b'{"gate": }', ["not JSON", "line 1 column 10"]),
        (b"[" * 50_000, ["not JSON"]),
        (b'{"budget_usd": ' + b"9" * 5_000 + b"}", ["not JSON"]),
        (b'{"budget_usd": NaN}', ["NaN is not a JSON value"]),
        (b'{"gate": {"min_judge_score": -Infinity}}', ["-Infinity is not a JSON value"]),
        (b'{"budget_usd": 1e999}', ["'budget_usd'", "maximum 1000000"]),
        (b"[]", ["the document is []"]),
    ],
)
def test_a_file_that_is_no_json_document_is_refused_with_the_place(text: bytes, words: list[str]) -> None:
    # Given / When
    with pytest.raises(InvalidTaskDefinition) as refused:
        TaskDefinition.from_text(text)

    # Then
    assert all(word in str(refused.value) for word in words), str(refused.value)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"gates": {}}, ["unknown key 'gates'", "gate"]),
        ({"gate": {"min_score": 4}}, ["unknown key 'gate.min_score'", "min_judge_score"]),
        ({"gate": {"min_judge_score": 6}}, ["'gate.min_judge_score' is 6", "maximum 5"]),
        ({"gate": {"max_quality_drop": 0}}, ["'gate.max_quality_drop'"]),
        ({"gate": {"reference": "champion"}}, ["'gate.reference'"]),
        ({"gate": {"min_cost_reduction": 95}}, ["'gate.min_cost_reduction' is 95"]),
        ({"gate": {"slices": {"intent": 0}}}, ["'gate.slices.intent'"]),
        ({"gate": []}, ["'gate' is []"]),
        ({"serving": {"mode": "batch"}}, ["'serving.mode'"]),
        ({"serving": {"model_units": 0}}, ["'serving.model_units'"]),
        ({"serving": {"commitment": "OneYear"}}, ["'serving.commitment'"]),
        ({"serving": {"expected_requests_per_month": 1.5}}, ["'serving.expected_requests_per_month'"]),
        ({"approval": "none"}, ["'approval'"]),
        ({"budget_usd": 0}, ["'budget_usd' is 0"]),
        ({"budget_usd": "50"}, ["'budget_usd'"]),
        ({"training": "sft"}, ["'training'"]),
        ({"teacher_data": {"max_drop_rate": 1}}, ["'teacher_data.max_drop_rate'"]),
        ({"teacher_system_prompt": ""}, ["'teacher_system_prompt'"]),
        ({"judge_rubric": "be fair"}, ["'judge_rubric'"]),
        ({"secrets": "show"}, ["'secrets'"]),
        ({"output_schema": {"type": "strange"}}, ["'output_schema'", "Unknown type"]),
        ({"output_schema": {"$ref": "https://127.0.0.1/x"}}, ["'output_schema'", "only references inside"]),
        ({"output_schema": {"$ref": "file:///etc/hostname"}}, ["'output_schema'", "only references inside"]),
        ({"output_schema": {"x-sum": {"fields": ["a"], "equals": 1}}}, ["'output_schema'", "'x-sum' must have"]),
        ({"output_schema": {"x-sum": {"fields": [1], "equals": 1, "tolerance": 0}}}, ["'x-sum' must have"]),
        ({"cascade": {"below": 1}}, ["cascade", "confidence_field"]),
        ({"cascade": {"confidence_field": "c"}}, ["cascade", "below"]),
        ({"cascade": {"confidence_field": "c", "below": 1}}, ["'cascade.confidence_field'", "no number at its top"]),
        ({**SURE, "cascade": {"confidence_field": "why", "below": 1}}, ["is 'why'", "numbers are 'sure', 'votes'"]),
        ({**SURE, "cascade": {"confidence_field": "sure", "below": 0}}, ["'cascade.below' is 0", "from 0 to 1"]),
        ({**SURE, "cascade": {"confidence_field": "sure", "below": 70}}, ["'cascade.below' is 70", "from 0 to 1"]),
        ({"approval": "automatic", "serving": {"commitment": "OneMonth"}}, ["'approval'", "'serving.commitment'"]),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_its_key(document: dict[str, Any], words: list[str]) -> None:
    # Given / When
    with pytest.raises(InvalidTaskDefinition) as refused:
        TaskDefinition.from_text(json.dumps(document).encode())

    # Then
    assert str(refused.value).startswith("task.json")
    assert all(word in str(refused.value) for word in words), str(refused.value)


@pytest.mark.parametrize("depth", [100, 500, 950, 990, 1_000])
def test_a_deep_output_schema_is_accepted_or_refused_at_every_depth(depth: int) -> None:
    # Given
    text = b'{"output_schema": {"enum": ' + b"[" * depth + b"]" * depth + b"}}"

    # When / Then
    try:
        TaskDefinition.from_text(text)
    except InvalidTaskDefinition as problem:
        assert "task.json" in str(problem)  # noqa: PT017 - both ends are right


@given(st.dictionaries(st.sampled_from(KEYS), JSON).map(lambda value: json.dumps(value).encode()) | st.binary())
def test_any_bytes_give_a_definition_or_a_refusal(text: bytes) -> None:
    # Given any bytes / When / Then: nothing but a refusal gets out
    try:
        task = TaskDefinition.from_text(text)
    except InvalidTaskDefinition:
        return
    assert 0 < task.budget_usd <= 1_000_000


def test_a_task_without_a_file_needs_approval_and_has_a_small_budget() -> None:
    # Given / When
    task = TaskDefinition.default()

    # Then
    assert task.approval == "required"
    assert task.budget_usd == 50
    assert task.serving.commitment == "none"
    assert task.gate.min_cost_reduction == 0.95


def test_one_changed_threshold_leaves_the_other_defaults() -> None:
    # Given a file as an editor on Windows writes it
    text = b'\xef\xbb\xbf{"gate": {"min_judge_score": 3.5},\r\n "serving": {"expected_requests_per_month": 10}}'

    # When
    task = TaskDefinition.from_text(text)

    # Then
    assert task.gate.min_judge_score == 3.5
    assert task.gate.max_quality_drop == 0.2
    assert task.serving.expected_requests_per_month == 10
    assert task.serving.mode == "provisioned_throughput"


@pytest.mark.parametrize(("field", "below"), [("sure", 0.6), ("sure", 1), ("votes", 3)])
def test_a_cascade_is_told_by_a_number_of_the_output_schema(field: str, below: float) -> None:
    # Given / When
    task = TaskDefinition.from_document({**SURE, "cascade": {"confidence_field": field, "below": below}})

    # Then
    assert task.cascade == CascadeRules(confidence_field=field, below=below)
    assert TaskDefinition.default().cascade is None
