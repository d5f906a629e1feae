"""Does an answer keep the task's output schema? Strict: the whole text must be the JSON value."""

from __future__ import annotations

import json
import math
from typing import Any

import fastjsonschema

SUM_KEYWORD = "x-sum"
"""Our extension at the top of an output schema: ``{"fields": [...], "equals": 1.0, "tolerance": 0.01}``."""


class OutputChecker:
    """Checks answers against one output schema; without a schema every text with content is valid.

    Parameters
    ----------
    schema : dict or None
        A JSON Schema (draft-07), with our ``x-sum`` where numbers must add up, which JSON Schema cannot say.
    """

    def __init__(self, schema: dict[str, Any] | None) -> None:
        self._sum = (schema or {}).get(SUM_KEYWORD)
        plain = None if schema is None else {key: value for key, value in schema.items() if key != SUM_KEYWORD}
        self._validate = None if plain is None else fastjsonschema.compile(plain)

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
        try:
            self._validate(value)
        except fastjsonschema.JsonSchemaException as broken:
            rule = getattr(broken, "rule", None) or "schema"
            place = ".".join(str(part) for part in getattr(broken, "path", [])[1:]) or "the answer"
            return f"{place} breaks '{rule}'"
        return self._sum_problem(value)

    def _sum_problem(self, value: Any) -> str | None:  # noqa: ANN401 - any JSON value
        if not self._sum:
            return None
        total = math.fsum(value[name] for name in self._sum["fields"])
        if abs(total - self._sum["equals"]) > self._sum["tolerance"] + 1e-9:
            return f"the fields add up to {total:.3f}, not {self._sum['equals']:g}"
        return None


def _refuse(constant: str) -> None:
    raise ValueError(constant)
