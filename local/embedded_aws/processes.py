"""Child processes of the embedded AWS: one process group, which ends as one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_ROOT = Path(__file__).resolve().parents[2]
_TAIL_LINES = 25
# Never through a proxy: these are addresses of this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class EmbeddedAwsError(RuntimeError):
    """The embedded AWS cannot be started, or something in it failed; the message ends with what was logged."""


def tail(text: str) -> str:
    """Keep the last lines of a log, for an error message."""
    return "\n".join(text.strip().splitlines()[-_TAIL_LINES:])


def listening_socket(preferred_port: int) -> socket.socket:
    """Bind a socket on the loopback address, to the preferred port if it is free and to any other if not.

    Parameters
    ----------
    preferred_port : int
        The port that people expect.

    Returns
    -------
    socket.socket
        Bound and listening, to be inherited by the server.
    """
    for port in (preferred_port, 0):
        candidate = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # Without it a port stays unusable for a minute after a run; it does not let two servers share a port.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
            candidate.listen(512)
        except OSError:
            candidate.close()
            if port == 0:
                raise
            continue
        return candidate
    raise AssertionError


class ProcessGroup:
    """Child processes in a group of their own, so that they and their own children can be ended together.

    Parameters
    ----------
    logs : Path
        Folder for one ``<name>.log`` a process.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def pids(self) -> dict[str, int]:
        """Process id by name."""
        return {name: process.pid for name, process in self._processes.items()}

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], *, inherit: Sequence[int] = ()
    ) -> None:
        """Start a child from the project's root; its standard input closes when this process ends.

        Parameters
        ----------
        name : str
            What it is called in messages; its log is ``<name>.log``.
        command : sequence of str
            Program and arguments.
        environment : mapping
            The whole environment of the child.
        inherit : sequence of int
            File descriptors to hand down.
        """
        leader = next(iter(self._processes.values()), None)
        with self.log(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=inherit,
                process_group=leader.pid if leader else 0,
            )

    def log(self, name: str) -> Path:
        """Where a process logs."""
        return self._logs / f"{name}.log"

    def wait_until(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until a process is ready.

        Raises
        ------
        EmbeddedAwsError
            If it ends first, or is not ready in time; with the tail of its log.
        """
        process, deadline = self._processes[name], time.monotonic() + seconds
        while not ready():
            code = process.poll()
            if code is not None:
                self._give_up(name, f"ended with exit code {code} before it was ready")
            if time.monotonic() > deadline:
                self._give_up(name, f"was not ready after {seconds:.0f} s")
            time.sleep(0.02)

    def stop(self, seconds: float = 5.0) -> None:
        """End every process of the group, the children's children too; those that do not listen are killed."""
        if not self._processes:
            return
        group = next(iter(self._processes.values())).pid
        for process in self._processes.values():
            if process.stdin is not None:
                process.stdin.close()
        deadline = time.monotonic() + seconds
        for sign in (signal.SIGTERM, signal.SIGKILL):
            # The group is gone when nobody is left in it, Lambda workers included.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, sign)
                while time.monotonic() < deadline:
                    for process in self._processes.values():
                        process.poll()
                    os.killpg(group, 0)
                    time.sleep(0.02)
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def _give_up(self, name: str, what: str) -> None:
        log = self.log(name)
        message = f"{name} {what}. The end of {log}:\n{tail(log.read_text(errors='replace'))}"
        raise EmbeddedAwsError(message)


def answers(url: str) -> bool:
    """Whether a health check answers with success."""
    try:
        with _opener.open(url, timeout=2) as response:
            return int(response.status) == 200  # noqa: PLR2004 - HTTP's OK
    except (urllib.error.URLError, OSError):
        return False
