"""The limit of calls at once finds a quota in virtual time: no thread, no clock, no service."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.dataset.records import Record, parse_line
from lambdas.domain.dataset.shards import shards
from lambdas.domain.questions.concurrency_limit import FIRST_LIMIT, CallLimit
from tests.unit.domain.questions.virtual_time import ask


def workers(count: int, most: int = 64, *, models: int = 1, seed: int = 0) -> list[list[CallLimit]]:
    dice = random.Random(seed)  # noqa: S311 - reproducible
    return [[CallLimit(most, jitter=random.Random(dice.random())) for _ in range(models)] for _ in range(count)]  # noqa: S311


def cut(questions: int, most: int) -> list[int]:
    return [min(most, questions - first) for first in range(0, questions, most)]


def records(count: int, seed: int) -> list[Record]:
    return [parse_line(json.dumps({"prompt": f"clip {number} of {seed}"}).encode()) for number in range(count)]


@pytest.mark.parametrize(
    ("count", "quota", "questions"), [(1, 1, 500), (1, 2, 500), (1, 20, 2_000), (1, 60, 3_000), (4, 20, 4_000)]
)
def test_a_quota_is_found_and_used_with_few_throttles(count: int, quota: int, questions: int) -> None:
    # When
    outcome = ask(workers(count), cut(questions, 250 if count > 1 else questions), quota, seconds=0.5)

    # Then
    assert outcome.wall <= 1.2 * questions * 0.5 / quota
    assert outcome.share < 0.02


def test_what_others_leave_free_at_their_end_is_soon_taken() -> None:
    # Given a Lambda that has found its share, and others that end after twenty call times
    until, share, quota = 20.0, 10, 40
    # When
    outcome = ask(workers(1), [1_600], quota, seconds=1.0, shared=(until, share))
    # Then the quota is filled again: with one call more at a time the rest would have taken 83 seconds
    assert outcome.highest >= quota
    assert outcome.wall < until + 65
    assert outcome.share < 0.02


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "count", "models"), [("teacher", 2_400, 1), ("holdout", 1_000, 5)])
def test_lambdas_with_unlike_shares_of_the_quota_end_together(kind: str, count: int, models: int, seed: int) -> None:
    # Given the shards of a dataset, for four Lambdas of which nothing is warm
    at_once, quota, seconds = 4, 40, 0.8
    sizes = [len(members) for members in shards(records(count, seed), kind, at_once).values()]

    # When each answer of a contestant is a question to the judge, or the teacher alone is asked
    outcome = ask(workers(at_once, models=models, seed=seed), sizes, quota, seconds, seed=seed)

    # Then the model that is asked last is asked nearly all the time
    questions = count * max(1, models - 1)
    assert outcome.calls - outcome.throttled == questions
    assert outcome.wall <= 1.2 * questions * seconds / quota
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
    outcome = ask(workers(count, most), cut(questions, 250), quota, seconds)
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
