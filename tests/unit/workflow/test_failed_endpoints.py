"""An endpoint whose status is Failed serves nobody: another one is bought, and the task is never left without."""

from __future__ import annotations

import pytest

from lambdas.domain.errors import PromotionFailed, QuotaTooLow
from lambdas.gateways.registry.runs import Run
from lambdas.states.release_resources.stage import execute as release
from lambdas.workflow.serving.rollback import roll_back
from lambdas.workflow.stage import Result
from tests.unit.states.test_promote_student import (
    Parameters,
    Students,
    champion,
    evaluated,
    parameters,
    promote,
    promoted,
    students,
)
from tests.unit.support.fake_bedrock import ACCOUNT
from tests.unit.support.workshop import Workshop

__all__ = ["parameters", "students"]

pytestmark = pytest.mark.usefixtures("students", "parameters")


def serving_arn(workshop: Workshop) -> str:
    found = workshop.pipeline.tasks.state("video").champion
    assert found is not None
    return found.endpoint_arn


def break_endpoint(workshop: Workshop, arn: str, model_arn: str | None = None) -> None:
    workshop.client.endpoints[arn].update(status="Failed", failureMessage="internal error")
    if model_arn:
        workshop.client.endpoints[arn]["modelArn"] = model_arn


def be_ready(workshop: Workshop) -> None:
    """Let what is being made or moved be ready; what has failed stays so."""
    for endpoint in workshop.client.endpoints.values():
        if endpoint["status"] in ("Creating", "Updating"):
            endpoint["status"] = "InService"


def finished(workshop: Workshop, to_run: str | None = None) -> Result:
    """Call the rollback until it has ended, as the schedule does."""
    for _ in range(8):
        given = roll_back(workshop.pipeline, "video", to_run, "why")
        be_ready(workshop)
        if given["status"] != "IN_PROGRESS":
            return given
        to_run = None
    raise AssertionError("the rollback never ends")


def test_a_promotion_does_not_wait_for_an_endpoint_that_has_failed_but_buys_another(
    workshop: Workshop, parameters: Parameters
) -> None:
    # Given
    promoted(workshop, "1")
    dead = serving_arn(workshop)
    break_endpoint(workshop, dead)
    run = evaluated(workshop, "2")
    # When
    promote(workshop, run)
    be_ready(workshop)
    # Then
    assert promote(workshop, run)["status"] == "COMPLETED"
    assert champion(workshop)[0] == run.run_id
    assert parameters.pointer["endpoint_arn"] == serving_arn(workshop) != dead
    assert workshop.client.called("UpdateProvisionedModelThroughput") == []


def test_where_the_quota_forbids_another_the_failed_one_is_named(workshop: Workshop) -> None:
    # Given
    promoted(workshop, "1")
    break_endpoint(workshop, serving_arn(workshop))
    run = evaluated(workshop, "2")
    workshop.client.refuses["CreateProvisionedModelThroughput"] = "ServiceQuotaExceededException"
    # When, Then
    with pytest.raises(
        QuotaTooLow, match=r"dev-video-.*-champion of the champion has failed and still holds its units"
    ):
        promote(workshop, run)
    assert {item.state for item in workshop.pipeline.resources.of_run(run.run_id)} == {"RELEASED"}


def moved_to_death(workshop: Workshop) -> tuple[Run, Run]:
    """Give a first champion whose endpoint fails while a second student's promotion moves it."""
    first = promoted(workshop, "1")
    model, arn = champion(workshop)[1], serving_arn(workshop)
    second = evaluated(workshop, "2")
    assert promote(workshop, second)["status"] == "IN_PROGRESS"
    break_endpoint(workshop, arn, model)
    return first, second


def test_an_endpoint_that_fails_in_the_move_is_replaced_for_the_new_student(workshop: Workshop) -> None:
    # Given
    _, second = moved_to_death(workshop)
    dead = serving_arn(workshop)
    # When
    assert promote(workshop, second)["status"] == "IN_PROGRESS"
    be_ready(workshop)
    # Then
    assert promote(workshop, second)["status"] == "COMPLETED"
    assert champion(workshop)[0] == second.run_id
    assert serving_arn(workshop) != dead


