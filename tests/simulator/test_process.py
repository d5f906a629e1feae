"""The simulator as a process of its own, as the embedded AWS starts it."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.bedrock_simulator.control import SimulatorControl
from tests.simulator.conftest import make_client

ROOT = Path(__file__).parents[2]
NOBODY = "http://127.0.0.1:9"


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "local.bedrock_simulator", "--aws-endpoint", NOBODY, *options]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rules", "no.such.module"], "No module named"),
        (["--rules", "json"], "needs a function answer"),
        (["--settings", '{"speed": 1}'], "has no 'speed'"),
        (["--settings", "{"], "Expecting"),
    ],
)
def test_what_it_cannot_start_with_is_a_usage_error(options: list[str], said: str) -> None:
    # Given / When
    done = subprocess.run(  # noqa: S603
        command(*options), cwd=ROOT, capture_output=True, text=True, check=False
    )

    # Then
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_answers_and_ends_on_a_signal(tmp_path: Path, sign: signal.Signals) -> None:
    # Given a simulator on a free port, with the toy rules
    port_file = tmp_path / "port"
    options = ["--port", "0", "--port-file", str(port_file), "--rules", "tests.simulator.toy"]
    process = subprocess.Popen(command(*options), cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        deadline = time.monotonic() + 30
        while not port_file.exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        url = f"http://127.0.0.1:{port_file.read_text()}"

        # When it is asked
        runtime = make_client(url, "bedrock-runtime")
        messages = [{"role": "user", "content": [{"text": "guitar song"}]}]
        answer = runtime.converse(modelId="amazon.nova-pro-v1:0", messages=messages)

        # Then the teacher follows the rules
        assert '"audio":0.7' in answer["output"]["message"]["content"][0]["text"]
        assert [call.operation for call in SimulatorControl(url).calls()] == ["Converse"]

        # And a signal ends it, one that comes while it accepts connections too
        with ThreadPoolExecutor() as clients, contextlib.ExitStack() as otherwise:
            otherwise.callback(process.kill)
            clients.submit(_connect_until_refused, int(port_file.read_text()))
            time.sleep(0.1)
            process.send_signal(sign)
            assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def _connect_until_refused(port: int) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            socket.create_connection(("127.0.0.1", port)).close()
