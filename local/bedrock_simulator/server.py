"""The HTTP server: the standard library's, one thread a connection, on the loopback address only."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from local.bedrock_simulator.protocol.service import Request
from local.bedrock_simulator.simulator import Simulator

HOST = "127.0.0.1"
# How long closing may take: the standard half second adds up over a test suite.
_POLL_SECONDS = 0.02
_REASONS = {200: "OK", 201: "Created", 202: "Accepted"}


class SimulatorServer:
    """Serves a simulator until it is closed.

    Parameters
    ----------
    simulator : Simulator
        What answers.
    port : int
        0 takes a free port.
    """

    def __init__(self, simulator: Simulator, port: int = 0) -> None:
        handler = type("BoundHandler", (_Handler,), {"simulator": simulator})
        self._simulator = simulator
        self._server = _Server((HOST, port), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="bedrock-simulator", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def start(self) -> SimulatorServer:
        """Serve in a thread of its own."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop serving and end the simulator."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._simulator.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one packet each; without this, Nagle's algorithm holds the second for 40 ms.
    disable_nagle_algorithm = True
    simulator: ClassVar[Simulator]

    def handle(self) -> None:
        """Serve a connection; a client that goes away in the middle is no error of ours."""
        try:
            super().handle()
        except (TimeoutError, ConnectionError):
            self.close_connection = True

    def _exchange(self) -> None:
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        response = self.simulator.handle(Request(self.command, path, query, headers, body))
        reason = _REASONS.get(response.status, "Error")
        head = [f"HTTP/1.1 {response.status} {reason}", f"content-length: {len(response.body)}"]
        head += [f"{name}: {value}" for name, value in response.headers.items()]
        self.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1") + response.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _exchange  # noqa: N815 (names that the standard library calls)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (overrides)
        """Keep quiet: the call log is the record."""
