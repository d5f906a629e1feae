"""A Lambda killed between a create call and the registry's write: what it made is adopted, or released by its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lambdas.gateways.registry.resources import ResourceBook
from lambdas.states.deploy_candidate.stage import execute as deploy
from lambdas.states.release_resources.stage import execute as release
from lambdas.workflow.serving.rollback import roll_back
from tests.unit.states.test_promote_student import evaluated, parameters, promote, promoted, students
from tests.unit.support.workshop import Workshop

__all__ = ["parameters", "students"]

pytestmark = pytest.mark.usefixtures("students", "parameters")


class Killed(BaseException):
    """No handler of ours sees it, as none sees a killed process."""


@contextmanager
def killed() -> Iterator[None]:
    """Kill whoever has just created something."""

    def created(self: ResourceBook, resource: Any, arn: str) -> None:
        del self, resource, arn
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResourceBook, "created", created)
        with pytest.raises(Killed):
            yield


@pytest.mark.parametrize("stage", ["DeployCandidate", "PromoteStudent"])
def test_the_release_of_a_killed_run_finds_what_it_made_by_its_planned_name(workshop: Workshop, stage: str) -> None:
    # Given
    run = evaluated(workshop, "1")
    existing = set(workshop.client.endpoints)
    with killed():
        promote(workshop, run) if stage == "PromoteStudent" else deploy(workshop.stage(stage, run))
    [made] = set(workshop.client.endpoints) - existing
    [planned] = workshop.pipeline.resources.of_run(run.run_id)
    assert (planned.state, planned.arn) == ("PLANNED", None)
    workshop.client.endpoints[made]["status"] = "Active"
    # When
    result = release(workshop.stage("ReleaseResources", run, outcome="FAILED"))
    # Then
    assert (result["status"], result["released"]) == ("COMPLETED", 1)
    assert made not in workshop.client.endpoints
    assert list(workshop.pipeline.resources.open()) == []


def test_the_next_try_of_a_killed_promotion_takes_over_what_it_bought(
    workshop: Workshop,
) -> None:
    # Given
    run = evaluated(workshop, "1")
    with killed():
        promote(workshop, run)
    # When
    promote(workshop, run)
    # Then the same name and the same token were asked for: Bedrock makes nothing new
    first, second = workshop.client.called("CreateProvisionedModelThroughput")
    assert first == second
    assert [item.state for item in workshop.pipeline.resources.of_run(run.run_id)] == ["CREATED"]


def test_what_a_rollback_buys_is_no_leftover_at_any_moment(workshop: Workshop) -> None:
    # Given a rollback to a champion that was served on another mode, killed right after its purchase
    first = promoted(workshop, "1")
    second = evaluated(workshop, "2", mode="on_demand")
    promote(workshop, second)
    for endpoint in workshop.client.endpoints.values():
        endpoint["status"] = "Active" if "customModelDeploymentArn" in endpoint else "InService"
    assert promote(workshop, second)["status"] == "COMPLETED"
    workshop.pass_time(hours=2)
    known = set(workshop.client.endpoints)
    with killed():
        roll_back(workshop.pipeline, "video", None, "")
    [paid] = set(workshop.client.endpoints) - known
    name = workshop.client.endpoints[paid]["provisionedModelName"]
    # When, Then: neither its ARN, which nobody has written down, nor its run gives it away, but its name does
    tasks = workshop.pipeline.tasks
    assert not tasks.state("video").uses(paid, workshop.time)
    assert tasks.state("video").uses(None, workshop.time, name=name)
    release(workshop.stage("ReleaseResources", first, outcome="PROMOTED"))
    assert paid in workshop.client.endpoints
    # When the schedule goes on
    roll_back(workshop.pipeline, "video", None, "")
    assert tasks.state("video").uses(paid, workshop.time, name=name), "bought, and not yet crowned"
    workshop.client.endpoints[paid]["status"] = "InService"
    # Then
    assert roll_back(workshop.pipeline, "video", None, "")["endpoint_arn"] == paid
    assert tasks.state("video").uses(paid, workshop.time)
