"""A create call that is refused for good closes its plan: nobody waits for what cannot come any more."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.errors import QuotaTooLow, RetryLater
from lambdas.gateways.registry.resources import PLANNED, RELEASED, ResourceBook
from lambdas.gateways.registry.runs import Run
from lambdas.states.deploy_candidate.stage import execute as deploy
from tests.unit.states.test_promote_student import evaluated, parameters, promote, students
from tests.unit.support.workshop import Workshop

__all__ = ["parameters", "students"]

pytestmark = pytest.mark.usefixtures("students", "parameters")

CREATE = {"DeployCandidate": "CreateCustomModelDeployment", "PromoteStudent": "CreateProvisionedModelThroughput"}
LIST = {"DeployCandidate": "list_custom_model_deployments", "PromoteStudent": "list_provisioned_model_throughputs"}
each_stage = pytest.mark.parametrize("stage", CREATE)


def call(workshop: Workshop, stage: str, run: Run) -> Any:
    return promote(workshop, run) if stage == "PromoteStudent" else deploy(workshop.stage(stage, run))


def states(workshop: Workshop, run: Run) -> list[str]:
    return [item.state for item in workshop.pipeline.resources.of_run(run.run_id)]


@each_stage
@pytest.mark.parametrize(
    "code",
    ["ValidationException", "AccessDeniedException", "ResourceNotFoundException", "TooManyTagsException",
     "ServiceQuotaExceededException"],
)  # fmt: skip
def test_a_refusal_closes_the_plan_and_the_next_try_opens_it_again(workshop: Workshop, stage: str, code: str) -> None:
    # Given
    run = evaluated(workshop, "1")
    workshop.client.refuses[CREATE[stage]] = code
    # When
    if (stage, code) == ("DeployCandidate", "ServiceQuotaExceededException"):
        result = call(workshop, stage, run)  # deployments of others hold it: the loop asks again until its deadline
        assert result["status"] == "IN_PROGRESS"
        assert "Ask for more in Service Quotas" in result["waits_for"]
        assert workshop.pipeline.registry.run(run.run_id).progress["waits_for"] == result["waits_for"]
    else:
        with pytest.raises((ClientError, QuotaTooLow)):
            call(workshop, stage, run)
    # Then
    assert states(workshop, run) == [RELEASED]
    # When the cause is mended
    del workshop.client.refuses[CREATE[stage]]
    call(workshop, stage, run)
    # Then
    assert states(workshop, run) == ["CREATED"]


@each_stage
@pytest.mark.parametrize("code", ["InternalServerException", "ThrottlingException"])
def test_an_error_after_which_it_may_exist_leaves_the_plan_open(workshop: Workshop, stage: str, code: str) -> None:
    # Given
    run = evaluated(workshop, "1")
    workshop.client.refuses[CREATE[stage]] = code
    # When
    with pytest.raises(RetryLater):
        call(workshop, stage, run)
    # Then
    assert states(workshop, run) == [PLANNED]


@each_stage
@pytest.mark.parametrize("hidden", [False, True], ids=["seen", "its list is refused too"])
def test_what_a_killed_call_had_made_before_the_refusal_stays_open(
    workshop: Workshop, stage: str, hidden: bool
) -> None:
    # Given
    run = evaluated(workshop, "1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResourceBook, "created", lambda *_: None)
        call(workshop, stage, run)
    workshop.client.refuses[CREATE[stage]] = "AccessDeniedException"
    if hidden:
        workshop.client.refuses[LIST[stage]] = "AccessDeniedException"
    # When
    with pytest.raises(ClientError):
        call(workshop, stage, run)
    # Then
    assert states(workshop, run) == [PLANNED]
