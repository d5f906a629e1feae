"""What the workers of one test run make once, together."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Give a folder that the first worker to ask makes, and that the others wait for.

    Parameters
    ----------
    factory : TempPathFactory
        Of the session.
    name : str
        The folder's name, one for one content.
    make : callable
        Fills a folder that it may have to create.
    """
    base = factory.getbasetemp()
    # A worker's own folder lies in that of the whole run.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, unfinished = shared / name, shared / f"{name}.unfinished-{os.getpid()}"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(unfinished)
            unfinished.rename(folder)
    return folder
