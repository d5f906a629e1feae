"""Does an answer keep the task's output schema? Strict: the whole text must be the JSON value."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import fastjsonschema

from lambdas.domain.text.limited_check import (
    SECONDS_A_CHECK,
    SECONDS_A_TRIAL,
    TRIAL_LENGTH,
    CheckTooSlow,
    is_slow,
    limited,
    patterns_of,
)

SUM_KEYWORD = "x-sum"
"""Our extension at the top of an output schema: ``{"fields": [...], "equals": 1.0, "tolerance": 0.01}``."""


class InvalidSchema(ValueError):
    """An output schema that cannot be used, with what is wrong."""


class OutputChecker:
    """Checks answers against one output schema; without a schema every text with content is valid.

    Parameters
    ----------
    schema : dict or None
        A JSON Schema (draft-07), with our ``x-sum`` where numbers must add up, which JSON Schema cannot say.

    Raises
    ------
    InvalidSchema
        When it is not a schema, refers to another document, or its ``x-sum`` lacks a part.
    """

    def __init__(self, schema: dict[str, Any] | None) -> None:
        self._sum = _checked_sum(schema) if schema and SUM_KEYWORD in schema else None
        self._validate = None if schema is None else _compiled(schema)

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

    @staticmethod
    def _broken(validate: Callable[[object], object], value: object) -> str | None:
        try:
            validate(value)
        except fastjsonschema.JsonSchemaException as broken:
            rule = getattr(broken, "rule", None) or "schema"
            place = ".".join(str(part) for part in getattr(broken, "path", [])[1:]) or "the answer"
            return f"{place} breaks '{rule}'"
        except RecursionError:
            return "nested too deeply"
        except CheckTooSlow:
            return f"the check against the schema took longer than {SECONDS_A_CHECK:g} s"
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


def _compiled(schema: dict[str, Any]) -> Callable[[object], object]:
    """Compile a schema that stands alone: it fills nothing in and fetches nothing, neither a file nor an address."""
    plain = {key: value for key, value in schema.items() if key != SUM_KEYWORD}
    handlers = dict.fromkeys(("", "http", "https", "ftp", "file", "data"), _refuse_reference)
    try:
        return limited(fastjsonschema.compile(plain, handlers=handlers, use_default=False))
    except Exception as problem:  # noqa: BLE001 - fastjsonschema lets any error out for a broken schema
        raise InvalidSchema(str(problem) or type(problem).__name__) from None


def check_patterns(schema: dict[str, Any]) -> None:
    """Refuse a schema, before anything is paid, one of whose patterns an answer could make run for minutes.

    Raises
    ------
    InvalidSchema
        Names the pattern.
    """
    for pattern in dict.fromkeys(patterns_of(schema)):
        if is_slow(pattern):
            raise InvalidSchema(
                f"the pattern {json.dumps(pattern)[:200]} takes more than {SECONDS_A_TRIAL:g} s with a text of "
                f"{TRIAL_LENGTH} characters that does not match; write it without a repetition inside of a repetition"
            )


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
