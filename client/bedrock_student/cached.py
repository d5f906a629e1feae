"""A value that is read again in the background, and given on while its source is out of reach."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def _clocks() -> tuple[float, float]:
    """Give both clocks: while a Lambda is frozen the monotonic one may stop, and the other may be set back."""
    return time.monotonic(), time.time()


class Cached(Generic[T]):
    """What ``read`` gave last.

    Parameters
    ----------
    read : callable
        Reads the value; may raise.
    ttl : float
        Seconds after which it is read again in the background, give or take a tenth, so that many processes do not
        read at once.
    stale : float
        Seconds for which it is given on where it cannot be read again.
    pause : float
        Seconds between two tries to read what cannot be read.
    clocks : callable
        Gives seconds of several clocks; the one that ran furthest counts.
    """

    def __init__(
        self,
        read: Callable[[], T],
        *,
        ttl: float = 60.0,
        stale: float = 3000.0,
        pause: float = 5.0,
        clocks: Callable[[], tuple[float, ...]] = _clocks,
    ) -> None:
        self._read, self._ttl, self._stale, self._pause, self._clocks = read, ttl, stale, pause, clocks
        self._order = itertools.count()
        # Value, when it was asked for, its own time to live, and its place in the order of reads.
        self._kept: tuple[T, tuple[float, ...], float, int] | None = None
        self._failed: tuple[tuple[float, ...], Exception] | None = None
        self.reads = 0
        self.after_fork()

    def after_fork(self) -> None:
        """Make the locks anew: a thread that held one does not live in the child."""
        self._waiting, self._refreshing, self._keeping = threading.Lock(), threading.Lock(), threading.Lock()

    def get(self) -> T:
        """Give the value: at once where one is known, even if it is stale.

        Raises
        ------
        Exception
            What ``read`` raises, where no value is known or it has been out of reach for too long.
        """
        if self._kept is not None:
            value, at, ttl, _ = self._kept
            age = self._since(at)
            if age < ttl:
                return value
            if age < self._stale:
                if not self._paused() and self._refreshing.acquire(blocking=False):
                    threading.Thread(target=self._refresh, args=(self._refreshing,), daemon=True).start()
                return value
        with self._waiting:
            if self._kept is not None and self._since(self._kept[1]) < self._kept[2]:
                return self._kept[0]
            if self._failed is not None and self._paused():
                raise self._failed[1]
            return self.reread()

    def reread(self) -> T:
        """Read the value now; what was known stays where that fails, or where somebody has asked for it since."""
        asked, order = self._clocks(), next(self._order)  # a Lambda may be frozen for hours before the answer is seen
        try:
            value = self._read()
        except Exception as problem:
            self._failed = (self._clocks(), problem)
            raise
        ttl = self._ttl * random.uniform(0.9, 1.1)  # noqa: S311 - no secret
        with self._keeping:
            self.reads, self._failed = self.reads + 1, None
            if self._kept is None or self._kept[3] < order:
                self._kept = (value, asked, ttl, order)
            return self._kept[0]

    def _refresh(self, held: threading.Lock) -> None:
        try:
            self.reread()
        except Exception:  # noqa: BLE001 - the value that is known is given on
            return
        finally:
            held.release()

    def _paused(self) -> bool:
        return self._failed is not None and self._since(self._failed[0]) < self._pause

    def _since(self, then: tuple[float, ...]) -> float:
        return max(now - before for now, before in zip(self._clocks(), then, strict=True))
