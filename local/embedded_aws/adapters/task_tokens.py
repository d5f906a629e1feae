"""Tasks that wait for a token."""

from __future__ import annotations

import threading
from typing import Any

from ministack.services import stepfunctions as states


def failing_lambda_fails_its_waiting_task() -> None:
    """Fail a ``waitForTaskToken`` task when its Lambda raises.

    The emulator swallows the exception and waits for a token that nobody has received, until the task's time-out.
    """
    stock_call, stock_wait = states._call_lambda, states._invoke_with_callback
    waiting = threading.local()

    def call_lambda(function: str, event: Any) -> Any:
        try:
            return stock_call(function, event)
        except states._ExecutionError as error:
            task = states._task_tokens.get(getattr(waiting, "token", None))
            if task is not None:
                task["error"] = {"Error": error.error, "Cause": error.cause}
                task["event"].set()
            raise

    def invoke_with_callback(resource: str, arguments: Any, token: str, state: dict[str, Any]) -> Any:
        waiting.token = token
        try:
            return stock_wait(resource, arguments, token, state)
        finally:
            waiting.token = None

    states._call_lambda, states._invoke_with_callback = call_lambda, invoke_with_callback
