"""The sums of the list of runs are those of the ledgers, whoever writes, dies, or looks in between."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.domain.costs.ledger import LedgerEntry, usd_by_stage
from lambdas.domain.identity import Upload
from lambdas.domain.outcomes import FAILED
from lambdas.gateways.registry.resources import LAMBDA_LIFE
from lambdas.gateways.registry.run_list import ListedRun
from lambdas.gateways.registry.runs import RUNNING, Registry, run_key
from lambdas.gateways.registry.table import Table
from lambdas.operations.reconcile_runs.settled_costs import settle_costs
from lambdas.workflow.stage import Pipeline, iso
from tests.unit.gateways.registry.embedded_table import NUMBERS, create_registry


class Office:
    """A registry, its schedule, and Lambdas that may die between the announcement of a line and the line."""

    def __init__(self, table: Table) -> None:
        self.table, self.registry, self.clock = table, Registry(table), datetime(2026, 9, 1, tzinfo=UTC)
        self.writers: list[tuple[datetime, str, LedgerEntry]] = []
        self.ids = itertools.count()

    def now(self) -> datetime:
        return self.clock

    def look(self) -> int:
        pipeline = cast("Pipeline", SimpleNamespace(registry=self.registry, now=self.now))
        failed: list[str] = []

        class Apart:
            def __enter__(self) -> None: ...
            def __exit__(self, *problem: object) -> None:
                failed.extend(map(str, filter(None, problem)))

        settled = settle_costs(pipeline, lambda _run_id: Apart())
        assert failed == []
        return settled

    def claim(self, version: str) -> str:
        run = self.registry.claim(Upload("uploads", "video/a.jsonl", version), None, None, iso(self.clock))
        self.registry.take_slot(run.run_id, 100, iso(self.clock))
        return run.run_id

    def end(self, run_id: str) -> None:
        run = self.registry.run(run_id)
        self.registry.end(run_id, run.attempt, FAILED, "why", iso(self.clock), None)
        self.registry.free_slot(run_id)

    def line(self, usd: float, id_: str | None = None) -> LedgerEntry:
        stage = ("GenerateTeacherData", "EvaluateStudent")[int(usd * 1e6) % 2]
        return LedgerEntry(id=id_ or str(next(self.ids)), stage=stage, model="m", kind="actual", usd=usd)

    def announce(self, run_id: str, usd: float) -> None:
        """Begin to write a line: the Lambda is stopped before the line, and goes on later or never.

        One of a run in progress announces nothing: the run's slot did.
        """
        if self.registry.run(run_id).state != RUNNING:
            self.registry.listed.will_pay(run_id)
        self.writers.append((self.clock, run_id, self.line(usd)))

    def go_on(self) -> None:
        """Let the oldest writer write, if it can still be alive."""
        if self.writers:
            begun, run_id, entry = self.writers.pop(0)
            if self.clock - begun < LAMBDA_LIFE:
                self.table.put({"pk": f"RUN#{run_id}", "sk": f"LEDGER#{entry.stage}#{entry.id}", **entry.to_document()})

    def listed(self) -> dict[str, ListedRun]:
        return {one.run_id: one for one in self.registry.listed.all()}

    def is_true(self) -> bool:
        return all(
            one.usd_by_stage == usd_by_stage(self.registry.ledger(run_id))
            for run_id, one in self.listed().items()
            if one.settled
        )


@pytest.fixture
def office(table: Table) -> Office:
    return Office(table)


def until_settled(office: Office) -> None:
    for _ in range(3):
        office.look()
        office.clock += LAMBDA_LIFE


def test_a_line_whose_writer_died_before_it_or_after_it_leaves_no_wrong_sum(office: Office) -> None:
    # Given a settled run
    run_id = office.claim("1")
    office.registry.record_cost(run_id, office.line(1.25))
    office.end(run_id)
    until_settled(office)
    assert office.listed()[run_id].usd_by_stage == {"GenerateTeacherData": Decimal("1.25")}
    # When a Lambda announces a line for it and is killed, and another writes and is killed before anything else
    office.announce(run_id, 7.0)
    office.announce(run_id, 0.5)
    del office.writers[0]
    office.go_on()
    # Then the ledger is read until the schedule has added it up
    assert not office.listed()[run_id].settled
    until_settled(office)
    assert office.listed()[run_id].usd_by_stage == {"GenerateTeacherData": Decimal("1.75")}


def test_a_run_is_not_settled_while_a_lambda_may_live_that_saw_it_open(office: Office) -> None:
    # Given a Lambda that is about to write when its run ends
    run_id = office.claim("1")
    office.announce(run_id, 2.0)
    office.end(run_id)
    office.look()
    # When the schedule looks again before that Lambda must be dead
    office.clock += LAMBDA_LIFE - timedelta(seconds=1)
    assert office.look() == 0
    office.writers = [(office.clock, *office.writers[0][1:])]
    office.go_on()
    office.clock += timedelta(seconds=1)
    office.look()
    # Then
    assert office.listed()[run_id].settled
    assert office.is_true()


def test_a_run_that_is_retried_is_settled_after_its_last_attempt(office: Office) -> None:
    run_id = office.claim("1")
    office.registry.record_cost(run_id, office.line(1.0))
    office.end(run_id)
    office.look()
    office.registry.begin_retry(run_id, iso(office.clock))
    office.registry.take_slot(run_id, 100, iso(office.clock))
    office.clock += LAMBDA_LIFE
    assert office.look() == 0
    office.registry.record_cost(run_id, office.line(2.0))
    office.end(run_id)
    until_settled(office)
    assert office.listed()[run_id].usd_by_stage == {"GenerateTeacherData": Decimal(3)}


def test_what_is_written_again_does_not_count_twice(office: Office) -> None:
    run_id = office.claim("1")
    for usd in (1.0, 1.0, 4.0):
        office.registry.record_cost(run_id, office.line(usd, "training.job"))
    office.end(run_id)
    until_settled(office)
    assert office.listed()[run_id].usd_by_stage == {"GenerateTeacherData": Decimal(4)}


def test_a_run_that_waits_has_paid_nothing_and_is_settled_from_the_beginning(office: Office) -> None:
    run = office.registry.claim(Upload("uploads", "video/a.jsonl", "1"), None, None, iso(office.clock))
    assert office.listed()[run.run_id] == ListedRun(run_id=run.run_id)
    office.registry.take_slot(run.run_id, 1, iso(office.clock))
    assert not office.listed()[run.run_id].settled


def test_a_forgotten_run_leaves_the_list_and_a_late_line_does_not_bring_it_back(office: Office) -> None:
    run_id = office.claim("1")
    office.end(run_id)
    office.registry.forget(run_id)
    office.registry.record_cost(run_id, office.line(1.0))
    assert office.listed() == {}


def test_runs_of_earlier_versions_are_entered_a_part_at_each_look(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given runs without the list, one of which runs
    monkeypatch.setattr("lambdas.gateways.registry.run_list.LOOKED_AT_ONCE", 3)
    ids = [office.claim(str(number)) for number in range(8)]
    for number, run_id in enumerate(ids):
        office.clock += timedelta(seconds=1)
        office.registry.record_cost(run_id, office.line(number + 0.5))
        if number < 7:
            office.end(run_id)
    for run_id in ids:
        office.table.delete("RUNS", f"LISTED#{run_id}")
    # When
    looks = []
    while not office.registry.listed.is_complete():
        office.look()
        looks.append(len(office.listed()))
    until_settled(office)
    # Then
    assert looks == sorted(looks)
    assert len(set(looks)) > 2
    assert set(office.listed()) == set(ids)
    assert {run_id for run_id, one in office.listed().items() if not one.settled} == {ids[7]}
    assert office.is_true()


def test_a_damaged_item_keeps_no_other_run_from_being_settled(office: Office) -> None:
    office.table.put({**run_key("video-half"), "progress": {}, "state_group": "RUN#ENDED", "since": "2026-01-01"})
    run_id = office.claim("1")
    office.registry.record_cost(run_id, office.line(1.0))
    office.end(run_id)
    until_settled(office)
    assert office.listed()[run_id].settled


DOLLARS = st.integers(0, 10**8).map(lambda millionths: millionths / 10**6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.integers(0, 2)),
        st.tuples(st.just("pay"), st.integers(0, 2), DOLLARS),
        st.tuples(st.just("announce"), st.integers(0, 2), DOLLARS),
        st.tuples(st.just("go on")),
        st.tuples(st.just("end"), st.integers(0, 2)),
        st.tuples(st.just("retry"), st.integers(0, 2)),
        st.tuples(st.just("look")),
        st.tuples(st.just("wait"), st.integers(1, 17)),
    ),
    max_size=25,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_order_of_writers_deaths_and_looks_makes_a_sum_that_is_not_the_ledgers(dynamodb: Any, steps: Any) -> None:
    # Given
    office = Office(create_registry(dynamodb, f"list-{next(NUMBERS)}"))
    runs: dict[int, str] = {}
    # When
    for kind, *about in steps:
        if kind == "claim":
            runs[about[0]] = office.claim(str(about[0]))
        elif kind == "look":
            office.look()
            assert office.is_true()
        elif kind == "wait":
            office.clock += timedelta(minutes=about[0])
        elif kind == "go on":
            office.go_on()
        elif about[0] in runs:
            _do(office, kind, runs[about[0]], *about[1:])
    # Then
    assert office.is_true()
    for run_id in runs.values():
        office.end(run_id)
    office.writers.clear()
    until_settled(office)
    assert all(one.settled for one in office.listed().values())
    assert office.is_true()


def _do(office: Office, kind: str, run_id: str, usd: float = 0.0) -> None:
    ended = office.registry.run(run_id).state == "ENDED"
    if kind == "pay":
        office.registry.record_cost(run_id, office.line(usd))
    elif kind == "announce":
        office.announce(run_id, usd)
    elif kind == "end":
        office.end(run_id)
    elif kind == "retry" and ended:
        office.registry.begin_retry(run_id, iso(office.clock))
        office.registry.take_slot(run_id, 100, iso(office.clock))
