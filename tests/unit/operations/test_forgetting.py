"""A run is closed for deletion only for somebody who is known, and only while it is as that person saw it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lambdas.domain.caller_proof import Binding
from lambdas.domain.errors import ForgetRefused, IdentityUnknown, ProofRefused
from lambdas.gateways.registry.runs import Run
from lambdas.operations.reconcile_runs.forgetting import begin_forgetting
from tests.identities import APPROVER, FakeSts, answering, proof
from tests.unit.support.workshop import Workshop


@pytest.fixture(autouse=True)
def sts(workshop: Workshop) -> Iterator[FakeSts]:
    with answering(FakeSts(), lambda: workshop.time) as found:
        yield found


def ended(workshop: Workshop) -> Run:
    run = workshop.run()
    workshop.pipeline.registry.end(run.run_id, 1, "FAILED", "why", workshop.now(), None)
    workshop.pipeline.registry.free_slot(run.run_id)
    return workshop.pipeline.registry.run(run.run_id)


def order(workshop: Workshop, run: Run, **changes: Any) -> Any:
    bound = Binding(environment="dev", registry="registry", verb="forget", subject=run.run_id)
    event = {"forget": run.run_id, "attempt": 1, "why": "wrong data", "proof": proof(APPROVER, bound, workshop.time)}
    return begin_forgetting(workshop.pipeline, event | changes)


def test_who_forgets_a_run_and_why_stays_in_the_tasks_history(workshop: Workshop) -> None:
    # Given
    run = ended(workshop)
    # When
    order(workshop, run)
    # Then
    assert workshop.pipeline.registry.run(run.run_id).forgetting_since
    [line] = workshop.pipeline.tasks.history(run.task)
    assert (line["action"], line["answered_by"], line["why"]) == ("to be forgotten", APPROVER.arn, "wrong data")


@pytest.mark.parametrize("given", [None, {"url": "https://example.org", "binding": "x"}])
def test_nobody_unknown_closes_a_run(workshop: Workshop, given: object) -> None:
    run = ended(workshop)
    with pytest.raises(ProofRefused):
        order(workshop, run, proof=given)
    assert workshop.pipeline.registry.run(run.run_id).forgetting_since is None


def test_without_sts_nothing_is_closed(workshop: Workshop, sts: FakeSts) -> None:
    run = ended(workshop)
    sts.status = 0
    with pytest.raises(IdentityUnknown):
        order(workshop, run)
    assert workshop.pipeline.registry.run(run.run_id).forgetting_since is None


@pytest.mark.parametrize("attempt", [2, None, "1"])
def test_a_run_of_another_attempt_is_kept(workshop: Workshop, attempt: object) -> None:
    run = ended(workshop)
    with pytest.raises(ForgetRefused, match="not as it was"):
        order(workshop, run, attempt=attempt)
    assert workshop.pipeline.registry.run(run.run_id).forgetting_since is None
    assert workshop.pipeline.tasks.history(run.task) == []


def test_a_run_in_progress_is_kept(workshop: Workshop) -> None:
    run = workshop.run()
    with pytest.raises(ForgetRefused):
        order(workshop, run)
    assert workshop.pipeline.tasks.history(run.task) == []
