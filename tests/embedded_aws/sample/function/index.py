"""The sample's function: does what its event says, with the rights of its role."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import boto3

calls = 0


class SampleError(Exception):
    """What the sample raises when it is told to."""


def handler(event: dict[str, Any], context: Any) -> Any:
    global calls  # noqa: PLW0603 - what a warm worker keeps
    calls += 1
    if event.get("do") == "exit":
        os._exit(3)
    if event.get("do") == "raise":
        raise SampleError(event.get("message", "as ordered"))
    if event.get("do") == "sleep":
        time.sleep(event["seconds"])
    if event.get("do") == "call":
        operation = getattr(boto3.client(event["service"]), event["operation"])
        answer = operation(**event["arguments"])
        return json.loads(json.dumps(answer, default=str))
    if event.get("do") == "describe":
        import layered  # type: ignore[import-not-found]  # noqa: PLC0415 - only where the layer is

        return {
            "arn": context.invoked_function_arn,
            "layer": [layered.GREETING, layered.__file__],
            "environment": dict(os.environ),
            "code": __file__,
            "folder": str(Path.cwd()),
            "path": sys.path,
            "calls": calls,
        }
    return {"event": event}
