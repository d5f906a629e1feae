"""Time for the pauses between model calls: a thousand seconds pass in one."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

PACE = 1000.0

_sleep = time.sleep


def without_pause(seconds: float) -> None:
    """Stand for ``time.sleep``: what works for a run does not pause.

    What looks after the emulator in the background does, as a daemon: a loop that is never to pause takes a processor.
    """
    if threading.current_thread().daemon:
        _sleep(seconds)


class FastTime:
    """Stands for the module ``time`` where pauses are measured."""

    @staticmethod
    def monotonic() -> float:
        return time.monotonic() * PACE


class _Queue:
    """A queue whose waiting is in fast seconds."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.put = self._queue.put

    def get(self, timeout: float | None = None) -> Any:
        return self._queue.get(timeout=None if timeout is None else timeout / PACE)


class FastQueues:
    """Stands for the module ``queue`` beside :class:`FastTime`."""

    SimpleQueue = _Queue
    Empty = queue.Empty
