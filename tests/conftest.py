"""How the tests are shared between the workers of ``make test``, and the synthesis that many of them read.

Each module stays on one worker, and what takes longest begins first (decision 0110).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.stacks.templates import Deployment

# How long an example takes says nothing on a machine that does other work at the same time.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parent
LONGEST_FIRST = ("end_to_end", "stacks/test_two_clones.py", "faults", "least_privilege", "stacks", "simulator")
"""Beginnings of paths whose modules take longest; a worker that gets one of them last would make the others wait."""
MOST_WORKERS = 6


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are processors: a test on the embedded AWS waits half of its time."""
    return min(len(os.sched_getaffinity(0)) + 1, MOST_WORKERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; ``--dist loadfile`` keeps the tests of a module together."""
    items.sort(key=_place)


def _module(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT).as_posix()


def _place(item: pytest.Item) -> int:
    module = _module(item)
    return next((place for place, start in enumerate(LONGEST_FIRST) if module.startswith(start)), len(LONGEST_FIRST))


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The environment ``dev`` with the settings that ``cdk.json`` has, without template validator and layer."""
    from tests.stacks.templates import synthesize  # noqa: PLC0415 - only these tests need aws_cdk, which loads Node

    folder: Path = tmp_path_factory.mktemp("assembly")
    return synthesize({"dev": {}}, folder)["dev"]
