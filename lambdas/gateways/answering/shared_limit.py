"""A limit of calls that several threads of one process keep together."""

from __future__ import annotations

import threading
import time

from lambdas.domain.questions.concurrency_limit import CallLimit, Started


class SharedLimit:
    """A :class:`CallLimit` with a lock and a clock; see there for what the methods mean.

    Parameters
    ----------
    limit : CallLimit
    """

    def __init__(self, limit: CallLimit) -> None:
        self._limit, self._lock = limit, threading.Lock()

    @property
    def most(self) -> int:
        """Never more at once than this."""
        return self._limit.most

    @property
    def streak(self) -> int:
        """Drops since the last answer."""
        return self._limit.streak

    def delay(self) -> float:
        """Give the seconds until a call may start; infinite while it must wait for another call's end."""
        with self._lock:
            return self._limit.delay(time.monotonic())

    def start(self) -> Started | None:
        """Count a call that begins, unless another thread took the place since :meth:`delay` was asked."""
        with self._lock:
            now = time.monotonic()
            return None if self._limit.delay(now) > 0 else self._limit.start(now)

    def answered(self, call: Started, seconds: float) -> None:
        """Count an answered call."""
        with self._lock:
            self._limit.answered(call, seconds)

    def ended(self) -> None:
        """Count a call that says nothing about the quota."""
        with self._lock:
            self._limit.ended()

    def throttled(self, call: Started, retry_after: float | None) -> None:
        """Count a throttled call."""
        with self._lock:
            self._limit.throttled(call, time.monotonic(), retry_after)


class Limits:
    """The limit of each model, shared by everything in one process and kept while its Lambda stays warm.

    Parameters
    ----------
    most : int
        Upper bound of the calls in progress at one model.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limits: dict[str, SharedLimit] = {}

    def of(self, model: str, most: int | None = None) -> SharedLimit:
        """Give the limit of a model; ``most`` bounds it further where it is met for the first time."""
        return self._limits.setdefault(model, SharedLimit(CallLimit(min(self._most, most or self._most))))
