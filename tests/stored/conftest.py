"""One synthesized deployment, and worlds that have what an environment had stored at 70254ec."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from local.bedrock_simulator.protocol.service import Request
from tests.faults.__main__ import local_deployment
from tests.faults.world import World
from tests.stacks.templates import Deployment
from tests.stored.snapshot import put_back, stored
from tests.stored.stories import repeatable


@pytest.fixture(scope="session")
def deployment() -> Deployment:
    return local_deployment()


@pytest.fixture
def world(deployment: Deployment) -> Iterator[World]:
    """Give the present code an environment as the code of 70254ec left it."""
    with repeatable(deployment) as (made, ids):
        put_back(made, ids, stored())
        settings = json.dumps({"quotas": {"L-BE77399C": 9}}).encode()  # two champions hold all that the account had
        assert made.aws.simulator.handle(Request("PUT", "/_simulator/settings", "", {}, settings)).status == 200
        yield made
