"""Latency, quotas and storms: what a benchmark of calls sets, and what a caller must live with."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.simulator.conftest import Account, refusal

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


class TestConcurrency:
    def test_more_at_once_than_the_quota_are_throttled(self, account: Account) -> None:
        # Given calls that take long, and a quota of two at once
        account.control.change(latency_ms=1500, max_concurrency=2)
        with ThreadPoolExecutor(2) as pool:
            asking = [pool.submit(account.ask, MICRO, "a guitar song") for _ in range(2)]
            time.sleep(0.6)

            # When / Then a third is refused at once, another model answers, and so do the two
            began = time.monotonic()
            assert refusal(lambda: account.ask(MICRO, "a guitar song"))[:2] == ("ThrottlingException", 429)
            assert time.monotonic() - began < 1
            account.control.change(latency_ms=None)
            assert account.ask(PRO, "a guitar song")
            assert all(future.result() for future in asking)

        # And afterwards there is room again
        assert account.ask(MICRO, "a guitar song")

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

    def test_calls_beside_each_other_do_not_wait_for_each_other(self, account: Account) -> None:
        # Given a latency of a quarter of a second
        account.control.change(latency_ms=250)
        ready = threading.Barrier(20)

        def ask() -> float:
            ready.wait()
            began = time.monotonic()
            account.ask(MICRO, "a guitar song")
            return time.monotonic() - began

        # When twenty ask at once
        with ThreadPoolExecutor(20) as pool:
            took = sorted(pool.map(lambda _: ask(), range(20)))

        # Then they took far less than one after the other
        assert took[-1] < 2.5


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
