"""Strict validation of requests and answers against a botocore shape.

botocore itself checks required members, types and minima only; the service also checks maxima, patterns and
enumerations, so a client that was tested against botocore alone meets its first refusal in production.
"""

from __future__ import annotations

import functools
import re
from typing import Any, cast

import regex
from botocore.validate import ParamValidator

_PATTERN_SECONDS = 1.0
_SHOWN = 120
_NUMBERS = frozenset({"integer", "long", "float", "double"})
_TYPE_ERROR = "invalid type"


@functools.lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:  # noqa: ANN401 (the package has no stable public pattern type)
    return regex.compile(pattern)


@functools.lru_cache(maxsize=8192)
def matches(pattern: str, value: str) -> bool:
    r"""Whether the whole of ``value`` fits the service's ``pattern``.

    The models use Java's dialect (``\p{L}``), which :mod:`re` does not know; several patterns are nested
    quantifiers that backtrack for seconds, hence the time limit.
    """
    try:
        return _compiled(pattern).fullmatch(value, timeout=_PATTERN_SECONDS) is not None
    except TimeoutError:
        return False


class StrictValidator(ParamValidator):
    """Collects every way in which a value breaks its shape, in the service's words."""

    VALIDATED_METADATA_ATTRS = ParamValidator.VALIDATED_METADATA_ATTRS | {"max", "pattern", "enum"}

    def __init__(self) -> None:
        self._breaches: list[str] = []

    def problems(self, value: object, shape: Any) -> tuple[list[str], list[str]]:  # noqa: ANN401 (botocore is untyped here)
        """Check ``value``.

        Returns
        -------
        tuple[list[str], list[str]]
            Breaches of type (the service cannot even read the request), then breaches of constraints.
        """
        report = cast("Any", self).validate(value, shape)
        wrong_type: list[str] = []
        constraint: list[str] = []
        for error in report._errors:  # noqa: SLF001 (botocore offers only one joined text)
            text = report._format_error(error)  # noqa: SLF001
            (wrong_type if error[0] == _TYPE_ERROR else constraint).append(text)
        return wrong_type, constraint + self._breaches

    def _validate(self, params: Any, shape: Any, errors: Any, name: str) -> None:  # noqa: ANN401 (overrides botocore)
        if isinstance(params, bool) and shape.type_name in _NUMBERS:
            errors.report(name, _TYPE_ERROR, param=params, valid_types=[shape.type_name])
            return
        super()._validate(params, shape, errors, name)  # type: ignore[misc]  # private, so absent from the stubs
        self._check_limits(params, shape.metadata, name.lstrip("."), is_number=shape.type_name in _NUMBERS)

    def _check_limits(self, value: Any, limits: dict[str, Any], where: str, *, is_number: bool) -> None:  # noqa: ANN401
        if "max" in limits:
            size = value if is_number else len(value) if hasattr(value, "__len__") else None
            if isinstance(size, int | float) and size > limits["max"]:
                kind = "value" if is_number else "length"
                self._breach(value, where, f"Member must have {kind} less than or equal to {limits['max']}")
        if isinstance(value, dict) and len(value) < limits.get("min", 0):  # botocore leaves maps out
            self._breach(value, where, f"Member must have length greater than or equal to {limits['min']}")
        if isinstance(value, str):
            if "pattern" in limits and not matches(limits["pattern"], value):
                self._breach(value, where, f"Member must satisfy regular expression pattern: {limits['pattern']}")
            if "enum" in limits and value not in limits["enum"]:
                self._breach(value, where, f"Member must satisfy enum value set: {limits['enum']}")

    def _breach(self, value: object, where: str, constraint: str) -> None:
        shown = re.sub(r"\s+", " ", str(value))[:_SHOWN]
        self._breaches.append(f"Value '{shown}' at '{where}' failed to satisfy constraint: {constraint}")


def refusal(constraints: list[str]) -> str:
    """Join breaches into the sentence that the service answers with."""
    plural = "" if len(constraints) == 1 else "s"
    return f"{len(constraints)} validation error{plural} detected: " + "; ".join(constraints)
