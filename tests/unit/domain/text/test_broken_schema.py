"""A broken output schema is told with the part that breaks it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.text.answer_form import InvalidSchema
from lambdas.domain.text.output_schema import OutputChecker


def refused(schema: dict[str, Any]) -> str:
    with pytest.raises(InvalidSchema) as problem:
        OutputChecker(schema)
    return str(problem.value)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"properties": {"a": {"type": "strng"}}}, "Unknown type \"strng\", at 'properties.a'; a type is one of array"),
        ({"type": ["string", "nul"]}, 'Unknown type ["string", "nul"]; a type is one of'),
        ({"items": [{"type": "string"}, {"type": "x"}]}, "at 'items.1'"),
        ({"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "int"}]}}}, "at 'properties.a.anyOf.1'"),
        ({"properties": {"a": {"pattern": "("}}}, "unterminated subpattern at position 0, at 'properties.a'"),
        ({"properties": {"b": {"properties": {"c": {"minimum": "x"}}}}}, "at 'properties.b.properties.c'"),
        ({"properties": {"a": {"$ref": "https://127.0.0.1/x"}}}, "are followed, at 'properties.a'"),
        ({"required": 3}, "required must be an array"),
    ],
)
def test_the_innermost_part_is_named(schema: dict[str, Any], said: str) -> None:
    assert said in refused(schema)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@given(
    st.recursive(st.just({"type": "strng"}), lambda inner: st.dictionaries(st.text(), inner, min_size=1).map(_object))
)
def test_wherever_the_part_lies_its_value_is_shown(schema: dict[str, Any]) -> None:
    assert 'Unknown type "strng"' in refused(schema)
