"""AWS services answered inside this process: a client's requests end at botocore's ``before-send`` event.

The services are the emulator's own code, called without its server: no port, no second process, and a tenth of the time
of a call by HTTP.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Coroutine
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from urllib3.response import HTTPResponse

from local.bedrock_simulator.protocol.service import Request
from local.embedded_aws.lifecycle import REGION

NOWHERE = "http://127.0.0.1:9"
"""Endpoint of every client: a request that nobody here answers must not leave the machine."""

Answer = tuple[int, dict[str, str], bytes]


def session_without_network() -> boto3.Session:
    """Make a session whose clients lead nowhere until somebody listens to ``before-send``."""
    nothing: dict[str, Any] = {"profile": None, "config_file": "/dev/null", "credentials_file": "/dev/null"}
    core = botocore.session.Session(session_vars={name: (None, None, value, None) for name, value in nothing.items()})
    core.set_credentials("test", "test")
    core.get_component("config_store").set_config_variable("endpoint_url", NOWHERE)
    # Nobody here asks who signed; and to say who calls takes a tenth of every call.
    core.set_default_client_config(Config(signature_version=UNSIGNED, user_agent="tests"))
    return boto3.Session(botocore_session=core, region_name=REGION)


def emulated_client(service: str, module: Any) -> Any:
    """Make a client of one service of the emulator.

    Parameters
    ----------
    service : str
        As boto3 names it.
    module : module
        The emulator's service; its state is the process's.
    """
    session, one_at_a_time = session_without_network(), threading.Lock()

    def send(request: Any, **_: Any) -> AWSResponse:
        with one_at_a_time:
            return response(request, emulated(module, received(request)))

    listener: Any = send  # the stubs know handlers without an answer only
    session.events.register(f"before-send.{service}", listener)
    return session.client(service)  # type: ignore[call-overload]


def received(request: Any) -> Request:
    """Read what botocore would have sent."""
    url = urlsplit(request.url)
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    return Request(request.method, url.path, url.query, headers, body.encode() if isinstance(body, str) else body)


def response(request: Any, answer: Answer) -> AWSResponse:
    """Give botocore an answer as if it had come by HTTP."""
    status, headers, body = answer
    raw: Any = HTTPResponse(
        io.BytesIO(body),
        headers,
        status,
        preload_content=False,
        decode_content=False,
        request_method=request.method,
    )
    return AWSResponse(request.url, status, raw.headers, raw)


def emulated(module: Any, request: Request) -> Answer:
    """Let a service of the emulator answer."""
    query = parse_qs(request.query, keep_blank_values=True)
    handled = module.handle_request(request.method, unquote(request.path), dict(request.headers), request.body, query)
    status, answered, content = _at_once(handled)
    if not isinstance(content, bytes):
        content = content.encode() if isinstance(content, str) else b"".join(content)
    return status, {name.lower(): str(value) for name, value in answered.items()}, content


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing without the cost of a loop."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    raise AssertionError("the emulator waits for something that only its server can give")
