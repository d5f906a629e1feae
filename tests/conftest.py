"""How the tests are shared between the workers of ``make test``, and the synthesis that many of them read.

Each module stays on one worker, and what takes longest begins first (decision 0110).
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from tests.workers import FOLDER_OF_THE_RUN, folder_of_the_run

if TYPE_CHECKING:
    from tests.stacks.templates import Deployment

# How long an example takes says nothing on a machine that does other work at the same time.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

# Modules and collected tests stay to the end, and most of what a test leaves has no cycles: to look for garbage as
# often as Python does takes a fifth of the time.
gc.set_threshold(50_000, 20, 20)

ROOT = Path(__file__).resolve().parent
LONGEST_FIRST = ("end_to_end", "stacks/test_two_clones.py", "faults", "least_privilege", "stacks", "simulator")
"""Beginnings of paths whose modules take longest; a worker that gets one of them last would make the others wait."""
TOGETHER = ("tests/focus/",)
"""Folders whose modules stay on one worker as well: they read one month, which takes half a minute to play."""
MOST_WORKERS = 8


def pytest_xdist_auto_num_workers() -> int:
    """Two workers a processor: a test on the embedded AWS waits half of its time."""
    return min(2 * len(os.sched_getaffinity(0)), MOST_WORKERS)


class _ModulesAndFolders(LoadFileScheduling):  # type: ignore[misc]
    """What ``--dist loadfile`` does, with the folders of :data:`TOGETHER` as if each were one module."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), str(super()._split_scope(nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Keep together what shares an expensive fixture."""
    return _ModulesAndFolders(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; ``--dist loadfile`` keeps the tests of a module together."""
    items.sort(key=_place)


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over what has been imported and collected."""
    gc.collect()
    gc.freeze()


def _module(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT).as_posix()


def _place(item: pytest.Item) -> int:
    module = _module(item)
    return next((place for place, start in enumerate(LONGEST_FIRST) if module.startswith(start)), len(LONGEST_FIRST))


@pytest.fixture(scope="session", autouse=True)
def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    FOLDER_OF_THE_RUN[:] = [folder_of_the_run(tmp_path_factory)]


@pytest.fixture(scope="session")
def deployment() -> Deployment:
    """The environment ``dev`` with the settings that ``cdk.json`` has, without template validator and layer."""
    from tests.stacks.templates import shared_deployment  # noqa: PLC0415 - only these tests need aws_cdk, which loads Node

    return shared_deployment("dev", {})
