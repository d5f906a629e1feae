"""Events come at least once, in any order and late: one execution an object version, never too many, none forgotten."""

from __future__ import annotations

import itertools
import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Lock
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.domain.identity import Upload, execution_name
from lambdas.domain.outcomes import FAILED, PROMOTED
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING, Run
from lambdas.workflow.run_starter import Starter, claim_upload
from lambdas.workflow.stage import iso
from tests.unit.operations.test_start_and_reconcile import MACHINE, FakeStepFunctions, Office
from tests.unit.support.workshop import Workshop

MAX_RUNNING = 2
KEYS = ("video/a.jsonl", "video/b+c d%20e.jsonl", "Ton\u00e4/\u591c.jsonl", "audio/" + "\u00e9" * 500 + ".jsonl.gz")
"""The last one has 1,015 bytes; S3 takes 1,024."""

FRESH = itertools.count()

ACTIONS = st.one_of(
    st.tuples(st.just("deliver"), st.integers(0, 7)),
    st.tuples(st.just("end"), st.integers(0, 7)),
    st.tuples(st.just("end again"), st.integers(0, 7)),
    st.tuples(st.just("schedule"), st.just(0)),
    st.tuples(st.just("throttled"), st.integers(0, 7)),
)


class Storm:
    """Eight object versions, two of each key, and what happens to them."""

    def __init__(self, workshop: Workshop) -> None:
        self.office, self.registry = Office(workshop, max_running=MAX_RUNNING), workshop.pipeline.registry
        storm = next(FRESH)
        self.uploads = [Upload("uploads", key, f"{storm}-{number}") for key in KEYS for number in range(2)]
        self.delivered: set[str] = set()

    def deliver(self, upload: Upload) -> None:
        workshop = self.office.workshop
        self.delivered.add(upload.run_id)
        run = claim_upload(self.registry, workshop.uploads, upload, workshop.now())
        self.office.starter.start(run, workshop.now())

    def throttled(self, upload: Upload) -> None:
        self.office.states.broken = True
        try:
            self.deliver(upload)
        except ClientError:
            pass  # Lambda tries again later, or never
        finally:
            self.office.states.broken = False

    def end(self, upload: Upload, *, event: bool = True) -> None:
        """End an execution that runs; its event may come, or come again, later."""
        name = execution_name(upload.run_id, 1)
        if self.office.states.executions.get(name) == "RUNNING":
            run = self.registry.run(upload.run_id)
            self.registry.end(run.run_id, 1, PROMOTED, "good", self.office.workshop.now(), None)
            self.office.states.executions[name] = "SUCCEEDED"
            if event:
                self.office.ended(run, "SUCCEEDED")

    def end_again(self, upload: Upload) -> None:
        run = self.registry.find(upload.run_id)
        if run and run.state == ENDED:
            self.office.ended(run, "SUCCEEDED")

    def do(self, action: str, number: int) -> None:
        upload = self.uploads[number]
        acts: dict[str, Any] = {
            "deliver": self.deliver,
            "throttled": self.throttled,
            "end": self.end,
            "end again": self.end_again,
            "schedule": lambda _: self.office.reconciler.look_after_all(),
        }
        acts[action](upload)
        self.office.workshop.pass_time(seconds=1)

    def runs(self) -> list[Run]:
        return [self.registry.run(upload.run_id) for upload in self.uploads if upload.run_id in self.delivered]

    def holds(self) -> None:
        running = [name for name, status in self.office.states.executions.items() if status == "RUNNING"]
        assert len(running) <= MAX_RUNNING
        assert len(self.registry.slots()) <= MAX_RUNNING
        assert {run.state for run in self.runs()} <= {QUEUED, RUNNING, ENDED}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ACTIONS, max_size=25))
def test_in_any_order_each_object_version_is_one_execution_and_none_is_forgotten(
    workshop: Workshop, actions: list[tuple[str, int]]
) -> None:
    # Given
    storm = Storm(workshop)

    # When events come as they like, and then only what runs ends, one by one, with the schedule as the only helper
    for action, number in actions:
        storm.do(action, number)
        storm.holds()
    for _ in range(2 * len(storm.uploads)):
        storm.office.reconciler.look_after_all()
        for upload in storm.uploads:
            storm.end(upload, event=False)
        storm.holds()
    storm.office.reconciler.look_after_all()

    # Then
    assert [run.outcome for run in storm.runs()] == [PROMOTED] * len(storm.delivered)
    assert set(storm.office.states.executions) == {f"{run_id}-1" for run_id in storm.delivered}
    assert storm.registry.slots() == set()


