"""Which values of an output schema can be compared: also behind a ``$ref``, in alternatives and in arrays.

Generators of schemas write an enumeration as ``{"$ref": "#/$defs/Queue"}``, an optional one as ``anyOf`` with ``null``.
Both are the same choice as one that is written in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal
from urllib.parse import unquote

Kind = Literal["number", "choice"]
Path = tuple[str, ...]

ITEMS = "[]"
"""Step of a path from an array to its members."""

MOST_DEPTH = 8
"""Objects and arrays nested deeper than this are not read, nor references and alternatives one in the other."""

MOST_PARTS = 5_000
"""Parts of one schema that are read: references may multiply a short schema without end."""

_Part = tuple[dict[str, Any], frozenset[str]]
"""A schema, and the references that led to it."""

_MEASURED: dict[str | None, Kind] = {"number": "number", "choice": "choice"}


def fields_of(schema: dict[str, Any]) -> Iterator[tuple[Path, Kind]]:
    """List the numbers and choices of a schema, the empty path where it is one itself.

    Parameters
    ----------
    schema : dict
        A JSON Schema; only references into itself are followed, and none within what it names.
    """
    return _Reader(schema).fields([(schema, frozenset())], (), MOST_DEPTH)


class _Reader:
    """Reads one schema, so many parts of it at most."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root, self._left = root, MOST_PARTS

    def fields(self, parts: list[_Part], path: Path, depth: int) -> Iterator[tuple[Path, Kind]]:
        """List the fields of what may be any of some schemas."""
        kind = _MEASURED.get(_any_of(self._kind(part, MOST_DEPTH) for part in parts))
        if kind is not None:
            yield path, kind
            return
        inner: dict[str, list[_Part]] = {}
        for part in parts if depth else ():
            for name, found in self._inner(part, MOST_DEPTH):
                inner.setdefault(name, []).append(found)
        for name, alternatives in inner.items():
            yield from self.fields(alternatives, (*path, name), depth - 1)

    def _kind(self, part: _Part, depth: int) -> str | None:
        """Give ``number``, ``choice``, ``null``, or ``None`` for anything else; the narrowest of what must all hold."""
        own = _own_kind(part[0])
        if own or not depth:
            return own
        kinds = {self._kind(one, depth - 1) for one in self._all_of(part)}
        for word in ("anyOf", "oneOf"):
            if word in part[0]:
                kinds.add(_any_of(self._kind(one, depth - 1) for one in self._listed(part, word)))
        return next((kind for kind in ("choice", "number", "null") if kind in kinds), None)

    def _inner(self, part: _Part, depth: int) -> Iterator[tuple[str, _Part]]:
        """Name what stands one level deeper: properties, and the members of an array."""
        schema, behind = part
        properties, items = schema.get("properties"), schema.get("items")
        for name, found in properties.items() if isinstance(properties, dict) else ():
            yield from ((name, one) for one in self._taken(found, behind))
        yield from ((ITEMS, one) for one in self._taken(items, behind))
        if depth:
            for one in [*self._all_of(part), *self._listed(part, "anyOf"), *self._listed(part, "oneOf")]:
                yield from self._inner(one, depth - 1)

    def _all_of(self, part: _Part) -> Iterator[_Part]:
        """Give the schemas that hold beside a schema's own words."""
        schema, behind = part
        name = schema.get("$ref")
        if isinstance(name, str) and name not in behind:
            yield from self._taken(_pointed(self._root, name), behind | {name})
        yield from self._listed(part, "allOf")

    def _listed(self, part: _Part, word: str) -> Iterator[_Part]:
        found = part[0].get(word)
        for one in found if isinstance(found, list) else ():
            yield from self._taken(one, part[1])

    def _taken(self, schema: object, behind: frozenset[str]) -> Iterator[_Part]:
        if isinstance(schema, dict) and self._left > 0:
            self._left -= 1
            yield schema, behind


def _own_kind(schema: dict[str, Any]) -> str | None:
    """Give the kind by a schema's own words."""
    if "enum" in schema or "const" in schema:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        return "null" if values == [None] else "choice"
    named = schema.get("type")
    types = {one for one in (named if isinstance(named, list) else [named]) if isinstance(one, str)}
    if types == {"null"}:
        return "null"
    types.discard("null")
    if types and types <= {"number", "integer"}:
        return "number"
    return "choice" if types == {"boolean"} else None


def _any_of(kinds: Iterable[str | None]) -> str | None:
    """Give the kind of alternatives; ``null`` beside one does not count."""
    found = set(kinds)
    if found != {"null"}:
        found.discard("null")
    return found.pop() if len(found) == 1 else None


def _pointed(root: dict[str, Any], name: str) -> object:
    """Give what a reference into the schema itself names, or ``None``."""
    if name != "#" and not name.startswith("#/"):
        return None
    found: object = root
    for step in name.split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return found
