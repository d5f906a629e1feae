"""Runs on the same content name their jobs alike: a killed run's release stops its own job and no other run's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lambdas.domain.outcomes import FAILED
from lambdas.gateways.aws.bedrock import BedrockControl
from lambdas.gateways.registry.resources import BATCH_JOB, CREATED, CUSTOMIZATION_JOB, PLANNED, RELEASED, ResourceBook
from lambdas.gateways.registry.runs import Run
from lambdas.states.launch_distillation.stage import execute as launch
from lambdas.states.release_resources.stage import execute as release_resources
from tests.unit.support.batches import dataset, small_jobs, step
from tests.unit.support.workshop import Workshop

__all__ = ["small_jobs"]


class Killed(BaseException):
    """No handler of ours sees it, as none sees a killed process."""


@dataclass(frozen=True)
class Kind:
    """A kind of job: how a run starts it, and how it is looked for and stopped."""

    kind: str
    start: Callable[[Workshop, Run], Any]
    find: str
    stop: str


def _train(workshop: Workshop, run: Run) -> None:
    workshop.plan(run)
    launch(workshop.stage("LaunchDistillation", run))


def _ask_in_a_batch(workshop: Workshop, run: Run) -> None:
    dataset(workshop, run, count=150)
    step(workshop, run)


KINDS = [
    Kind(CUSTOMIZATION_JOB, _train, "find_job", "StopModelCustomizationJob"),
    Kind(BATCH_JOB, _ask_in_a_batch, "find_batch_job", "StopModelInvocationJob"),
]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.kind for kind in KINDS])


def killed_as_it_adopts(workshop: Workshop, kind: Kind, before: str) -> tuple[Run, Run]:
    """Give a run whose job is under way, and one that looked before, created after, and died ``before`` a write."""
    first, second = workshop.run("1"), workshop.run("2")
    kind.start(workshop, first)

    def die(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BedrockControl, kind.find, lambda _self, _name: None)
        patch.setattr(ResourceBook, before, die)
        with pytest.raises(Killed):
            kind.start(workshop, second)
    return first, second


def release(workshop: Workshop, run: Run) -> dict[str, Any]:
    return release_resources(workshop.stage("ReleaseResources", run, outcome=FAILED))


def job_state(workshop: Workshop, run: Run, kind: Kind) -> str:
    [state] = [item.state for item in workshop.pipeline.resources.of_run(run.run_id) if item.kind == kind.kind]
    return state


@each_kind
@pytest.mark.parametrize(("before", "left"), [("created", PLANNED), ("released", CREATED)])
def test_a_run_killed_before_it_saw_whose_job_it_adopted_leaves_the_job_alone(
    workshop: Workshop, kind: Kind, before: str, left: str
) -> None:
    # Given
    first, second = killed_as_it_adopts(workshop, kind, before)
    assert job_state(workshop, second, kind) == left
    # When
    result = release(workshop, second)
    # Then
    assert workshop.client.called(kind.stop) == []
    assert result["status"] == "COMPLETED"
    assert job_state(workshop, second, kind) == RELEASED
    assert workshop.pipeline.registry.ledger(second.run_id) == []
    # When the run whose job it is ends
    release(workshop, first)
    # Then
    assert len(workshop.client.called(kind.stop)) == 1


@each_kind
def test_a_job_whose_run_is_over_is_stopped_by_whoever_has_it_in_its_book(workshop: Workshop, kind: Kind) -> None:
    # Given
    first, second = killed_as_it_adopts(workshop, kind, "released")
    workshop.pipeline.registry.end(first.run_id, first.attempt, FAILED, "why", workshop.now(), None)
    # When
    release(workshop, second)
    # Then
    assert len(workshop.client.called(kind.stop)) == 1


@each_kind
def test_a_job_whose_run_nobody_knows_any_more_is_stopped(workshop: Workshop, kind: Kind) -> None:
    # Given
    first, second = killed_as_it_adopts(workshop, kind, "released")
    workshop.pipeline.registry.forget(first.run_id)
    # When
    release(workshop, second)
    # Then
    assert len(workshop.client.called(kind.stop)) == 1