def test_uploads_beyond_the_limit_wait_their_turn_and_start_in_their_order(workshop: Workshop) -> None:
    # Given
    office = Office(workshop, max_running=MAX_RUNNING)

    # When all come at once, and each run that ends lets the next one in
    runs = [office.deliver(f"v{number}") for number in range(40)]
    waiting = [run.run_id for run in office.registry.in_state(QUEUED)]
    order = list(office.states.executions)
    for name in order:  # grows while it is read
        run = office.registry.run(name.rpartition("-")[0])
        office.registry.end(run.run_id, 1, FAILED, "why", workshop.now(), None)
        office.ended(run, "SUCCEEDED")
        order += [started for started in office.states.executions if started not in set(order)][:MAX_RUNNING]

    # Then
    assert waiting == [run.run_id for run in runs[MAX_RUNNING:]]
    assert order == [f"{run.run_id}-1" for run in runs]
    assert json.loads(office.states.inputs[order[-1]])["run_id"] == runs[-1].run_id
    assert office.registry.slots() == set()


class BusyStepFunctions(FakeStepFunctions):
    """Knows the most executions that ever ran at once, whoever started them, and the order of their starts."""

    def __init__(self) -> None:
        super().__init__()
        self.most, self.order, self._lock = 0, list[str](), Lock()

    def start_execution(self, **request: str) -> None:
        with self._lock:
            super().start_execution(**request)
            self.order.append(request["name"])
            self.most = max(self.most, list(self.executions.values()).count("RUNNING"))


@pytest.mark.end_to_end  # thousands of calls to DynamoDB: not a matter of seconds
def test_five_hundred_uploads_at_once_are_five_hundred_runs_never_more_than_allowed_together(
    workshop: Workshop,
) -> None:
    # Given 500 object versions of two tasks, each event delivered once or twice, in no order, to many Lambdas at once
    registry, states, most = workshop.pipeline.registry, BusyStepFunctions(), 10
    starter = Starter(registry, workshop.pipeline.intake, cast("Any", states), MACHINE, most)
    uploads = [Upload("uploads", f"storm-{number % 2}/part {number}.jsonl", "v") for number in range(500)]
    events = uploads + uploads[::3]
    random.Random(7).shuffle(events)  # noqa: S311 - an order, nothing secret
    moments = itertools.count()

    def deliver(upload: Upload) -> None:
        now = iso(workshop.time + timedelta(milliseconds=next(moments)))
        starter.start(claim_upload(registry, workshop.uploads, upload, now), now)

    # When they are delivered, and then all that run end, as long as any does
    with ThreadPoolExecutor(16) as lambdas:
        list(lambdas.map(deliver, events))
    first = list(states.order)
    waiting = [run.run_id for run in registry.in_state(QUEUED)]
    while running := [name for name, status in states.executions.items() if status == "RUNNING"]:
        for name in running:
            run_id = name.rpartition("-")[0]
            registry.end(run_id, 1, FAILED, "why", workshop.now(), None)
            registry.free_slot(run_id)
            states.executions[name] = "SUCCEEDED"
        starter.start_queued(workshop.now())

    # Then each version ran once, the limit was kept, and those that waited had their turn in the order they came
    assert sorted(states.order) == sorted(f"{upload.run_id}-1" for upload in uploads)
    assert len(first) == states.most == most
    assert len(waiting) == len(uploads) - most
    assert states.order[most:] == [f"{run_id}-1" for run_id in waiting]
    came = [registry.run(run_id).created_at for run_id in waiting]
    assert came == sorted(came)
    assert {registry.run(upload.run_id).state for upload in uploads} == {ENDED}
    assert registry.slots() == set()


def test_a_run_that_the_index_still_shows_as_waiting_does_not_hold_up_the_queue(workshop: Workshop) -> None:
    # Given a queue whose first entry is of a run that has ended since
    office = Office(workshop, max_running=1)
    first, second, third = (office.deliver(f"lag-{number}") for number in range(3))
    stale = [second, third]
    office.registry.end(second.run_id, 1, FAILED, "given up", workshop.now(), None)
    office.registry.free_slot(first.run_id)

    # When
    workshop.pipeline.registry.in_state = lambda *_, **__: iter(stale)  # type: ignore[method-assign]
    started = office.starter.start_queued(workshop.now())

    # Then
    assert started == [third.run_id]
