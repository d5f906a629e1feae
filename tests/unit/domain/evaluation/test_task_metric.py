"""The task's own measure is arithmetic on what the schema calls numbers and choices."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.task_metric import FieldDifference, field_differences, measure_task, measured_fields
from lambdas.domain.text.answer_repair import read_object, repaired

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "weight": {"type": "number"},
        "label": {"enum": ["cat", "dog"]},
        "sure": {"type": "boolean"},
        "why": {"type": "string"},
        "inner": {"type": "object", "properties": {"count": {"type": ["integer", "null"]}}},
        "list": {"type": "array", "items": {"type": "number"}},
    },
}
REFERENCE = '{"weight": 0.5, "label": "cat", "sure": true, "why": "x", "inner": {"count": 3}}'


@pytest.mark.parametrize("text", ["", "no object", "[1, 2]", '{"weight": ', "[" * 100_000, '{"a":' * 100_000])
def test_a_text_without_an_object_is_not_compared(text: str) -> None:
    # Given / When / Then
    assert read_object(text) is None
    assert field_differences(SCHEMA, text, REFERENCE) is None
    assert field_differences(SCHEMA, REFERENCE, text) is None


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"a": {"b": 1}}\n```',
        'Here it is: {"a": {"b": 1}} I hope it helps {',
        '{"a": {"b": 1}}',
        ' {"a": {"b": 1}}',
    ],
)
def test_fences_and_prose_go_and_the_object_stays_as_it_is(text: str) -> None:
    # Given / When / Then
    assert repaired(text) == '{"a": {"b": 1}}'


@given(st.text())
def test_no_text_breaks_the_repair_and_what_it_takes_stands_in_the_text(text: str) -> None:
    # Given / When / Then
    assert repaired(text) in text


def test_numbers_and_choices_are_found_also_in_nested_objects() -> None:
    # Given / When / Then free text and lists have no measure of their own
    assert measured_fields(SCHEMA) == {
        ("weight",): "number",
        ("label",): "choice",
        ("sure",): "choice",
        ("inner", "count"): "number",
    }
    assert measured_fields(None) == {}


def test_each_field_is_compared_in_its_own_way() -> None:
    # Given an answer in a fence, whose boolean is a number and whose count is missing
    answer = '```\n{"weight": 0.75, "label": "cat", "sure": 1}\n```'

    # When
    found = field_differences(SCHEMA, answer, REFERENCE)

    # Then
    assert found == [
        FieldDifference("weight", "number", 0.25, equal=False),
        FieldDifference("label", "choice", None, equal=True),
        FieldDifference("sure", "choice", None, equal=False),
        FieldDifference("inner.count", "number", None, equal=False),
    ]


def test_mean_and_largest_error_and_exact_matches_add_up_and_unreadable_answers_are_counted() -> None:
    # Given three answers, one of them no object
    answers = ['{"weight": 0.5, "label": "cat"}', '{"weight": 0.2, "label": "dog"}', "I cannot"]

    # When
    metric = measure_task(SCHEMA, [(answer, REFERENCE) for answer in answers])

    # Then
    assert metric is not None
    assert metric.numbers["weight"] == pytest.approx({"mean_absolute_error": 0.15, "largest_error": 0.3, "compared": 2})
    assert metric.choices["label"] == pytest.approx({"exact_match": 1 / 3, "compared": 3})
    assert metric.numbers["inner.count"] == {"compared": 0}
    assert metric.unreadable == 1
    json.dumps(metric.to_document(), allow_nan=False)


def test_an_unreadable_answer_does_not_count_against_a_choice_that_its_reference_does_not_have() -> None:
    # Given a field that a tenth of the references have, always matched, and unreadable answers to others
    schema = {"properties": {"always": {"enum": ["a"]}, "rare": {"enum": ["b"]}}}
    without, with_it = '{"always": "a"}', '{"always": "a", "rare": "b"}'
    pairs = [(with_it, with_it)] * 10 + [("I cannot", without)] * 20 + [(without, without)] * 70

    # When
    metric = measure_task(schema, pairs)

    # Then
    assert metric is not None
    assert metric.choices["rare"] == {"exact_match": 1.0, "compared": 10}
    assert metric.choices["always"] == {"exact_match": 0.8, "compared": 100}
    assert metric.unreadable == 20


def test_a_schema_without_numbers_and_choices_has_no_metric() -> None:
    # Given / When / Then
    assert measure_task({"type": "object", "properties": {"text": {"type": "string"}}}, [("{}", "{}")]) is None
    assert measure_task(None, [("a", "a")]) is None
