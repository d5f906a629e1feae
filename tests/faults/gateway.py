"""A gateway on a real socket in front of Bedrock, which now and then answers for itself what no service model lists.

Load balancers answer a bare page, front ends ``InternalFailure`` or ``Throttling`` with nothing more. What botocore
makes of that is part of what is tried: so requests leave this process by HTTP and come back to its own simulator.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from local.bedrock_simulator.protocol.service import Request
from tests.faults.world import World
from tests.in_process import Answer

_WORD = re.compile(r"[a-z]+(-[a-z]+)*", re.IGNORECASE)

BEHIND_GATEWAY = ("bedrock", "bedrock-runtime")
CONTROL_TRIES = 5
"""Requests that botocore sends for one call to the control plane (``lambdas.gateways.aws.clients``)."""

_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502</h1></center></body>\r\n</html>"
)
_OTHER_PAGE = b"<!DOCTYPE html><html><body>upstream connect error</body></html>"

TRIED_AGAIN = (500, 502, 503, 504)
"""Statuses that botocore's standard mode tries again by whatever name."""

BARE: dict[str, Answer] = {
    "a bare 502 page": (502, {"content-type": "text/html"}, _PAGE),
    "another gateway's 503 page": (503, {"content-type": "text/html"}, _OTHER_PAGE),
    "an empty 504": (504, {}, b""),
    "InternalFailure": (500, {"x-amzn-errortype": "InternalFailure"}, b'{"message": null}'),
    "Throttling with 400": (400, {"x-amzn-errortype": "Throttling"}, b'{"message": "Rate exceeded"}'),
    "a bare 429": (429, {"content-type": "text/plain"}, b"slow down"),
    "a bare 408": (408, {}, b""),
    "a refusal's name with 503": (503, {"x-amzn-errortype": "ResourceNotFoundException"}, b'{"message": "no backend"}'),
    "a validation's name with 500": (500, {"x-amzn-errortype": "ValidationException"}, b'{"message": "internal"}'),
}
"""What comes instead of an answer, by what it is."""


@dataclass
class Gateway:
    """Answers the first call of every operation in every Lambda for itself, until botocore's own tries are over.

    Those statuses that botocore does not try again are answered once.
    """

    world: World
    bare: Answer
    struck: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request) -> Answer:
        """Answer for itself, or let the request through."""
        asked = self.world.running, operation(request)
        runtime = request.path.startswith("/model/")
        with self._lock:
            if self.struck[asked] < (CONTROL_TRIES if self.bare[0] in TRIED_AGAIN and not runtime else 1):
                self.struck[asked] += 1
                return self.bare
        return through(self.world, request)


def through(world: World, request: Request) -> Answer:
    """Let a request through to the simulator."""
    response = world.aws.simulator.handle(request)
    return response.status, dict(response.headers), response.body


def operation(request: Request) -> str:
    """Name what is asked for: method and the parts of the path that are no names of things."""
    parts = [part for part in request.path.split("/") if _WORD.fullmatch(part)]
    return f"{request.method} {'/'.join(parts)}"


@contextmanager
def gateway(world: World, bare: Answer) -> Iterator[Gateway]:
    """Put a gateway in front of the world's Bedrock that answers first calls with a bare error."""
    before = Gateway(world, bare)
    with in_front(world, before.answer):
        yield before


@contextmanager
def in_front(world: World, answer: Callable[[Request], Answer]) -> Iterator[None]:
    """Send the requests to the world's Bedrock through a real socket to whoever answers them."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            url = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answered, content = answer(Request(self.command, url.path, url.query, headers, body))
            self.send_response(status)
            for name, value in answered.items():
                if name.lower() != "content-length":
                    self.send_header(name, str(value))
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815 - the base class looks for them

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    world.aws.beyond = dict.fromkeys(BEHIND_GATEWAY, f"http://127.0.0.1:{server.server_port}")
    try:
        yield
    finally:
        world.aws.beyond = {}
        server.shutdown()
        server.server_close()
        thread.join()
