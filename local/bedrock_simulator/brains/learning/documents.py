"""Answers as fields: a JSON object is its leaves by path; any other answer is one leaf."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Path = tuple[str, ...]
Leaves = dict[Path, Any]

WHOLE: Path = ("\u0001whole",)
"""The path of an answer that is no object."""

_MAJORITY = 0.5


def structured(answers: Sequence[str]) -> list[Any | None]:
    """Return the objects (or lists) behind the answers, ``None`` for each where most of them are plain text."""
    parsed = [_parse(answer) for answer in answers]
    found = sum(value is not None for value in parsed)
    return parsed if found > _MAJORITY * len(answers) else [None] * len(answers)


def leaves_of(value: object, above: Path = ()) -> Leaves:
    """Return the leaves of a JSON value by path; lists and empty objects are leaves."""
    if not isinstance(value, dict):
        return {WHOLE: value}
    leaves: Leaves = {}
    for name, member in value.items():
        if isinstance(member, dict) and member:
            leaves |= leaves_of(member, (*above, name))
        else:
            leaves[(*above, name)] = member
    return leaves


def rebuilt(leaves: Mapping[Path, Any]) -> object:
    """Put leaves together again."""
    if WHOLE in leaves:
        return leaves[WHOLE]
    result: dict[str, Any] = {}
    for path, value in leaves.items():
        branch = result
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = value
    return result


def _parse(text: str) -> dict[str, Any] | list[Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) and value else None
