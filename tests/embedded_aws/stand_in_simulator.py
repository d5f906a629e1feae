"""The smallest thing that the embedded AWS takes for a Bedrock simulator: it is healthy, and remembers principals."""

from __future__ import annotations

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PRINCIPALS: dict[str, str] = {}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(PRINCIPALS)

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        PRINCIPALS[self.path.rsplit("/", 1)[-1]] = body["arn"]
        self._answer({})

    def _answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("--port", "--aws-endpoint", "--port-file"):
        parser.add_argument(option, required=True)
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", int(options.port)), Handler)
    Path(options.port_file).write_text(str(server.server_port))
    server.serve_forever()
