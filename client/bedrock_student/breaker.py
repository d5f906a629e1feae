"""What keeps a failing model from being asked again and again, and escalations from becoming the rule."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable

IN_A_ROW = 3
"""Failures in a row that open a breaker: with eight threads at most ten calls are lost before it is open."""

WINDOW, LEAST, FAILING = 20, 10, 0.5
"""It opens too where this share of the last calls failed, from the least number of them on."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 10.0
"""Seconds until the first probe, doubled after each that fails: a recovery is seen within the longest of them."""

PROBE_SECONDS = 90.0
"""After these a probe that nobody heard of again, because its thread died or was frozen, does not count any more."""


class Breaker:
    """Closed, then open after failures, then one probe at a time until one succeeds.

    Parameters
    ----------
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._last: deque[bool] = deque(maxlen=WINDOW)
        self._row = self._opened = self._ticket = self._probe = 0
        self._until = self._probing_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it has opened and no probe has succeeded since."""
        return self._opened > 0

    def ticket(self) -> int | None:
        """Give a ticket for one call, or ``None`` where none may be made now; :meth:`record` takes it back."""
        with self._lock:
            now = self._clock()
            if self._opened:
                if now < self._until or now < self._probing_until:
                    return None
                self._probing_until = now + PROBE_SECONDS
            self._ticket += 1
            self._probe = self._ticket if self._opened else 0
            return self._ticket

    def record(self, ticket: int, *, ok: bool | None) -> None:
        """Note how a call went; ``None`` where it says nothing about the service, such as a wrong request."""
        with self._lock:
            if self._opened:
                if ticket == self._probe:  # what was asked before it opened says nothing new
                    self._probing_until = 0.0
                    self._probed(ok=ok)
                return
            if ok is None:
                return
            self._last.append(ok)
            self._row = 0 if ok else self._row + 1
            failed = self._last.count(False)
            if self._row >= IN_A_ROW or (not ok and len(self._last) >= LEAST and failed >= FAILING * len(self._last)):
                self._open()

    def _probed(self, *, ok: bool | None) -> None:
        if ok:
            self._opened = self._row = 0
            self._last.clear()
        elif ok is False:
            self._open()

    def _open(self) -> None:
        self._opened += 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._opened - 1, 10))
        self._until = self._clock() + pause * random.uniform(0.8, 1.0)  # noqa: S311 - no secret


class Budget:
    """At most a share of the last answers may be escalated, for each kind of reason its own.

    Parameters
    ----------
    size : int
        Answers that are looked back on.
    least : int
        As many are counted from the beginning on, so that a first answer may be escalated.
    """

    def __init__(self, size: int = 1000, least: int = 50) -> None:
        self._lock, self._size, self._least = threading.Lock(), size, least
        self._last: deque[str | None] = deque()
        self._counts: dict[str | None, int] = {}

    def take(self, kind: str, share: float) -> bool:
        """Tell whether one more answer may be escalated, ``share`` being from 0 to 1, and count it either way."""
        with self._lock:
            room = share * max(len(self._last), self._least)
            allowed = share >= 1.0 or self._counts.get(kind, 0) + 1 <= room
            self._note(kind if allowed else None)
            return allowed

    def pass_by(self) -> None:
        """Count an answer that was not escalated."""
        with self._lock:
            self._note(None)

    def _note(self, kind: str | None) -> None:
        self._last.append(kind)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if len(self._last) > self._size:
            self._counts[self._last.popleft()] -= 1
