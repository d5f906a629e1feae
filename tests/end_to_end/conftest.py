"""One embedded AWS for all end-to-end tests; the Bedrock simulator is told anew by each test that needs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.embedded_aws.deploy import deployed, local_context, synthesize
from tests.end_to_end.account import Account
from tests.workers import folder_of_the_run, made_once

LOG_SOURCE = {"bucket": "team-invocation-logs", "prefix": "app"}
"""Where the account of the tests has its production traffic; the tests that need it make the bucket."""

SIMULATOR = {
    "quotas": {"L-BE77399C": 50},
    "durations": {"job": 0.3, "deployment": 0.1, "throughput": 0.1, "update": 0.1, "stop": 0.05, "batch": 0.1},
}
WAIT_SCALE = 0.001
"""A teacher's batch is looked at every ten minutes: at the usual hundredth a run waited six seconds of its ten."""


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cloud assembly of the present code, made once for all workers."""
    context = local_context({"log_sources": [LOG_SOURCE]})
    return made_once(
        folder_of_the_run(tmp_path_factory), "assembly", lambda folder: synthesize(folder, context=context)
    )


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory, assembly: Path) -> Iterator[Account]:
    workdir = tmp_path_factory.mktemp("embedded-aws")
    with deployed(workdir, assembly=assembly, wait_scale=WAIT_SCALE, simulator_settings=SIMULATOR) as aws:
        yield Account(aws)


@pytest.fixture
def account(embedded: Account) -> Iterator[Account]:
    """Give the account with a simulator that holds no faults."""
    yield embedded
    embedded.simulator.withdraw()
    embedded.simulator.change(label_semantics="regenerate")
