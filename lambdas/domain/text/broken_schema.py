"""Where a JSON Schema is broken: its compiler says what is wrong, and not of which property."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lambdas.domain.text.answer_form import AnswerForm, InvalidSchema

_TYPES = "array, boolean, integer, null, number, object, string"
_OF_ONE = ("items", "additionalItems", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else")
_OF_MANY = (
    "properties",
    "patternProperties",
    "definitions",
    "$defs",
    "dependencies",
    "anyOf",
    "allOf",
    "oneOf",
    "items",
)


def said_where(schema: dict[str, Any], message: str) -> str:
    """Say what is wrong with a schema and in which part.

    The part is the innermost one that alone is refused for the same reason.

    Parameters
    ----------
    schema : dict
        One that cannot be used.
    message : str
        Why, without a place.
    """
    place, part = "", schema
    while found := next((inner for inner in _parts(part) if _refusal(inner[1]) == message), None):
        place, part = f"{place}.{found[0]}" if place else found[0], found[1]
    at = f", at '{place}'" if place else ""
    if message == "Unknown type":
        return f"Unknown type {json.dumps(part.get('type'))[:80]}{at}; a type is one of {_TYPES}"
    return f"{message}{at}"


def _parts(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the schemas directly inside of a schema, with their places in it."""
    places = [(name, schema.get(name)) for name in _OF_ONE]
    places += [(f"{of}.{name}", one) for of in _OF_MANY for name, one in _pairs(schema.get(of))]
    return ((place, one) for place, one in places if isinstance(one, dict))


def _pairs(value: object) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def _refusal(schema: dict[str, Any]) -> str:
    try:
        AnswerForm(schema)
    except InvalidSchema as problem:
        return str(problem)
    return ""