def test_where_that_one_fails_too_the_champion_gets_another_endpoint_by_the_schedule(
    workshop: Workshop, parameters: Parameters
) -> None:
    # Given both the champion's endpoint and the new one have failed
    first, second = moved_to_death(workshop)
    promote(workshop, second)
    [new] = [arn for arn, one in workshop.client.endpoints.items() if one["status"] == "Creating"]
    break_endpoint(workshop, new)
    with pytest.raises(PromotionFailed, match="internal error"):
        promote(workshop, second)
    # When the run is released, and again, and the schedule goes on
    for _ in range(2):
        release(workshop.stage("ReleaseResources", second, outcome="FAILED"))
    assert list(workshop.pipeline.tasks.open_rollbacks()) == ["video"]
    ended = finished(workshop)
    # Then the former champion serves at an endpoint of its own, once
    assert ended["status"] == "COMPLETED"
    state = workshop.pipeline.tasks.state("video")
    assert champion(workshop) == (first.run_id, workshop.client.models["dev-video-1"]["modelArn"])
    assert parameters.pointer["endpoint_arn"] == ended["endpoint_arn"] == serving_arn(workshop)
    assert (state.former, state.lease_owner, state.rollback) == ([], None, None)
    assert workshop.pipeline.tasks.history("video")[-1]["action"] == "restored"
    assert len(workshop.client.called("CreateProvisionedModelThroughput")) == 3


def test_a_rollback_from_a_failed_endpoint_buys_another(workshop: Workshop) -> None:
    # Given
    first = promoted(workshop, "1")
    promoted(workshop, "2")
    dead = serving_arn(workshop)
    break_endpoint(workshop, dead)
    # When
    ended = finished(workshop)
    # Then
    assert (ended["status"], ended["to_run"]) == ("COMPLETED", first.run_id)
    assert ended["endpoint_arn"] != dead
    assert champion(workshop) == (first.run_id, workshop.client.models["dev-video-1"]["modelArn"])


def test_a_person_brings_a_champion_back_whose_endpoint_has_failed(workshop: Workshop) -> None:
    # Given
    run = promoted(workshop, "1")
    alive = roll_back(workshop.pipeline, "video", run.run_id, "")
    dead = serving_arn(workshop)
    break_endpoint(workshop, dead)
    # When
    ended = finished(workshop, run.run_id)
    # Then
    assert (alive["status"], alive["endpoint_arn"]) == ("COMPLETED", dead)
    assert (ended["status"], ended["to_run"]) == ("COMPLETED", run.run_id)
    assert ended["endpoint_arn"] == serving_arn(workshop) != dead
    assert not workshop.pipeline.tasks.state("video").uses(dead, workshop.time), "it bills and serves nobody"


def test_a_rollback_that_fails_with_the_endpoint_restores_the_champion_and_says_both(
    workshop: Workshop, students: Students
) -> None:
    # Given a rollback under whose move the endpoint fails, to a student that does not answer as it did
    promoted(workshop, "1")
    second = promoted(workshop, "2")
    dead, old = serving_arn(workshop), workshop.client.models["dev-video-1"]["modelArn"]
    roll_back(workshop.pipeline, "video", None, "")
    break_endpoint(workshop, dead)
    roll_back(workshop.pipeline, "video", None, "")
    [paid] = [arn for arn, one in workshop.client.endpoints.items() if one["status"] == "Creating"]
    assert workshop.client.endpoints[paid]["modelArn"] == old
    students.says[paid] = "dogs"
    be_ready(workshop)
    # When
    ended = finished(workshop)
    # Then
    assert ended["status"] == "FAILED"
    assert "does not seem to serve that student" in ended["reason"]
    assert f"the champion of run {second.run_id} goes on serving, at {serving_arn(workshop)}" in ended["reason"]
    assert serving_arn(workshop) not in (dead, paid)
    assert champion(workshop)[0] == second.run_id
    assert not workshop.pipeline.tasks.state("video").uses(paid, workshop.time)


def test_a_champion_that_cannot_be_restored_is_said_to_serve_nobody(workshop: Workshop) -> None:
    # Given
    run = promoted(workshop, "1")
    break_endpoint(workshop, serving_arn(workshop))
    workshop.client.refuses["CreateProvisionedModelThroughput"] = "ServiceQuotaExceededException"
    # When
    ended = finished(workshop, run.run_id)
    # Then it ends, with what to do, and may be ordered again
    assert ended["status"] == "FAILED"
    assert "L-BE77399C" in ended["reason"]
    assert "serves nobody" in ended["reason"]
    del workshop.client.refuses["CreateProvisionedModelThroughput"]
    assert finished(workshop, run.run_id)["status"] == "COMPLETED"
    assert ACCOUNT in serving_arn(workshop)
