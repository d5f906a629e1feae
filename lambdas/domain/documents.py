"""Check JSON documents that people write against a JSON Schema, with messages that name the key and what is allowed."""

from __future__ import annotations

import json
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
    return checked


def _explained(problem: Any) -> InvalidDocument:  # noqa: ANN401 - fastjsonschema has no types
    key = ".".join(str(part) for part in problem.path[1:])
    where = f"'{key}'" if key else "the document"
    if problem.rule == "additionalProperties":
        allowed = problem.definition.get("properties", {})
        unknown = sorted(set(problem.value) - set(allowed))
        names = ", ".join(repr(f"{key}.{name}" if key else name) for name in unknown)
        return InvalidDocument(f"unknown key {names}; allowed in {where}: {', '.join(sorted(allowed))}", key)
    shown = json.dumps(problem.value, ensure_ascii=False)[:80]
    rule = f"{problem.rule} {json.dumps(problem.rule_definition, ensure_ascii=False)}"
    help_text = problem.definition.get("description", "") if isinstance(problem.definition, dict) else ""
    return InvalidDocument(f"{where} is {shown}, which breaks {rule}" + (f" ({help_text})" if help_text else ""), key)
