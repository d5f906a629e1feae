"""Processes of Lambda functions."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any

from ministack.core import lambda_runtime

from local.embedded_aws import lambda_worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_context = multiprocessing.get_context("forkserver")


def python_workers_are_copied() -> None:
    """Begin each Python worker as a copy of a process that has imported the layer's packages.

    Each would import the whole of boto3 again. Only what is installed is shared, at the layer's versions: environment,
    credentials, deployed code and everything that a handler does belong to one worker, as before.
    """
    _context.set_forkserver_preload(["local.embedded_aws.lambda_packages", lambda_worker.__name__])
    lambda_runtime.subprocess = _CopyingSubprocess()


class _CopyingSubprocess:
    """The module ``subprocess`` with another ``Popen`` for workers."""

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, command: Sequence[str], **options: Any) -> CopiedProcess | subprocess.Popen[str]:  # noqa: N802
        """Start a process."""
        if command[0] == sys.executable and command[1].endswith("_worker.py"):
            return CopiedProcess(command[1], options["cwd"], options["env"])
        return subprocess.Popen(command, **options)


class CopiedProcess:
    """A worker with the methods of :class:`subprocess.Popen` that the emulator uses.

    Parameters
    ----------
    script, folder, environment
        As :func:`lambda_worker.run`.
    """

    def __init__(self, script: str, folder: str, environment: Mapping[str, str]) -> None:
        its_input, to_it = _context.Pipe(duplex=False)
        from_it, its_output = _context.Pipe(duplex=False)
        errors, its_errors = _context.Pipe(duplex=False)
        streams = (its_input, its_output, its_errors)
        self._process = _context.Process(
            target=lambda_worker.run, args=(script, folder, dict(environment), streams), daemon=True
        )
        self._process.start()
        for stream in streams:
            stream.close()
        self.stdin: IO[str] = os.fdopen(os.dup(to_it.fileno()), "w", buffering=1, encoding="utf-8")
        self.stdout: IO[str] = os.fdopen(os.dup(from_it.fileno()), encoding="utf-8")
        self.stderr: IO[str] = os.fdopen(os.dup(errors.fileno()), encoding="utf-8")
        for end in (to_it, from_it, errors):
            end.close()

    def poll(self) -> int | None:
        """Give the exit code, ``None`` while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end.

        Raises
        ------
        subprocess.TimeoutExpired
            If it still runs after ``timeout`` seconds.
        """
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("Lambda worker", timeout or 0.0)
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it."""
        self._process.kill()
