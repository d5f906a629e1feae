"""A check against a schema that ends: its patterns and its references stop at a deadline.

Python's ``re`` tries every way in which a pattern may match: ``^(a+)+$`` takes minutes with forty letters, and nothing
can stop it. The engine of the ``regex`` package knows the same patterns, answers most of these at once and keeps to a
time with the others.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

SECONDS_A_CHECK = 0.5
"""Seconds of processor time for which one answer may be checked. An ordinary check takes microseconds."""

SECONDS_A_TRIAL = 0.1
"""Seconds that a pattern may take with a text of :data:`TRIAL_LENGTH` characters before anything is paid."""

TRIAL_LENGTH = 300

MOST_SLOW = 20
"""Checks with one schema that may use up their time; later ones have a fiftieth of it, so that a file ends."""

_MOST_TRIALS = 16
_ANY = ("a", "0", " ", "A", "-", "ab", "a ", "\n")


class CheckTooSlow(Exception):
    """A check has not come to its end within its time."""


class _Deadline(threading.local):
    at: float = float("inf")


def limited(validate: Callable[..., Any], seconds: float = SECONDS_A_CHECK) -> Callable[[object], object]:
    """Bound a function that fastjsonschema has compiled.

    Parameters
    ----------
    validate : callable
        Its module globals hold the patterns, and one function for each ``$ref``: a chain of references can ask the
        same question in exponentially many ways. What is between two of them is linear.
    seconds : float

    Returns
    -------
    callable
        Raises :class:`CheckTooSlow` where the time is up, else what ``validate`` raises.
    """
    deadline, names = _Deadline(), validate.__globals__
    patterns = names["REGEX_PATTERNS"]
    for key, pattern in list(patterns.items()):
        patterns[key] = _LimitedPattern(pattern.pattern, deadline)
    for name, function in list(names.items()):
        if name.startswith("validate") and callable(function):
            names[name] = _counted(function, deadline)
    begin, slow = names[validate.__name__], 0

    def check(value: object) -> object:
        nonlocal slow
        deadline.at = time.monotonic() + (seconds if slow < MOST_SLOW else seconds / 50)
        try:
            return begin(value)
        except CheckTooSlow:
            slow += 1
            raise

    return check


def patterns_of(schema: object) -> Iterator[str]:
    """Give every text that stands where a schema has a pattern."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if isinstance(part.get("pattern"), str):
                yield part["pattern"]
            if isinstance(part.get("patternProperties"), dict):
                yield from part["patternProperties"]
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def is_slow(pattern: str, seconds: float = SECONDS_A_TRIAL) -> bool:
    """Try a pattern with texts that nearly match: its own characters again and again, then one that is none of them."""
    try:
        tried = _LimitedPattern(pattern, deadline := _Deadline())
    except ValueError:
        return False  # a text that is called pattern and is none: as a pattern it would not have compiled
    own = dict.fromkeys(one for one in pattern if one.isalnum() or one in " _.,:/@#-")
    for unit in list(dict.fromkeys([*_ANY, *own]))[:_MOST_TRIALS]:
        deadline.at = time.monotonic() + seconds
        try:
            tried.search((unit * TRIAL_LENGTH)[:TRIAL_LENGTH] + "\0")
        except CheckTooSlow:
            return True
    return False


class _LimitedPattern:
    """Stands for a compiled pattern where fastjsonschema looks for one."""

    def __init__(self, pattern: str, deadline: _Deadline) -> None:
        self._compiled, self._deadline = _compiled(pattern), deadline

    def search(self, text: str) -> object:
        return self._asked(self._compiled.search, text)

    def match(self, text: str) -> object:
        return self._asked(self._compiled.match, text)

    def _asked(self, ask: Callable[..., object], text: str) -> object:
        try:
            return ask(text, timeout=_seconds_left(self._deadline))
        except TimeoutError:
            raise CheckTooSlow from None


def _counted(function: Callable[..., object], deadline: _Deadline) -> Callable[..., object]:
    @functools.wraps(function)
    def called(*given: object, **more: object) -> object:
        _seconds_left(deadline)
        return function(*given, **more)

    return called


def _seconds_left(deadline: _Deadline) -> float:
    left = deadline.at - time.monotonic()
    if left <= 0:
        raise CheckTooSlow
    return left


@functools.cache
def _compiled(pattern: str) -> Any:  # noqa: ANN401 - the engine's own type
    import regex  # noqa: PLC0415 - most tasks have no pattern, and it takes a tenth of a Lambda's start

    try:
        return regex.compile(pattern)
    except regex.error as problem:
        raise ValueError(f"{pattern[:80]}: {problem}") from None
