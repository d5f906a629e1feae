"""Figures as people read them, and careful reading of a document in which anything may be missing.

Nothing is shown more precisely than it was measured, nothing that is not quite whole is rounded up to whole, and what
was not measured says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

NOT_MEASURED = "not measured"

_MINUS = "\N{MINUS SIGN}"
_ALMOST_ALL, _ALMOST_NOTHING = 99.9, 0.1
_SECONDS_FROM_MS = 10_000
_WHOLE_DOLLARS_FROM = 1_000
_NO_DECIMALS_FROM = 1_000


def pick(document: object, *path: str) -> Any:  # noqa: ANN401 - the value of a JSON document
    """Read a nested value; ``None`` where any part of the way is missing or null."""
    value = document
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def number(value: object) -> float | None:
    """Give a finite number as a float and ``None`` for everything else (null, NaN, true, text)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        finite = float(value)
    except OverflowError:
        return None
    return finite if math.isfinite(finite) else None


def rows_of(value: object) -> list[dict[str, Any]]:
    """Give the objects of a list; an empty list where there is none."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _measured(form: Callable[[float], str]) -> Callable[[object], str]:
    """Let a formatter answer "not measured" for what is not a number."""

    def text(value: object) -> str:
        figure = number(value)
        return NOT_MEASURED if figure is None else form(figure)

    text.__doc__ = form.__doc__
    return text


def _signed(value: float, text: str) -> str:
    return f"{_MINUS}{text}" if value < 0 else text


@_measured
def usd(value: float) -> str:
    """Write dollars: whole from $1,000 on, cents from $1 on, two significant digits below."""
    size = abs(value)
    if size == 0:
        return "$0.00"
    if size >= _WHOLE_DOLLARS_FROM:
        return _signed(value, f"${size:,.0f}")
    if size >= 0.995:  # noqa: PLR2004 - from here on two decimals round to at least one dollar
        return _signed(value, f"${size:,.2f}")
    if size < 1e-6:  # noqa: PLR2004 - a millionth of a dollar
        return "less than $0.000001"
    decimals = max(2, 1 - math.floor(math.log10(size)))
    return _signed(value, f"${size:.{decimals}f}")


@_measured
def axis_usd(value: float) -> str:
    """Write the round dollars of an axis: without cents from $1 on, shortly from $1 M on."""
    return (
        f"${large_count(value)}"
        if value >= 1e6  # noqa: PLR2004 - a million has too many digits for the side of a chart
        else f"${value:,.0f}"
        if value >= 1
        else f"${value:.{max(1, -math.floor(math.log10(value)))}f}"
        if value > 0
        else "$0"
    )


@_measured
def milliseconds(value: float) -> str:
    """Write a time in milliseconds, from ten seconds on in seconds."""
    return f"{value:,.0f} ms" if value < _SECONDS_FROM_MS else f"{value / 1000:,.1f} s"


@_measured
def percent(value: float) -> str:
    """Write a share (0 to 1) in percent; only a whole is 100%."""
    size = abs(value) * 100
    if _ALMOST_ALL <= size < 100:  # noqa: PLR2004 - 99.96 must not read 100
        return _signed(value, "over 99.9%" if size > _ALMOST_ALL else "99.9%")
    if 0 < size < _ALMOST_NOTHING:
        return "under 0.1%"
    rounded = f"{size:,.1f}"
    return _signed(value, f"{rounded.removesuffix('.0')}%")


@_measured
def score(value: float) -> str:
    """Write judge points with two decimals."""
    return _signed(value, f"{abs(value):.2f}")


@_measured
def count(value: float) -> str:
    """Write a count with thousands separators."""
    return f"{value:,.0f}"


@_measured
def plain(value: float) -> str:
    """Write a figure of unknown unit with four significant digits, from 1,000 on without decimals."""
    is_whole = value == int(value) or abs(value) >= _NO_DECIMALS_FROM  # four digits of 250,000.5 would read 2.5e+05
    return f"{value:,.0f}" if is_whole else f"{value:,.4g}"


@_measured
def large_count(value: float) -> str:
    """Write a large count shortly, for axes and labels: ``850``, ``12 k``, ``3.4 M``, ``1.2 B``, ``5 T``."""
    for unit, suffix in ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            scaled = float(f"{value / unit:.3g}")
            return f"{scaled:,.0f}{suffix}" if scaled >= 100 else f"{scaled:g}{suffix}"  # noqa: PLR2004 - three digits
    return f"{value:,.0f}"


def change(value: object, more: str = "higher", less: str = "lower") -> str:
    """Write a reduction (0.52: less by 52%; negative: more) in words.

    Parameters
    ----------
    value : object
        Share by which the figure is smaller than what it is compared with.
    more, less : str
        Words for a larger and a smaller figure, for example ``slower`` and ``faster``.
    """
    figure = number(value)
    if figure is None:
        return NOT_MEASURED
    if abs(figure) < 0.0005:  # noqa: PLR2004 - would read 0.0%
        return "the same"
    return f"{percent(abs(figure))} {less if figure > 0 else more}"


def moment(value: object) -> str:
    """Write an ISO 8601 time as ``28 Nov 2026, 10:11 UTC``; other text is given back as it is."""
    if not isinstance(value, str) or not value:
        return NOT_MEASURED
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return value
    in_utc = (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    return f"{in_utc.day} {in_utc:%b %Y, %H:%M} UTC"


def duration(start: object, end: object) -> str:
    """Write the time between two ISO 8601 times: ``3 h 07 min``, ``12 min``, ``8 s``."""
    try:
        begun, ended = (datetime.fromisoformat(str(value)) for value in (start, end))
        seconds = round((ended - begun).total_seconds())
    except (TypeError, ValueError):
        return NOT_MEASURED
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{max(seconds, 0)} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours:,} h {minutes:02d} min" if hours else f"{minutes} min"
