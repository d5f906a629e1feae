"""A process that was copied from one which has imported the layer's packages, and becomes a Lambda's worker."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.connection import Connection

SHARED_CODE = "shared_code"
"""File in the folder of a worker's code that names the folder in which the code lies."""


def run(script: str, folder: str, environment: Mapping[str, str], streams: Sequence[Connection]) -> None:
    """Become a process that runs a script, in a process that was copied for it.

    Parameters
    ----------
    script : str
        Path of the script.
    folder : str
        The code, or :data:`SHARED_CODE` alone.
    environment : mapping of str to str
        All environment variables.
    streams : sequence of Connection
        Standard input, output and error.
    """
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    shared = Path(folder, SHARED_CODE)
    code = shared.read_text(encoding="utf-8") if shared.exists() else folder
    os.environ.clear()
    os.environ.update(environment, LAMBDA_TASK_ROOT=code)
    os.chdir(code)
    # As a process of its own would have it: what is installed, not this repository.
    roots = (Path(sys.prefix), Path(sys.base_prefix))
    installed = [path for path in sys.path if any(Path(path).is_relative_to(root) for root in roots)]
    sys.argv, sys.path[:] = [script], [code, *installed]
    runpy.run_path(script, run_name="__main__")
