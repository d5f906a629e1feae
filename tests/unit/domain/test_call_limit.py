"""The limit of calls at once finds a quota in virtual time: no thread, no clock, no service."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.call_limit import FIRST_LIMIT, CallLimit, Started


@dataclass
class Outcome:
    wall: float
    calls: int
    throttled: int
    highest: int

    @property
    def share(self) -> float:
        return self.throttled / self.calls


def ask(
    limits: list[CallLimit],
    questions: int,
    quota: int,
    seconds: float,
    shard: int = 250,
    shared: tuple[float, int] = (0.0, 0),
) -> Outcome:
    """Let limits ask a service that takes ``quota`` calls at once and throttles in five milliseconds.

    Until the time ``shared[0]`` strangers leave only ``shared[1]`` of the quota.
    """
    dice, now, order, running = random.Random(1), 0.0, 0, 0  # noqa: S311 - reproducible
    # As in a map over shards: whoever has answered a shard takes the next one.
    pool, left, unanswered = questions, [0] * len(limits), [0] * len(limits)
    events: list[tuple[float, int, int, Started, float]] = []
    outcome = Outcome(0.0, 0, 0, 0)
    while True:
        next_start = float("inf")
        for number, limit in enumerate(limits):
            if not unanswered[number]:
                left[number] = unanswered[number] = min(shard, pool)
                pool -= left[number]
            while left[number]:
                delay = limit.delay(now)
                if delay > 0:
                    next_start = min(next_start, now + delay)
                    break
                left[number] -= 1
                started, order = limit.start(now), order + 1
                outcome.calls += 1
                accepted = running < (shared[1] if now < shared[0] else quota)
                running += accepted
                outcome.highest = max(outcome.highest, limit.running)
                takes = seconds * dice.uniform(0.7, 1.3) if accepted else 0.0
                heapq.heappush(events, (now + (takes or 0.005), order, number, started, takes))
        if events and events[0][0] <= next_start:
            now, _, number, started, takes = heapq.heappop(events)
            if takes:
                running -= 1
                unanswered[number] -= 1
                limits[number].answered(started, takes)
            else:
                outcome.throttled += 1
                limits[number].throttled(started, now)
                left[number] += 1
        elif next_start < float("inf"):
            now = next_start
        else:
            outcome.wall = now
            assert not pool + sum(unanswered), "a limit waits for nothing"
            return outcome


def limits(count: int, most: int = 64) -> list[CallLimit]:
    return [CallLimit(most, jitter=random.Random(number)) for number in range(count)]  # noqa: S311 - reproducible


@pytest.mark.parametrize(
    ("count", "quota", "questions"), [(1, 1, 500), (1, 2, 500), (1, 20, 2_000), (1, 60, 3_000), (4, 20, 4_000)]
)
def test_a_quota_is_found_and_used_with_few_throttles(count: int, quota: int, questions: int) -> None:
    # When
    outcome = ask(limits(count), questions, quota, seconds=0.5, shard=250 if count > 1 else questions)

    # Then
    assert outcome.wall <= 1.2 * questions * 0.5 / quota
    assert outcome.share < 0.02


def test_what_others_leave_free_at_their_end_is_soon_taken() -> None:
    # Given a Lambda that has found its share, and others that end after twenty call times
    until, share, quota = 20.0, 10, 40
    # When
    outcome = ask(limits(1), 1_600, quota, seconds=1.0, shard=1_600, shared=(until, share))
    # Then the quota is filled again: with one call more at a time the rest would have taken 83 seconds
    assert outcome.highest >= quota
    assert outcome.wall < until + 65
    assert outcome.share < 0.02


@given(
    count=st.integers(1, 5),
    quota=st.integers(1, 80),
    questions=st.integers(1, 600),
    seconds=st.floats(0.01, 20),
    most=st.integers(1, 64),
)
def test_whatever_the_quota_every_question_is_answered_and_the_upper_bound_holds(
    count: int, quota: int, questions: int, seconds: float, most: int
) -> None:
    outcome = ask(limits(count, most), questions, quota, seconds)
    assert outcome.highest <= most


def test_the_first_calls_are_no_herd() -> None:
    # Given a model of which nothing is known
    limit = CallLimit(64)

    # When as many calls as possible start in the first tenth of a second
    started, now = 0, 0.0
    while now < 0.1:
        delay = limit.delay(now)
        if delay == 0:
            limit.start(now)
            started += 1
        now += max(delay, 0.001)

    # Then
    assert 1 <= started <= FIRST_LIMIT


def test_no_call_starts_before_the_service_wants_it() -> None:
    # Given
    limit = CallLimit(8)
    call = limit.start(0.0)

    # When
    limit.throttled(call, 1.0, retry_after=7.0)

    # Then
    assert 7.0 <= limit.delay(1.0) <= 7.7
    assert limit.delay(8.8) == 0


def test_throttles_without_an_answer_make_the_pauses_grow_and_leave_one_call_to_probe() -> None:
    # Given
    limit, now, pauses = CallLimit(32), 0.0, []

    # When ten calls in a row are throttled
    for _ in range(10):
        call = limit.start(now)
        limit.throttled(call, now)
        pauses.append(limit.delay(now))
        now += pauses[-1]

    # Then
    assert limit.allowed == 1
    assert 10 <= pauses[-1] <= 20
    assert pauses[3] > pauses[1]

    # When one is answered
    limit.answered(limit.start(now), 1.0)

    # Then
    assert limit.streak == 0
