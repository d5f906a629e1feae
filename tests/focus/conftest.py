"""One month that all tests of this folder read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cli.deployment import Deployment as Place
from tests.faults.__main__ import local_deployment
from tests.faults.world import World
from tests.focus.busy_month import busy_month
from tests.stacks.templates import Deployment


@pytest.fixture(scope="session")
def deployment() -> Deployment:
    return local_deployment()


@pytest.fixture(scope="session")
def month(deployment: Deployment) -> Iterator[tuple[World, Place]]:
    with busy_month(deployment) as played:
        yield played
