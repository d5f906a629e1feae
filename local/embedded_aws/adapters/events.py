"""Events: what the emulator leaves out of them."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

from ministack.services import eventbridge, s3


def s3_events_carry_the_object_version() -> None:
    """Put ``version-id`` into the S3 events on EventBridge.

    A run's identity is bucket, key and version; without the version, every upload to one key looks like the same run.
    The emulator knows the version when it fires the event and drops it on the way to EventBridge.
    """
    stock_fire, stock_dispatch = s3._fire_s3_event, eventbridge._dispatch_event
    version: ContextVar[str | None] = ContextVar("version", default=None)

    def fire(*args: Any, version_id: str | None = None, **kwargs: Any) -> None:
        token = version.set(version_id)
        try:
            stock_fire(*args, version_id=version_id, **kwargs)
        finally:
            version.reset(token)

    def dispatch(event: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        version_id = version.get()
        if event.get("Source") == "aws.s3" and version_id:
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version_id
            event = {**event, "Detail": json.dumps(detail)}
        stock_dispatch(event, *args, **kwargs)

    s3._fire_s3_event, eventbridge._dispatch_event = fire, dispatch
