"""Time for the pauses between model calls: a thousand seconds pass in one."""

from __future__ import annotations

import json
import queue
import threading
import time
import types
from typing import Any

import fastjsonschema

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


_compile: Any = fastjsonschema.compile
_compiled: dict[str, types.FunctionType] = {}


def compiled_once(definition: Any, **how: Any) -> types.FunctionType:
    """Stand for ``fastjsonschema.compile``: a schema is compiled once, and each caller has functions of its own.

    A Lambda compiles its task's schema when it starts; here hundreds of Lambdas start in one process.
    """
    key = json.dumps([definition, how.get("use_default", True)])
    if key not in _compiled:
        _compiled[key] = _compile(definition, **how)
    made = _compiled[key]
    state = {**made.__globals__, "REGEX_PATTERNS": dict(made.__globals__["REGEX_PATTERNS"])}
    for name, value in made.__globals__.items():
        if isinstance(value, types.FunctionType) and name.startswith("validate"):
            state[name] = types.FunctionType(value.__code__, state, name, value.__defaults__)
    own: types.FunctionType = state[made.__name__]
    return own
