"""One embedded AWS for all end-to-end tests; the Bedrock simulator is told anew by each test that needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.embedded_aws.deploy import deployed
from tests.end_to_end.account import Account

SIMULATOR = {
    "quotas": {"L-BE77399C": 50},
    "durations": {"job": 1.0, "deployment": 0.3, "throughput": 0.3, "update": 0.3, "stop": 0.1},
}


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with deployed(tmp_path_factory.mktemp("embedded-aws"), simulator_settings=SIMULATOR) as aws:
        yield Account(aws)


@pytest.fixture
def account(embedded: Account) -> Iterator[Account]:
    """Give the account with a simulator that holds no faults."""
    yield embedded
    embedded.simulator.withdraw()
    embedded.simulator.change(label_semantics="regenerate")
