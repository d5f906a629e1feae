"""The task's own measure is arithmetic on what the schema calls numbers and choices."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.schema_fields import MOST_PARTS, fields_of
from lambdas.domain.evaluation.task_metric import (
    ClassRecall,
    FieldDifference,
    class_recalls,
    field_differences,
    measure_task,
    measured_fields,
)
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


QUEUES = {"enum": ["billing", "fraud"]}
BEHIND = {"$defs": {"Queue": QUEUES, "a/b c": {"$ref": "#/$defs/Queue"}}}


@pytest.mark.parametrize(
    "queue",
    [
        pytest.param({"$ref": "#/$defs/Queue"}, id="a reference"),
        pytest.param({"$ref": "#/$defs/a~1b%20c"}, id="a reference to a reference"),
        pytest.param({"allOf": [{"$ref": "#/$defs/Queue"}], "description": "where to"}, id="a reference in allOf"),
        pytest.param({"anyOf": [{"$ref": "#/$defs/Queue"}, {"type": "null"}]}, id="an optional one"),
        pytest.param({"type": "string", "oneOf": [{"const": "billing"}, {"const": "fraud"}]}, id="constants"),
        pytest.param({"anyOf": [{"const": "billing"}, {"const": "fraud"}, {"const": None}]}, id="constants and null"),
    ],
)
def test_an_enumeration_is_a_choice_wherever_its_values_are_written(queue: dict[str, Any]) -> None:
    # Given
    schema = {"type": "object", "properties": {"inner": {"properties": {"queue": queue}}}, **BEHIND}
    fraud, billing = ({"inner": {"queue": name}} for name in ("fraud", "billing"))

    # When
    found = class_recalls(schema, [(json.dumps(billing), json.dumps(one)) for one in (fraud, billing)])

    # Then
    assert measured_fields(schema) == {("inner", "queue"): "choice"}
    assert found == [ClassRecall("inner.queue", '"billing"', 1, 1), ClassRecall("inner.queue", '"fraud"', 1, 0)]


def test_a_choice_beside_free_text_has_no_values_to_count() -> None:
    # Given / When / Then
    schema = {"properties": {"queue": {"anyOf": [QUEUES, {"type": "string"}]}}}
    assert measured_fields(schema) == {}


def test_variants_of_an_object_share_the_field_that_names_them() -> None:
    # Given
    kinds = [{"properties": {"kind": {"const": name}, name: {"type": "number"}}} for name in ("call", "mail")]

    # When / Then
    assert measured_fields({"oneOf": kinds}) == {("kind",): "choice", ("call",): "number", ("mail",): "number"}


def test_an_answer_that_is_one_of_a_few_values_itself_is_counted() -> None:
    # Given / When
    found = class_recalls(QUEUES, [('"billing"', '"billing"'), ('"billing"', '"fraud"'), ("fraud", '"fraud"')])

    # Then
    assert found == [ClassRecall("answer", '"billing"', 1, 1), ClassRecall("answer", '"fraud"', 2, 0)]


def test_members_of_an_array_count_each_for_itself_in_any_order() -> None:
    # Given an array of choices, and one of objects with a choice
    schema = {
        "properties": {
            "queues": {"type": "array", "items": QUEUES},
            "parts": {"items": {"properties": {"sure": {"type": "boolean"}}}},
        }
    }
    reference = json.dumps({"queues": ["billing", "fraud", "fraud"], "parts": [{"sure": True}]})
    pairs = [('{"queues": ["fraud", "billing"], "parts": [{"sure": true}]}', reference), ('{"queues": 3}', reference)]

    # When / Then
    assert class_recalls(schema, pairs) == [
        ClassRecall("parts.sure", "true", 2, 1),
        ClassRecall("queues", '"billing"', 2, 1),
        ClassRecall("queues", '"fraud"', 2, 1),
    ]
    # And the report's own measure stays that of single values
    assert measured_fields(schema) == {}


def test_null_is_a_value_that_a_missing_field_does_not_give() -> None:
    # Given
    schema = {"properties": {"queue": {"enum": ["billing", None]}}}

    # When
    found = class_recalls(schema, [(answer, '{"queue": null}') for answer in ('{"queue": null}', "{}", "no object")])

    # Then
    assert found == [ClassRecall("queue", "null", 3, 1)]


def test_references_that_lead_back_to_themselves_end() -> None:
    # Given a tree, a reference to itself, one to nothing, and one to another document
    node: dict[str, Any] = {"properties": {"label": QUEUES, "left": {"$ref": "#/$defs/Node"}}}
    others = {"self": {"$ref": "#/$defs/Self"}, "lost": {"$ref": "#/none/0"}, "far": {"$ref": "other.json"}}
    schema = {
        "properties": {"tree": {"$ref": "#/$defs/Node"}, **others},
        "$defs": {"Node": node, "Self": {"$ref": "#/$defs/Self"}},
    }

    # When / Then
    assert dict(fields_of(schema)) == {("tree", "label"): "choice"}
    assert dict(fields_of({"$ref": "#"})) == {}


def test_references_that_multiply_a_schema_are_read_so_far_and_no_further() -> None:
    # Given ten definitions that each name all others in alternatives and properties
    names = [f"#/$defs/{number}" for number in range(10)]
    every = [{"$ref": name} for name in names]
    each = {"anyOf": every, "properties": {f"p{number}": one for number, one in enumerate(every)}}
    schema = {**each, "$defs": {str(number): each for number in range(10)}}

    # When / Then
    assert len(list(fields_of(schema))) < MOST_PARTS
