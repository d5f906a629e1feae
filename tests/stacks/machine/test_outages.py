"""What an outage does to the loops that watch paid work of hours: it is outlasted, within the history's limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lambdas.domain.errors import permanent_error_names
from tests.stacks.machine.asl_walk import TaskFailed, Walk, Walker
from tests.stacks.machine.test_state_machine_runs import NEVER, WAIT_SECONDS, Results

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stacks.templates import Deployment, Json

WATCHING = ["RunTeacherBatch", "LaunchDistillation"]
PASSING = ["RetryLater", "ThrottlingException", "ClientError", "Lambda.ServiceException", "States.Timeout"]
HOUR = 3600


class Struck(Results):
    """Results of a machine one Task of which fails at some of its visits.

    Parameters
    ----------
    stage : str
        The Task.
    fails : callable
        Whether it fails at a visit, counted from 0.
    error : str
        The error's name.
    """

    def __init__(self, stage: str, fails: Callable[[int], bool], error: str = "RetryLater", **results: Any) -> None:
        super().__init__(**results)
        self._stage, self._fails, self._error, self._visit = stage, fails, error, -1

    def __call__(self, state: str, sent: Json) -> Any:
        if state == self._stage:
            self._visit += 1
            if self._fails(self._visit):
                raise TaskFailed(self._error, "the service is down")
        return super().__call__(state, sent)


def walked(deployment: Deployment, results: Results) -> Walk:
    return Walker(deployment.definition(), results).walk()


def seconds_between_polls(deployment: Deployment, stage: str) -> int:
    return WAIT_SECONDS if stage == "RunTeacherBatch" else deployment.settings.distillation_poll_seconds


def test_after_an_error_the_batch_is_polled_as_often_as_its_lambda_said(deployment: Deployment) -> None:
    # Given a Lambda that spaces its polls by its task's deadline, and fails at some of them
    walk = walked(deployment, Struck("RunTeacherBatch", lambda visit: 0 < visit <= 5, polls={"RunTeacherBatch": 10}))
    # Then polls that fail do not use the deadline up any faster
    assert walk.visits("RunTeacherBatch") == 16
    assert walk.waited_seconds >= 15 * WAIT_SECONDS


@pytest.mark.parametrize("stage", WATCHING)
@pytest.mark.parametrize("error", PASSING)
def test_an_outage_of_an_hour_does_not_end_a_run_whose_paid_work_goes_on(
    deployment: Deployment, stage: str, error: str
) -> None:
    # Given a service that is down for an hour of polls, ten polls into the work
    polls = HOUR // seconds_between_polls(deployment, stage)
    # When
    walk = walked(deployment, Struck(stage, lambda visit: 10 <= visit < 10 + polls, error, polls={stage: 20}))
    # Then
    assert walk.status == "SUCCEEDED"
    assert walk.visits(stage) == 21 + polls
    assert walk.last_payload("PublishReport") == {"run_id": "run", "attempt": 1, "outcome": "PROMOTED", "error": None}


@pytest.mark.parametrize("stage", WATCHING)
def test_an_error_that_does_not_pass_ends_the_run_with_itself_little_more_than_an_hour_later(
    deployment: Deployment, stage: str
) -> None:
    # When
    walk = walked(deployment, Struck(stage, lambda _: True, "AccessDeniedException"))
    # Then
    assert HOUR <= walk.waited_seconds <= 1.2 * HOUR
    assert walk.last_payload("ReleaseResources")["outcome"] == "FAILED"
    assert (walk.status, walk.error, walk.cause) == ("FAILED", "AccessDeniedException", "the service is down")


@pytest.mark.parametrize("stage", WATCHING)
def test_only_polls_that_fail_one_after_the_other_are_an_outage(deployment: Deployment, stage: str) -> None:
    walk = walked(deployment, Struck(stage, lambda visit: visit % 2 == 0, polls={stage: 40}))
    assert walk.status == "SUCCEEDED"


@pytest.mark.parametrize("stage", WATCHING)
@pytest.mark.parametrize("error", permanent_error_names())
def test_a_permanent_error_ends_the_run_at_once(deployment: Deployment, stage: str, error: str) -> None:
    walk = walked(deployment, Struck(stage, lambda visit: visit == 3, error, polls={stage: NEVER}))
    assert walk.visits(stage) == 4
    assert (walk.status, walk.error) == ("FAILED", error)


def test_polls_that_fail_count_towards_the_deadline(deployment: Deployment) -> None:
    # Given a job that does not end, and a service that is down at the last poll
    limit = deployment.settings.distillation_polls
    # When
    walk = walked(
        deployment, Struck("LaunchDistillation", lambda visit: visit % 3 == 2, polls={"LaunchDistillation": NEVER})
    )
    # Then
    assert walk.visits("LaunchDistillation") == limit
    assert walk.error == ("RetryLater" if (limit - 1) % 3 == 2 else "DeadlineExceeded")


@pytest.mark.parametrize("stage", WATCHING)
def test_no_pattern_of_errors_writes_more_history_than_the_settings_promise(deployment: Deployment, stage: str) -> None:
    # Given a service that recovers just before every outage counts as one, until the deadline
    row = HOUR // seconds_between_polls(deployment, stage)
    settings = deployment.settings
    polls = dict.fromkeys(("DeployCandidate", "PromoteStudent"), settings.endpoint_polls - 1)
    polls |= {"RunTeacherBatch": NEVER, "LaunchDistillation": settings.distillation_polls - 1}
    polls |= {"BakeStudent": NEVER, "ReleaseResources": NEVER, stage: NEVER}
    # When
    walk = walked(deployment, Struck(stage, lambda visit: visit % (row + 1) != row, polls=polls))
    # Then
    assert walk.visits(stage) > 100
    assert walk.events <= settings.worst_case_history_events()


LOOPS = [
    "RunTeacherBatch",
    "LaunchDistillation",
    "DeployCandidate",
    "PromoteStudent",
    "BakeStudent",
    "ReleaseResources",
]


@pytest.mark.parametrize("stage", LOOPS)
def test_a_poll_whose_lambda_the_account_had_no_room_for_is_one_more_poll(deployment: Deployment, stage: str) -> None:
    # Given an account that runs few Lambdas at once, all of them taken at four polls of five
    polls = {stage: 2}
    struck = Struck(stage, lambda visit: visit % 5 != 4, "Lambda.TooManyRequestsException", polls=polls)
    # When
    walk = walked(deployment, struck)
    # Then
    assert walk.status == "SUCCEEDED"
    assert walk.last_payload("PublishReport")["outcome"] == "PROMOTED"


@pytest.mark.parametrize(
    ("stage", "polls"),
    [
        ("LaunchDistillation", "distillation_polls"),
        ("DeployCandidate", "endpoint_polls"),
        ("PromoteStudent", "endpoint_polls"),
    ],
)
def test_an_account_without_any_room_ends_at_the_deadline(deployment: Deployment, stage: str, polls: str) -> None:
    # When
    walk = walked(deployment, Struck(stage, lambda _: True, "Lambda.TooManyRequestsException"))
    # Then
    assert walk.visits(stage) == getattr(deployment.settings, polls)
    assert walk.error == "DeadlineExceeded"
    assert walk.events <= deployment.settings.worst_case_history_events()
