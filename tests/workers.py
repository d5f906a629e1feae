"""What the workers of one test run make once, together."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER_OF_THE_RUN: list[Path] = []
"""The temporary folder that all workers of a run share; empty where no tests are run."""


def folder_of_the_run(factory: pytest.TempPathFactory) -> Path:
    """Give the temporary folder that all workers of a run share."""
    base = factory.getbasetemp()
    # A worker's own folder lies in that of the whole run.
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def made_once(shared: Path, name: str, make: Callable[[Path], object]) -> Path:
    """Give a folder that the first worker to ask makes, and that the others wait for.

    Parameters
    ----------
    shared : Path
        Folder of the whole run, as :func:`folder_of_the_run` gives it.
    name : str
        The folder's name, one for one content.
    make : callable
        Fills a folder that it may have to create.
    """
    folder, unfinished = shared / name, shared / f"{name}.unfinished-{os.getpid()}"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(unfinished)
            unfinished.rename(folder)
    return folder
