"""Does an answer keep an output schema? Strict: the whole text must be the JSON value.

The client that applications install has this file and ``answer_repair.py`` as they are here (decision 0170): they need
the standard library and fastjsonschema only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import fastjsonschema

SUM_KEYWORD = "x-sum"
"""Our extension at the top of an output schema: ``{"fields": [...], "equals": 1.0, "tolerance": 0.01}``."""

Validate = Callable[[object], object]


class InvalidSchema(ValueError):
    """An output schema that cannot be used, with what is wrong."""


def _as_it_is(validate: Validate) -> Validate:
    return validate


class AnswerForm:
    """Checks answers against one output schema; without a schema every text with content is valid.

    Parameters
    ----------
    schema : dict or None
        A JSON Schema (draft-07), with our ``x-sum`` where numbers must add up, which JSON Schema cannot say.
    bounded : callable
        Given the compiled check, may give one that ends in time.

    Raises
    ------
    InvalidSchema
        When it is not a schema, refers to another document, or its ``x-sum`` lacks a part.
    """

    def __init__(self, schema: dict[str, Any] | None, bounded: Callable[[Validate], Validate] = _as_it_is) -> None:
        self._sum = _checked_sum(schema) if schema and SUM_KEYWORD in schema else None
        self._validate = None if schema is None else _compiled(schema, bounded)

    def problem(self, text: str) -> str | None:
        """Say what is wrong with an answer.

        Parameters
        ----------
        text : str
            The answer as the model gave it.

        Returns
        -------
        str or None
            ``None`` for a valid answer. The answer's own text is never part of the reason: reasons reach logs.
        """
        if not text.strip():
            return "empty"
        if self._validate is None:
            return None
        try:
            value = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return "not JSON"
        return self._broken(self._validate, value) or self._sum_problem(value)

    def _broken(self, validate: Validate, value: object) -> str | None:
        try:
            validate(value)
        except fastjsonschema.JsonSchemaException as broken:
            rule = getattr(broken, "rule", None) or "schema"
            place = ".".join(str(part) for part in getattr(broken, "path", [])[1:]) or "the answer"
            return f"{place} breaks '{rule}'"
        except RecursionError:
            return "nested too deeply"
        return None

    def _sum_problem(self, value: Any) -> str | None:  # noqa: ANN401 - any JSON value
        if not self._sum:
            return None
        try:
            total = math.fsum(value[name] for name in self._sum["fields"])
        except (TypeError, KeyError, OverflowError):
            return f"the answer breaks '{SUM_KEYWORD}': a field is missing or no number"
        if abs(total - self._sum["equals"]) > self._sum["tolerance"] + 1e-9:
            return f"the fields add up to {total:.3f}, not {self._sum['equals']:g}"
        return None


def _compiled(schema: dict[str, Any], bounded: Callable[[Validate], Validate]) -> Validate:
    """Compile a schema that stands alone: it fills nothing in and fetches nothing, neither a file nor an address."""
    plain = {key: value for key, value in schema.items() if key != SUM_KEYWORD}
    handlers = dict.fromkeys(("", "http", "https", "ftp", "file", "data"), _refuse_reference)
    try:
        return bounded(fastjsonschema.compile(plain, handlers=handlers, use_default=False))
    except Exception as problem:  # noqa: BLE001 - fastjsonschema lets any error out for a broken schema
        raise InvalidSchema(str(problem) or type(problem).__name__) from None


def _checked_sum(schema: dict[str, Any]) -> dict[str, Any]:
    rule = schema[SUM_KEYWORD]
    fields = rule.get("fields") if isinstance(rule, dict) else None
    if isinstance(fields, list) and fields and all(isinstance(name, str) for name in fields):
        numbers = [rule.get("equals"), rule.get("tolerance")]
        if all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
            return dict(rule)
    example = '{"fields": ["a", "b"], "equals": 1.0, "tolerance": 0.01}'
    raise InvalidSchema(f"'{SUM_KEYWORD}' must have the form {example}")


def _refuse_reference(uri: str) -> None:
    raise InvalidSchema(f"'$ref' to {uri}: only references inside the schema are followed")


def _refuse(constant: str) -> None:
    raise ValueError(constant)
