from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.errors import UNKNOWN_RUN, CliError
from cli.forget import MOST_COUNTED, other_runs
from cli.run_ids import newest_runs, resolve
from lambdas.gateways.registry.items import to_values
from lambdas.gateways.registry.runs import Registry, run_key
from lambdas.gateways.registry.table import Table
from lambdas.workflow.stage import iso
from tests.unit.cli.conftest import FakeAws, make_run
from tests.unit.gateways.registry.embedded_table import NUMBERS, create_registry


def write(table: Table, run: dict[str, Any], *, listed: bool = True) -> None:
    """Write a run into the registry, as this version does or as one before 0.2.0 did."""
    state, since = run["state"], run.get("ended_at") or run["created_at"]
    table.put({**run, **run_key(run["run_id"]), "state_group": f"RUN#{state}", "since": since})
    if listed:
        Registry(table).listed.enter(run["run_id"])


def complete(table: Table) -> Registry:
    """Let the schedule enter what the list lacks."""
    registry = Registry(table)
    registry.listed.complete("2026-11-24T09:00:00.000Z")
    assert registry.listed.is_complete()
    return registry


LISTED = pytest.mark.parametrize("listed", [True, False], ids=["listed", "from before the list"])


@LISTED
@pytest.mark.parametrize(
    ("wanted", "said"),
    [("c", "No run is called or begins with 'c'"), ("a", "is the beginning of 2 runs: a-1, a-2"), ("", "No run")],
)
def test_what_fits_no_run_or_several(table: Table, wanted: str, said: str, listed: bool) -> None:
    # Given
    for run in (make_run("a-1"), make_run("a-2", state="QUEUED"), make_run("b-1")):
        write(table, run, listed=listed)
    registry = complete(table) if listed else Registry(table)
    # When
    with pytest.raises(CliError, match=said) as caught:
        resolve(registry, wanted)
    # Then
    assert caught.value.exit_code == UNKNOWN_RUN


def test_of_many_that_fit_a_few_are_named(table: Table) -> None:
    for number in range(1_001):
        Registry(table).listed.enter(f"video-{number:04d}")
    with pytest.raises(CliError, match=r"of 1000 or more runs: video-0000, .* and 995 or more"):
        resolve(complete(table), "video")


def test_a_run_that_was_claimed_and_is_not_there_fits_nothing(table: Table) -> None:
    """StartRun died between the list and the run: its event comes again."""
    Registry(table).listed.enter("video-1")
    with pytest.raises(CliError, match="No run is called or begins with 'vid'"):
        resolve(complete(table), "vid")


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


NAMES = st.sets(st.text("ab-1", min_size=1, max_size=6), min_size=1, max_size=6)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=NAMES, since=NAMES, wanted=st.text("ab-1", min_size=1, max_size=4), looked=st.booleans())
def test_a_prefix_finds_a_run_exactly_when_one_fits(
    dynamodb: Any, before: set[str], since: set[str], wanted: str, looked: bool
) -> None:
    # Given runs of a version without the list, and some that were claimed since
    table = create_registry(dynamodb, f"prefixes-{next(NUMBERS)}")
    for name in before:
        write(table, make_run(name), listed=False)
    for name in since - before:
        write(table, make_run(name))
    registry = complete(table) if looked else Registry(table)
    names = before | since
    fitting = [wanted] if wanted in names else [name for name in names if name.startswith(wanted)]
    # When / Then
    if len(fitting) == 1:
        assert resolve(registry, wanted).run_id == fitting[0]
    else:
        with pytest.raises(CliError):
            resolve(registry, wanted)


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


CROWD = 10_000
"""Runs of the table that is only read."""


@pytest.fixture(scope="module")
def crowd(dynamodb: Any) -> Table:
    """Give the registry of an environment with ten thousand runs that have ended, of two tasks."""
    table = create_registry(dynamodb, f"crowd-{next(NUMBERS)}")
    stages = ("CheckRun", "CalibrateJudge", "GenerateTeacherData", "LaunchDistillation", "EvaluateStudent")
    sums = dict.fromkeys(stages, "0.012345678901")
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    items: list[dict[str, Any]] = [{"pk": "RUNS", "sk": "COMPLETE", "done": True}]
    for number in range(CROWD):
        run_id = f"{'video' if number % 2 else 'video-search'}-{number * 1_237 % CROWD:012x}"
        at = iso(begun + timedelta(minutes=number))
        run = make_run(run_id, task=run_id.rpartition("-")[0], state="ENDED", outcome="FAILED", created_at=at)
        items.append({"pk": "RUNS", "sk": f"LISTED#{run_id}", "usd_by_stage": sums})
        if number % 5 in (1, 4):  # so many of the runs themselves are more than three queries of 1 MB read
            items.append({**run, **run_key(run_id), "state_group": "RUN#ENDED", "since": at})
    for first in range(0, len(items), 25):
        some = [{"PutRequest": {"Item": to_values(item)}} for item in items[first : first + 25]]
        dynamodb.batch_write_item(RequestItems={table._name: some})
    return table


@pytest.fixture
def queries(dynamodb: Any) -> Iterator[list[Any]]:
    found: list[Any] = []
    event, note = "before-call.dynamodb.Query", lambda **call: found.append(call)
    dynamodb.meta.events.register(event, note)
    yield found
    dynamodb.meta.events.unregister(event, note)


@pytest.mark.parametrize(
    "words",
    [("runs", "--limit", "20"), ("forget", "video-00000000000", "--answers"), ("report", "video-0"),
     ("watch", "latest"), ("costs",)],
    ids=" ".join,
)  # fmt: skip
def test_ten_thousand_runs_take_three_queries(
    aws: FakeAws, call: Callable[..., Result], crowd: Table, queries: list[Any], words: tuple[str, ...]
) -> None:
    # Given
    aws.clients["dynamodb"], aws.outputs["data"]["RegistryTable"] = crowd._client, crowd._name
    # When
    said = call(*words)
    # Then it came to what it is about
    expected = {
        "runs": "video", "forget": "is the beginning of", "report": "is the beginning of 1000 or more runs",
        "watch": "FAILED", "costs": "$",
    }  # fmt: skip
    assert expected[words[0]] in said.output, said.output
    assert len(queries) <= 3


def test_the_other_runs_of_a_task_are_counted_with_three_queries(
    crowd: Table, aws: FakeAws, queries: list[Any]
) -> None:
    # Given a task whose name begins that of another
    aws.clients["dynamodb"], aws.outputs["data"]["RegistryTable"] = crowd._client, crowd._name
    registry = Registry(crowd)
    (name,) = registry.listed.named("video-0000000004d5", 1)
    # When
    others = other_runs(aws.deployment(), registry.run(name))
    # Then
    assert len(others) == MOST_COUNTED
    assert {other.rpartition("-")[0] for other in others} == {"video"}
    assert len(queries) <= 1 + 3
