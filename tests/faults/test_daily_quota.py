"""A quota of the day is waited for in the state machine, and its words reach whoever must act."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from local.bedrock_simulator.protocol.service import Request
from tests.faults import scenarios
from tests.faults.gateway import in_front, through
from tests.faults.scenarios import finish, upload
from tests.faults.world import World, deployed
from tests.in_process import Answer
from tests.stacks.templates import Deployment

SAYS = "Too many tokens per day, please wait before trying again."
USED_UP: Answer = (429, {"x-amzn-errortype": "ThrottlingException"}, f'{{"message": "{SAYS}"}}'.encode())
RESET = timedelta(hours=20)


@pytest.fixture
def world(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(scenarios, "HOLDOUT", 16)
    with deployed(deployment) as world:
        yield world


def refusing(world: World, since: Callable[[str], int | None]) -> Callable[[Request], Answer]:
    """Refuse calls of a Lambda from its n-th on, until the day is over for it."""
    asked: Counter[str] = Counter()
    until: dict[str, object] = {}

    def answer(request: Request) -> Answer:
        first = since(world.running)
        if first is not None and request.path.startswith("/model/"):
            asked[world.running] += 1
            if asked[world.running] >= first:
                reset = until.setdefault(world.running, world.clock.now() + RESET)
                if world.clock.now() < reset:  # type: ignore[operator]
                    return USED_UP
        return through(world, request)

    return answer


def test_a_run_waits_for_the_quota_of_the_day_in_every_stage_that_asks_models(world: World) -> None:
    # Given an account whose quota is used up in the middle of each of these stages
    waiting = {"calibrate_judge": 3, "generate_teacher_data": 50, "evaluate_student": 40, "score_evaluation": 2}
    run_id = upload(world, "video", "of the day", teacher_data={"deadline_hours": 0.5})
    begun = world.clock.now()
    # When
    with in_front(world, refusing(world, waiting.get)):
        finish(world, run_id)
    # Then
    run = world.run(run_id)
    assert run.outcome == "PROMOTED", run.reason
    assert world.clock.now() - begun > len(waiting) * RESET
    # And nothing was bought twice
    assert [len(world.control("resources")[kind]) for kind in ("jobs", "throughputs")] == [1, 1]


def test_a_quota_that_is_used_up_while_a_throughput_bills_gives_it_back_and_says_so(world: World) -> None:
    # Given
    run_id = upload(world, "video", "of the day")
    # When
    with in_front(world, refusing(world, {"promote_student": 2}.get)):
        finish(world, run_id)
    # Then
    run = world.run(run_id)
    assert run.outcome == "FAILED"
    assert SAYS.rstrip(".") in str(run.reason)
    assert "Retry the run when the quota has been reset" in str(run.reason)
    assert world.leaked() == []


def test_a_quota_that_is_never_reset_ends_the_run_with_the_words_of_the_service(world: World) -> None:
    # Given
    run_id = upload(world, "video", "of the day")
    begun = world.clock.now()

    def never(request: Request) -> Answer:
        asks = request.path.startswith("/model/") and world.running == "calibrate_judge"
        return USED_UP if asks else through(world, request)

    # When
    with in_front(world, never):
        finish(world, run_id)
    # Then it was waited for as long as the setting says
    run = world.run(run_id)
    assert run.outcome == "FAILED"
    assert world.clock.now() - begun >= timedelta(hours=48)
    assert SAYS in str(run.reason)
    assert "claude-sonnet-4-6" in str(run.reason)
    assert "application-inference-profile" not in str(run.reason)
