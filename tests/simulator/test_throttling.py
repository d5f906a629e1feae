"""Latency, quotas and storms: what a benchmark of calls sets, and what a caller must live with."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.bedrock_simulator.control import SimulatorControl
from local.bedrock_simulator.objects import MemoryObjectStore
from local.bedrock_simulator.server import SimulatorServer
from local.bedrock_simulator.simulator import Simulator
from tests.simulator import toy
from tests.simulator.conftest import Account, make_client, refusal

MICRO, PRO = "amazon.nova-micro-v1:0", "amazon.nova-pro-v1:0"


def outcomes(account: Account, model_id: str, count: int) -> list[int]:
    """Ask one after the other; return the HTTP statuses."""
    statuses = []
    for _ in range(count):
        try:
            account.ask(model_id, "a guitar song")
            statuses.append(200)
        except ClientError as error:
            statuses.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return statuses


@dataclass
class SlowTeacher:
    """Rules that answer only once somebody lets them; they tell how many wait."""

    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go_on: threading.Event = field(default_factory=threading.Event)

    def answer(self, query: str) -> dict[str, float | str]:
        self.waiting.release()
        assert self.go_on.wait(30)
        return toy.answer(query)


@pytest.fixture
def slow() -> Iterator[tuple[SlowTeacher, str]]:
    """A simulator whose teacher takes its time, and where it listens."""
    teacher = SlowTeacher()
    server = SimulatorServer(Simulator(MemoryObjectStore(), teacher.answer)).start()
    yield teacher, server.url
    teacher.go_on.set()
    server.close()


def ask_at(url: str, model_id: str = PRO) -> Any:
    messages = [{"role": "user", "content": [{"text": "a guitar song"}]}]
    return make_client(url, "bedrock-runtime").converse(modelId=model_id, messages=messages)


class TestConcurrency:
    def test_more_at_once_than_the_quota_are_throttled(self, slow: tuple[SlowTeacher, str]) -> None:
        # Given a quota of two at once, and two calls under way
        teacher, url = slow
        SimulatorControl(url).change(max_concurrency=2)
        with ThreadPoolExecutor(3) as pool:
            asking = [pool.submit(ask_at, url) for _ in range(2)]
            assert all(teacher.waiting.acquire(timeout=30) for _ in asking)

            # When / Then a third is refused while they last, though not at another model
            assert refusal(lambda: ask_at(url))[:2] == ("ThrottlingException", 429)
            other = pool.submit(ask_at, url, MICRO)
            assert teacher.waiting.acquire(timeout=30)
            teacher.go_on.set()
            assert all(future.result() for future in [*asking, other])

        # And afterwards there is room again
        assert ask_at(url)

    def test_calls_do_not_wait_for_each_other(self, slow: tuple[SlowTeacher, str]) -> None:
        # Given / When twenty ask
        teacher, url = slow
        with ThreadPoolExecutor(20) as pool:
            asking = [pool.submit(ask_at, url) for _ in range(20)]

            # Then all twenty are at the model at the same time
            assert all(teacher.waiting.acquire(timeout=30) for _ in asking)
            teacher.go_on.set()
            assert all(future.result() for future in asking)

    def test_a_refused_call_gives_its_place_back(self, account: Account) -> None:
        # Given a quota of one, and a prompt that is refused
        account.control.change(max_concurrency=1)
        account.control.order("refuse_prompt", containing="drone")
        assert refusal(lambda: account.ask(MICRO, "a drone"))[0] == "ValidationException"

        # When / Then
        assert outcomes(account, MICRO, 3) == [200, 200, 200]

    def test_every_call_takes_the_set_latency(self, account: Account) -> None:
        # Given
        account.control.change(latency_ms=80)

        # When / Then
        began = time.monotonic()
        assert account.ask(MICRO, "a guitar song")["metrics"]["latencyMs"] == 80
        assert time.monotonic() - began >= 0.08


class TestRequestsPerMinute:
    def test_the_bucket_fills_with_time(self, account: Account) -> None:
        # Given sixty a minute, three at once
        account.control.change(requests_per_minute=60, burst_requests=3)

        # When / Then
        assert outcomes(account, MICRO, 4) == [200, 200, 200, 429]
        account.clock.advance(2)
        assert outcomes(account, MICRO, 3) == [200, 200, 429]
        account.clock.advance(3600)
        assert outcomes(account, MICRO, 4) == [200, 200, 200, 429]

    def test_a_profile_and_its_model_share_a_quota(self, account: Account) -> None:
        # Given / When / Then
        account.control.change(requests_per_minute=2)
        assert outcomes(account, MICRO, 1) + outcomes(account, f"us.{MICRO}", 2) == [200, 200, 429]

    def test_a_throughput_has_none(self, account: Account, trained: str) -> None:
        # Given an endpoint of each kind
        throughput, deployment = account.provision(trained), account.deploy(trained)
        account.control.change(requests_per_minute=1)

        # When / Then
        assert outcomes(account, throughput, 3) == [200, 200, 200]
        assert outcomes(account, deployment, 2) == [200, 429]

    @pytest.mark.parametrize(("setting", "header"), [(None, None), (1.5, "1.5")])
    def test_when_to_come_again(self, account: Account, setting: float | None, header: str | None) -> None:
        # Given / When
        account.control.change(max_concurrency=0, retry_after_seconds=setting)
        with pytest.raises(ClientError) as caught:
            account.ask(MICRO, "hello")

        # Then
        assert caught.value.response["ResponseMetadata"]["HTTPHeaders"].get("retry-after") == header


class TestStorm:
    def test_it_blows_for_its_time(self, account: Account) -> None:
        # Given a storm of ten seconds
        account.control.order("throttling_storm", seconds=10, retry_after_seconds=2)

        # When / Then
        assert outcomes(account, MICRO, 2) == [429, 429]
        account.clock.advance(9)
        assert outcomes(account, MICRO, 1) == [429]
        account.clock.advance(1)
        assert outcomes(account, MICRO, 2) == [200, 200]

    def test_it_may_hit_a_share_of_one_models_calls(self, account: Account) -> None:
        # Given
        account.control.order("throttling_storm", fraction=0.5, model="nova-micro")

        # When
        statuses = outcomes(account, MICRO, 60)

        # Then about half are throttled, again and again, and another model is not
        assert 15 < statuses.count(429) < 45
        assert outcomes(account, PRO, 5) == [200] * 5

    def test_throttled_calls_cost_nothing(self, account: Account) -> None:
        # Given / When
        account.control.order("throttling_storm", count=3)
        outcomes(account, MICRO, 4)

        # Then
        assert len(account.control.billing()) == 1


def test_settings_that_make_no_sense(account: Account) -> None:
    # Given / When / Then
    for change in ({"latency_ms": -1}, {"max_concurrency": "two"}, {"requests_per_minute": True}):
        before: dict[str, Any] = account.control.settings()
        with pytest.raises(Exception, match="must be a number"):
            account.control.change(**change)
        assert account.control.settings() == before
