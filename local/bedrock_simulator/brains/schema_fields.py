"""What a JSON Schema says of an answer's fields: which values a field may have, and in which words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local.bedrock_simulator.brains.learning.documents import WHOLE, Path

_DEEPEST = 12
Choices = Mapping[Path, list[Any]]


def choices_of(schema: Mapping[str, Any] | None) -> dict[Path, list[Any]]:
    """Return the values of each field that has few: of an enum, of a boolean, of the members of a list."""
    return {
        path: values for path, member in _members(schema or {}, schema or {}) if (values := _values(member, schema))
    }


def hints_of(schema: Mapping[str, Any] | None) -> list[tuple[str, dict[Path, Any]]]:
    """Return each value of a field with the words that the schema has for it, as if a question had said them."""
    hints = []
    for path, member in _members(schema or {}, schema or {}):
        resolved = _resolved(member.get("items", member), schema or {})
        listed = "items" in member
        for value, words in _described(resolved):
            hints.append((f"{value} {words}".replace("_", " "), {path: [value] if listed else value}))
    return hints


def _members(schema: Any, root: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:  # noqa: ANN401
    schema = _resolved(schema, root)
    properties = schema.get("properties")
    if not isinstance(properties, dict) or len(above) > _DEEPEST:
        yield above or WHOLE, schema
        return
    for name, member in properties.items():
        yield from _members(member, root, (*above, name))


def _resolved(schema: Any, root: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401 (any part of a schema)
    """Follow references within the schema; what cannot be followed says nothing."""
    for _ in range(_DEEPEST):
        if not isinstance(schema, dict):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return schema
        found: Any = root
        for name in reference[2:].split("/"):
            found = found.get(name) if isinstance(found, dict) else None
        schema = found
    return {}


def _values(member: dict[str, Any], root: Mapping[str, Any] | None) -> list[Any]:
    resolved = _resolved(member.get("items", member), root or {})
    found = [value for value, _ in _described(resolved)]
    return [*found, True, False] if not found and resolved.get("type") == "boolean" else found


def _described(member: dict[str, Any]) -> list[tuple[Any, str]]:
    """Return the scalar values that a field may have, each with its own words."""
    if isinstance(member.get("enum"), list):
        return [(value, "") for value in member["enum"] if value is None or isinstance(value, str | bool | int | float)]
    if isinstance(member.get("const"), str | bool | int | float):
        return [(member["const"], str(member.get("description", "")))]
    for kind in ("oneOf", "anyOf"):
        options = member.get(kind)
        if isinstance(options, list):
            return [found for option in options if isinstance(option, dict) for found in _described(option)]
    return []
