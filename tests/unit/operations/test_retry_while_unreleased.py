"""A retry waits for what the attempt before it has not given back, and is told until when."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.errors import LeaseTaken, RetryRefused
from lambdas.domain.outcomes import FAILED
from lambdas.gateways.aws.bedrock import BedrockControl
from lambdas.gateways.registry.resources import CUSTOM_MODEL, DEPLOYMENT, PLANNED, THROUGHPUT
from lambdas.gateways.registry.runs import Registry, Run
from lambdas.gateways.registry.tasks import TaskBook
from lambdas.operations.start_run.retry import RELEASED_EVERY, check_released
from lambdas.states.release_resources.stage import execute as release_resources
from lambdas.workflow.stage import iso
from tests.unit.states.test_promote_student import champion, evaluated, parameters, promote, promoted, students
from tests.unit.support.fake_bedrock import refuse
from tests.unit.support.workshop import Workshop

__all__ = ["parameters", "students"]

MODEL = "dev-video-2"


class Killed(BaseException):
    """No handler of ours sees it, as none sees a killed process."""


def end(workshop: Workshop, run: Run) -> dict[str, Any]:
    """Do what ReconcileRuns does with an execution that was stopped."""
    result = release(workshop, run)
    workshop.pipeline.registry.end(run.run_id, run.attempt, FAILED, "why", workshop.now(), None)
    workshop.pipeline.registry.free_slot(run.run_id)
    return result


def release(workshop: Workshop, run: Run) -> dict[str, Any]:
    return release_resources(workshop.stage("ReleaseResources", run, outcome=FAILED))


def check(workshop: Workshop, run: Run) -> None:
    pipeline = workshop.pipeline
    resources = pipeline.resources.of_run(run.run_id)
    check_released(pipeline.registry.run(run.run_id), resources, pipeline.tasks.state(run.task), pipeline.now())


def refused_until(workshop: Workshop, run: Run, match: str) -> datetime:
    with pytest.raises(RetryRefused, match=match) as refusal:
        check(workshop, run)
    (said,) = re.findall(r"retry it after (\S+Z)\.", str(refusal.value))
    return datetime.fromisoformat(said)


def schedule_until(workshop: Workshop, run: Run, moment: datetime) -> None:
    """Let the schedule do its work until a moment; Bedrock finishes what it was asked in between."""
    while workshop.time < moment:
        workshop.time += RELEASED_EVERY
        release(workshop, run)
        settle(workshop)
    workshop.time = moment


def settle(workshop: Workshop) -> None:
    for endpoint in workshop.client.endpoints.values():
        endpoint["status"] = "InService"


def test_what_bills_by_the_hour_must_be_gone(workshop: Workshop) -> None:
    # Given a failed run whose endpoint is still being deleted
    run = workshop.run()
    left = workshop.made(run, THROUGHPUT, "left", "arn:left")
    end(workshop, run)
    workshop.pipeline.resources.created(left, "arn:left")
    # When / Then
    assert refused_until(workshop, run, "provisioned_throughput left") - workshop.time < timedelta(minutes=6)
    workshop.pipeline.resources.released(left, workshop.now())
    check(workshop, run)


def test_a_plan_that_a_lambda_may_still_carry_out_is_waited_for_and_the_time_said_is_true(workshop: Workshop) -> None:
    # Given a run that was killed before its create call was seen to succeed
    run = workshop.run()
    workshop.made(run, DEPLOYMENT, "may-come", None, state=PLANNED)
    workshop.pass_time(minutes=3)
    end(workshop, run)
    # When
    until = refused_until(workshop, run, "custom_model_deployment may-come")
    # Then
    assert until - workshop.time > timedelta(minutes=13)
    schedule_until(workshop, run, until)
    check(workshop, run)


@pytest.mark.usefixtures("students", "parameters")
class TestLease:
    """A second student was to take over the endpoint of the champion."""

    def killed_while_moving(self, workshop: Workshop) -> tuple[Run, Run, str]:
        first = promoted(workshop, "1")
        second, (_, model) = evaluated(workshop, "2"), champion(workshop)
        workshop.made(second, CUSTOM_MODEL, MODEL, workshop.client.models[MODEL]["modelArn"])
        assert promote(workshop, second)["status"] == "IN_PROGRESS"
        return first, second, model

    def test_until_the_champions_endpoint_serves_its_own_model_again(self, workshop: Workshop) -> None:
        # Given
        first, second, model = self.killed_while_moving(workshop)
        end(workshop, second)
        settle(workshop)
        assert champion(workshop)[1] != model
        # When
        until = refused_until(workshop, second, f"{second.run_id}-1 holds the lease of task 'video'")
        schedule_until(workshop, second, until)
        # Then
        check(workshop, second)
        assert champion(workshop) == (first.run_id, model)
        assert workshop.pipeline.tasks.state("video").lease_owner is None

    def test_also_after_the_lease_has_expired(self, workshop: Workshop) -> None:
        # Given an endpoint that takes longer than any deadline
        _, second, _ = self.killed_while_moving(workshop)
        end(workshop, second)
        workshop.pass_time(days=1)
        # When / Then
        refused_until(workshop, second, "holds the lease")

    def test_a_lease_that_nobody_comes_back_for_is_waited_out(self, workshop: Workshop) -> None:
        # Given a Lambda that outlived its execution and took the lease after the release
        run = workshop.run()
        end(workshop, run)
        expires = iso(workshop.time + timedelta(hours=2))
        workshop.pipeline.tasks.take_lease("video", f"{run.run_id}-1", None, workshop.now(), expires)
        # When
        until = refused_until(workshop, run, "holds the lease")
        # Then
        assert timedelta() < until - datetime.fromisoformat(expires) <= timedelta(seconds=1)
        workshop.time = until
        check(workshop, run)

    def test_the_release_of_a_later_attempt_gives_it_back(self, workshop: Workshop) -> None:
        # Given
        run = workshop.run()
        expires = iso(workshop.time + timedelta(hours=2))
        workshop.pipeline.tasks.take_lease("video", f"{run.run_id}-1", None, workshop.now(), expires)
        second = workshop.fail_and_retry(run)
        # When
        release(workshop, second)
        # Then
        assert workshop.pipeline.tasks.state("video").lease_owner is None

    def test_one_of_another_run_is_no_matter_of_this_one(self, workshop: Workshop) -> None:
        run = workshop.run()
        end(workshop, run)
        expires = iso(workshop.time + timedelta(hours=2))
        workshop.pipeline.tasks.take_lease("video", "video-other-1", None, workshop.now(), expires)
        check(workshop, run)


@pytest.mark.usefixtures("students", "parameters")
class TestStoppedInside:
    """StopExecution does not stop a Lambda under way: the release works beside it."""

    def promotion(self, workshop: Workshop, owner: type, call: str, *, dies: bool = False) -> Run:
        """Let a run be released while its PromoteStudent stands before a call, which it then makes."""
        promoted(workshop, "1")
        second = evaluated(workshop, "2")
        workshop.made(second, CUSTOM_MODEL, MODEL, workshop.client.models[MODEL]["modelArn"])
        original = getattr(owner, call)

        def meanwhile(*arguments: Any, **named: Any) -> None:
            patch.undo()
            end(workshop, second)
            original(*arguments, **named)
            if dies:
                raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, call, meanwhile)
            with contextlib.suppress(LeaseTaken, Killed):
                promote(workshop, second)
        settle(workshop)
        return second

    @pytest.mark.parametrize("dies", [False, True], ids=["and goes on", "and dies"])
    @pytest.mark.parametrize("call", [(BedrockControl, "point_endpoint"), (TaskBook, "check_lease")])
    def test_as_it_points_the_endpoint_away_it_is_put_back(
        self, workshop: Workshop, call: tuple[type, str], dies: bool
    ) -> None:
        # Given
        second = self.promotion(workshop, *call, dies=dies)
        served, model = champion(workshop)
        moved = model == workshop.client.models[MODEL]["modelArn"]
        assert moved or (dies and call[1] == "check_lease")
        # When
        schedule_until(workshop, second, refused_until(workshop, second, "holds the lease"))
        # Then
        check(workshop, second)
        assert champion(workshop) == (served, workshop.client.models["dev-video-1"]["modelArn"])

    def test_before_it_wrote_down_that_it_points_nothing_is_pointed(self, workshop: Workshop) -> None:
        # Given
        second = self.promotion(workshop, Registry, "record_facts")
        # Then
        assert workshop.client.called("UpdateProvisionedModelThroughput") == []
        check(workshop, second)

    def test_a_refused_update_keeps_nobody_waiting(self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        # Given
        promoted(workshop, "1")
        second = evaluated(workshop, "2")
        workshop.made(second, CUSTOM_MODEL, MODEL, workshop.client.models[MODEL]["modelArn"])

        def refused(*_: object, **__: object) -> None:
            raise refuse("AccessDeniedException", "UpdateProvisionedModelThroughput")

        monkeypatch.setattr(BedrockControl, "point_endpoint", refused)
        with pytest.raises(ClientError):
            promote(workshop, second)
        # When
        result = end(workshop, second)
        # Then
        assert result["status"] == "COMPLETED"
        check(workshop, second)
