"""The candidate's deployment: one that does not show right after its creation is waited for, a lost one is not."""

from __future__ import annotations

import pytest

from lambdas.domain.errors import DeploymentFailed
from lambdas.gateways.registry.runs import Run
from lambdas.states.deploy_candidate.stage import execute as deploy
from lambdas.workflow.stage import Result
from tests.unit.states.test_promote_student import evaluated, parameters, students
from tests.unit.support.workshop import Workshop

__all__ = ["parameters", "students"]

pytestmark = pytest.mark.usefixtures("students", "parameters")


def step(workshop: Workshop, run: Run) -> Result:
    return deploy(workshop.stage("DeployCandidate", run))


def test_a_deployment_that_does_not_show_yet_is_waited_for(workshop: Workshop) -> None:
    # Given
    run = evaluated(workshop, "1")
    arn = step(workshop, run)["deployment_arn"]
    shown = workshop.client.endpoints.pop(arn)
    # When / Then
    workshop.pass_time(minutes=2)
    assert step(workshop, run) == {"status": "IN_PROGRESS", "deployment_arn": arn}
    # When it shows
    workshop.client.endpoints[arn] = {**shown, "status": "Active"}
    # Then
    assert step(workshop, run) == {"status": "COMPLETED", "deployment_arn": arn}
    assert len(workshop.client.called("CreateCustomModelDeployment")) == 1


def test_a_deployment_that_is_gone_fails_the_run(workshop: Workshop) -> None:
    # Given
    run = evaluated(workshop, "1")
    del workshop.client.endpoints[step(workshop, run)["deployment_arn"]]
    workshop.pass_time(minutes=6)
    # When / Then
    with pytest.raises(DeploymentFailed, match="it is gone"):
        step(workshop, run)
