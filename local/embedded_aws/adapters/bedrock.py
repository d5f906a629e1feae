"""Bedrock: the emulator has a mock of its own, which would answer where a client does not know the simulator."""

from __future__ import annotations

import importlib
import json
from typing import Any

_SERVICES = ("bedrock", "bedrock_runtime", "bedrock_agent", "bedrock_agent_runtime", "bedrock_agentcore")
_STATUS = 400
_ERROR = "ValidationException"
REFUSAL = (
    "This emulator answers no Bedrock call, since its answer would be a mock: send it to the Bedrock simulator. Set "
    "AWS_ENDPOINT_URL_BEDROCK and AWS_ENDPOINT_URL_BEDROCK_RUNTIME to the address 'simulator' of embedded-aws.json."
)


def bedrock_calls_are_refused() -> None:
    """Refuse every Bedrock call with where it belongs, instead of answering it with a mock text.

    A missing endpoint variable would otherwise give answers that look like a model's.
    """
    body = json.dumps({"__type": _ERROR, "message": REFUSAL}).encode()
    headers = {"Content-Type": "application/json", "x-amzn-errortype": _ERROR}

    async def handle_request(*_request: Any) -> tuple[int, dict[str, str], bytes]:
        return _STATUS, headers, body

    for name in _SERVICES:
        importlib.import_module(f"ministack.services.{name}").handle_request = handle_request  # type: ignore[attr-defined]
