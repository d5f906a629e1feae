"""Read JSON documents that people write, strictly, and check them against a JSON Schema.

There is one reader for all of them: what it refuses (NaN, a key that stands twice, half of a surrogate pair) is refused
in every document, with a message that says where.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import fastjsonschema

Document = dict[str, Any]


class InvalidDocument(ValueError):
    """A document breaks its schema.

    Attributes
    ----------
    key : str
        Dotted path of the offending key, ``""`` for the document itself.
    """

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


def parse_document(text: bytes | str, begin: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read a JSON document that a person wrote.

    Parameters
    ----------
    text : bytes or str
        UTF-8, with or without a byte order mark.
    begin : str
        Begins the message, which goes on with "not JSON": ``"task.json is "``.

    Raises
    ------
    InvalidDocument
        When it is not UTF-8 or not JSON, has NaN, Infinity, a whole number beyond what a float holds, a key that stands
        twice in one object or half of a surrogate pair, or is nested too deeply.
    """
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
    except UnicodeDecodeError as problem:
        found = f"byte {problem.start} is {problem.object[problem.start]:#04x}"
        raise InvalidDocument(f"{begin}not UTF-8: {found}; save it as UTF-8", "") from None
    try:
        document = _DECODER.decode(decoded)
    except ValueError as problem:
        raise InvalidDocument(f"{begin}not JSON: {problem}", "") from None
    except RecursionError:
        raise InvalidDocument(f"{begin}not JSON that can be read: nested too deeply; flatten it", "") from None
    for key, value in _members(document):
        if isinstance(value, _Constant):
            raise InvalidDocument(f"{begin}not JSON: {value.word} is not a JSON value, at {_place(key)}", key)
        if isinstance(value, str) and not value.isascii() and _has_surrogate(value):
            found = f"{_place(key)} has half of a surrogate pair, which is no character"
            raise InvalidDocument(f"{begin}not JSON that can be stored: {found}; write another one", key)
    return document


class _Constant:
    """Stands for NaN, Infinity or -Infinity until its key is known."""

    def __init__(self, word: str) -> None:
        self.word = word


def _whole(digits: str) -> int:
    if math.isinf(float(digits)):
        raise ValueError(f"the number {digits[:40]}... is too large")
    return int(digits)


def _different_keys(pairs: list[tuple[str, Any]]) -> Document:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {json.dumps(repeated)[:80]} stands twice in one object; each may stand once")
    return found


# Made once: json.loads makes a new decoder for every call that has an option.
_DECODER = json.JSONDecoder(parse_constant=_Constant, parse_int=_whole, object_pairs_hook=_different_keys)


def _members(document: object) -> Iterator[tuple[str, object]]:
    """Give every value with its dotted path, and every key as a value of its own; without recursion."""
    waiting: list[tuple[str, object]] = [("", document)]
    while waiting:
        path, value = waiting.pop()
        yield path, value
        if isinstance(value, dict):
            for key, member in value.items():
                yield path, key
                waiting.append((f"{path}.{key}" if path else str(key), member))
        elif isinstance(value, list):
            waiting += [(f"{path}.{at}" if path else str(at), member) for at, member in enumerate(value)]


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= one <= "\udfff" for one in text)


def _place(key: str) -> str:
    return f"'{key}'" if key else "the document"


def _check_finite(document: object) -> None:
    """Refuse NaN, which passes every bound and which other readers let through, and what is too large for a float."""
    for key, value in _members(document):
        if isinstance(value, float) and not math.isfinite(value):
            said = "not a number" if math.isnan(value) else "too large a number"
            raise InvalidDocument(f"{_place(key)} is {value}, which is {said}; write another one", key)


@cache
def load_schema(name: str) -> Document:
    """Read a schema that ships with the domain package.

    Parameters
    ----------
    name : str
        File name under ``lambdas/domain/schemas``.
    """
    text = resources.files("lambdas.domain").joinpath("schemas", name).read_text(encoding="utf-8")
    loaded: Document = json.loads(text)
    return loaded


@cache
def _compiled(name: str) -> Any:  # noqa: ANN401 - fastjsonschema has no types
    return fastjsonschema.compile(load_schema(name))


def check_document(document: object, schema_name: str) -> Document:
    """Validate a document and fill in the defaults that its schema names.

    Parameters
    ----------
    document : object
        Parsed JSON; it is not changed.
    schema_name : str
        File name under ``lambdas/domain/schemas``.

    Returns
    -------
    dict
        A copy with every default present.

    Raises
    ------
    InvalidDocument
        With the key and what is allowed there.
    """
    copy = json.loads(json.dumps(document))
    if isinstance(copy, dict):
        for name, rule in load_schema(schema_name)["properties"].items():
            if "default" in rule:  # a nested object must be there before its own defaults can be filled in
                copy.setdefault(name, json.loads(json.dumps(rule["default"])))
    try:
        checked: Document = _compiled(schema_name)(copy)
    except fastjsonschema.JsonSchemaValueException as problem:
        raise _explained(problem) from None
    _check_finite(document)
    return checked


def _explained(problem: Any) -> InvalidDocument:  # noqa: ANN401 - fastjsonschema has no types
    key = ".".join(str(part) for part in problem.path[1:])
    where = _place(key)
    if problem.rule == "additionalProperties":
        allowed = problem.definition.get("properties", {})
        unknown = sorted(set(problem.value) - set(allowed))
        names = ", ".join(repr(f"{key}.{name}" if key else name) for name in unknown)
        return InvalidDocument(f"unknown key {names}; allowed in {where}: {', '.join(sorted(allowed))}", key)
    shown = json.dumps(problem.value, ensure_ascii=False)[:80]
    rule = f"{problem.rule} {json.dumps(problem.rule_definition, ensure_ascii=False)}"
    help_text = problem.definition.get("description", "") if isinstance(problem.definition, dict) else ""
    return InvalidDocument(f"{where} is {shown}, which breaks {rule}" + (f" ({help_text})" if help_text else ""), key)
