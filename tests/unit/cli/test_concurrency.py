"""A small account is told what fits into it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.concurrency import fit, lambdas_at_once, largest_fit
from cli.doctor import LAMBDAS, OK, WARNING, examine
from lambdas.domain.task.settings import Settings
from tests.unit.cli.conftest import FakeAws
from tests.unit.cli.test_reap_doctor_teardown import identity


def of(max_running: int, shards_at_once: int) -> Settings:
    return Settings.from_mapping({"max_running": max_running, "shards_at_once": shards_at_once})


def test_a_new_account_with_ten_is_told_what_to_set_or_to_ask_for() -> None:
    # Given the defaults, which may take 2 x 4 + 4
    said = fit(Settings.from_mapping({}), 10)
    # Then
    assert not said.fits
    assert "10 at once" in said.found
    assert "may take 12" in said.found
    assert "'max_running' to 2 and 'shards_at_once' to 3" in said.fix
    assert "L-B99A9384" in said.fix


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 200))
def test_what_is_advised_fits_and_nothing_larger_does(max_running: int, shards: int, limit: int) -> None:
    # Given
    settings = of(max_running, shards)
    pairs = [(runs, many) for runs in range(1, max_running + 1) for many in range(1, shards + 1)]
    fitting = [pair for pair in pairs if pair[0] * pair[1] + 4 <= limit]
    # When
    advised = largest_fit(settings, limit)
    # Then
    assert advised[0] * advised[1] == max((runs * many for runs, many in fitting), default=1)
    assert fit(settings, limit).fits is ((max_running, shards) in fitting)
    if fitting:
        assert lambdas_at_once(of(*advised)) <= limit


@pytest.mark.parametrize(("limit", "state"), [(1000, OK), (10, WARNING)])
def test_doctor_reads_the_account_s_limit(aws: FakeAws, limit: int, state: str) -> None:
    # Given
    identity(aws)
    deployed = {"PIPELINE_SETTINGS": Settings.from_mapping({}).to_json()}
    stub = aws.stub("lambda")
    stub.add_response(
        "get_function_configuration", {"Environment": {"Variables": deployed}}, {"FunctionName": "start-run"}
    )
    account = {"AccountLimit": {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit}}
    stub.add_response("get_account_settings", account)
    for service, operation in (("bedrock", "get_foundation_model"), ("service-quotas", "get_service_quota")):
        for _ in range(12):
            aws.stub(service).add_client_error(operation, "AccessDeniedException")
    # When
    looks = examine(aws.deployment())
    found = next(check for check in looks if check.name == LAMBDAS)
    # Then
    assert found.state == state
    assert json.dumps(found.found).count("at once in this account") == 1
    aws.stubs.clear()
