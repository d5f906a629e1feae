from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.errors import UNKNOWN_RUN, CliError
from cli.run_ids import newest_runs, resolve
from lambdas.gateways.registry.runs import Registry, run_key
from lambdas.gateways.registry.table import Table
from lambdas.workflow.stage import iso
from tests.unit.cli.conftest import FakeAws, make_run


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("c", "No run is called or begins with 'c'"), ("a", "is the beginning of 2 runs: a-1, a-2"), ("", "No run")],
)
def test_what_fits_no_run_or_several(aws: FakeAws, wanted: str, said: str) -> None:
    # Given
    if wanted:
        aws.run_in_registry(None)
    aws.runs_in_registry(make_run("a-1"), make_run("a-2", state="QUEUED"), make_run("b-1"))
    # When
    with pytest.raises(CliError, match=said) as caught:
        resolve(aws.deployment().registry, wanted)
    # Then
    assert caught.value.exit_code == UNKNOWN_RUN


def test_latest_without_any_run(aws: FakeAws) -> None:
    # Given
    aws.runs_in_registry()
    # When / Then
    with pytest.raises(CliError, match="There is no run yet"):
        resolve(aws.deployment().registry, "latest")


def test_a_whole_id_that_is_also_the_beginning_of_another(aws: FakeAws) -> None:
    # Given
    aws.run_in_registry(make_run("a-1"))
    # When
    run = resolve(aws.deployment().registry, "a-1")
    # Then
    assert run.run_id == "a-1"


def test_latest_is_the_newest_in_any_state(aws: FakeAws) -> None:
    # Given
    old = make_run("a-1", created_at="2026-11-24T08:00:00.000Z")
    new = make_run("a-2", created_at="2026-11-24T08:00:01.000Z", state="ENDED", outcome="FAILED")
    aws.runs_in_registry(new, old)
    # When / Then
    assert resolve(aws.deployment().registry, "latest").run_id == "a-2"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(st.text("ab-1", min_size=1, max_size=6), min_size=1, max_size=6),
    wanted=st.text("ab-1", min_size=1, max_size=4),
)
def test_a_prefix_finds_a_run_exactly_when_one_fits(aws: FakeAws, names: set[str], wanted: str) -> None:
    # Given
    exact = wanted in names
    aws.run_in_registry(make_run(wanted) if exact else None)
    if not exact:
        aws.runs_in_registry(*(make_run(name) for name in names))
    fitting = [wanted] if exact else [name for name in names if name.startswith(wanted)]
    # When / Then
    if len(fitting) == 1:
        assert resolve(aws.deployment().registry, wanted).run_id == fitting[0]
    else:
        with pytest.raises(CliError):
            resolve(aws.deployment().registry, wanted)


def test_the_newest_of_a_thousand_runs_take_one_query_a_state(dynamodb: Any, table: Table) -> None:
    # Given runs of which each tenth was created long before it ended, as one that waited for an approval
    registry = Registry(table)
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(1_000):
        created = begun + timedelta(minutes=number)
        ended_at = created + timedelta(hours=10 if number % 10 == 0 else 1)
        item = make_run(f"video-{number:04d}", created_at=iso(created), state="ENDED", outcome="FAILED")
        table.put({**item, **run_key(f"video-{number:04d}"), "state_group": "RUN#ENDED", "since": iso(ended_at)})
    queries: list[Any] = []
    dynamodb.meta.events.register("before-call.dynamodb.Query", lambda **call: queries.append(call))
    # When
    found = newest_runs(registry, 20)
    # Then
    assert [run.run_id for run in found] == [f"video-{number:04d}" for number in range(999, 979, -1)]
    assert len(queries) <= 3


def test_what_ended_late_does_not_hide_what_was_created_late(table: Table) -> None:
    # Given more runs that ended a moment ago than one query reads, and before them a run that is newer than they
    for number in range(400):
        item = make_run(f"old-{number:03d}", created_at="2026-01-01T00:00:00.000Z", state="ENDED", outcome="FAILED")
        since = f"2026-03-01T00:00:00.{number:03d}Z"
        table.put({**item, **run_key(f"old-{number:03d}"), "state_group": "RUN#ENDED", "since": since})
    item = make_run("new-1", created_at="2026-02-01T00:00:00.000Z", state="ENDED", outcome="FAILED")
    table.put({**item, **run_key("new-1"), "state_group": "RUN#ENDED", "since": "2026-02-02T00:00:00.000Z"})
    # When, Then
    assert resolve(Registry(table), "latest").run_id == "new-1"
