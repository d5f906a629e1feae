"""One embedded AWS for all end-to-end tests; the Bedrock simulator is told anew by each test that needs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.embedded_aws.deploy import ENVIRONMENTS, deployed, synthesize
from tests.end_to_end.account import Account

LOG_SOURCE = {"bucket": "team-invocation-logs", "prefix": "app"}
"""Where the account of the tests has its production traffic; the tests that need it make the bucket."""

SIMULATOR = {
    "quotas": {"L-BE77399C": 50},
    "durations": {"job": 1.0, "deployment": 0.3, "throughput": 0.3, "update": 0.3, "stop": 0.1},
}


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cloud assembly of the present code."""
    folder = tmp_path_factory.mktemp("assembly") / "cdk.out"
    environments = json.loads(ENVIRONMENTS.read_text())
    for settings in environments.values():
        settings["log_sources"] = [LOG_SOURCE]
    synthesize(folder, context={"environments": json.dumps(environments)})
    return folder


@pytest.fixture(scope="session")
def embedded(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    workdir = tmp_path_factory.mktemp("embedded-aws")
    with deployed(workdir, assembly=assembly, simulator_settings=SIMULATOR) as aws:
        yield Account(aws)


@pytest.fixture
def account(embedded: Account) -> Iterator[Account]:
    """Give the account with a simulator that holds no faults."""
    yield embedded
    embedded.simulator.withdraw()
    embedded.simulator.change(label_semantics="regenerate")
