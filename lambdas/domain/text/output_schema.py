"""Check whether an answer keeps the task's output schema, in bounded time whatever the schema's patterns are."""

from __future__ import annotations

import json
from typing import Any

from lambdas.domain.text.answer_form import AnswerForm, InvalidSchema, Validate
from lambdas.domain.text.broken_schema import said_where
from lambdas.domain.text.limited_check import (
    SECONDS_A_CHECK,
    SECONDS_A_TRIAL,
    TRIAL_LENGTH,
    CheckTooSlow,
    is_slow,
    limited,
    patterns_of,
)


class OutputChecker(AnswerForm):
    """Checks answers against one output schema, each for at most half a second of processor time.

    Parameters
    ----------
    schema : dict or None
        As :class:`~lambdas.domain.text.answer_form.AnswerForm` takes it.

    Raises
    ------
    InvalidSchema
        When it cannot be used, with the part that breaks it.
    """

    def __init__(self, schema: dict[str, Any] | None) -> None:
        try:
            super().__init__(schema, limited)
        except InvalidSchema as problem:
            raise InvalidSchema(said_where(schema or {}, str(problem))) from None

    def _broken(self, validate: Validate, value: object) -> str | None:
        try:
            return super()._broken(validate, value)
        except CheckTooSlow:
            return f"the check against the schema took longer than {SECONDS_A_CHECK:g} s"


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
