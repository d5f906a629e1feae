"""A breaker opens after failures, lets one probe through at a time, and closes by a success."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from bedrock_student.breaker import LONGEST_PAUSE, PROBE_SECONDS, Breaker, Budget


class Timed:
    """A breaker in a time of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.breaker = Breaker(lambda: self.now)

    def call(self, *, ok: bool | None) -> bool:
        """Make a call if one may be made, and tell whether."""
        ticket = self.breaker.ticket()
        if ticket is None:
            return False
        self.breaker.record(ticket, ok=ok)
        return True


def test_failures_in_a_row_open_it() -> None:
    timed = Timed()
    assert [timed.call(ok=False) for _ in range(5)] == [True, True, True, False, False]


def test_one_error_in_a_hundred_does_not() -> None:
    timed = Timed()
    assert all(timed.call(ok=number % 100 != 0) for number in range(10_000))


def test_half_of_the_calls_failing_opens_it_without_a_row() -> None:
    timed = Timed()
    assert not all(timed.call(ok=number % 2 == 0) for number in range(30))


def test_one_probe_is_let_through_at_a_time() -> None:
    # Given
    timed = Timed()
    for _ in range(3):
        timed.call(ok=False)
    timed.now += LONGEST_PAUSE
    # When
    with ThreadPoolExecutor(32) as pool:
        tickets = [ticket for ticket in pool.map(lambda _: timed.breaker.ticket(), range(200)) if ticket]
    # Then
    assert len(tickets) == 1
    # And one that nobody heard of again does not shut it for ever
    timed.now += PROBE_SECONDS
    assert timed.breaker.ticket() is not None


def test_a_call_from_before_says_nothing_new() -> None:
    # Given a call that was in progress when it opened
    timed = Timed()
    early = timed.breaker.ticket()
    assert early is not None
    for _ in range(3):
        timed.call(ok=False)
    # When
    timed.breaker.record(early, ok=True)
    # Then
    assert timed.breaker.is_open
    timed.now += LONGEST_PAUSE
    assert timed.call(ok=True)
    assert not timed.breaker.is_open


def test_a_wrong_request_as_probe_gives_its_place_to_the_next() -> None:
    timed = Timed()
    for _ in range(3):
        timed.call(ok=False)
    timed.now += LONGEST_PAUSE
    assert timed.call(ok=None)
    assert timed.call(ok=True)
    assert not timed.breaker.is_open


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.floats(0.01, 30)), max_size=200))
def test_it_is_never_shut_for_longer_than_its_longest_pause(calls: list[tuple[bool | None, float]]) -> None:
    timed, last = Timed(), 0.0
    for ok, seconds in calls:
        timed.now += seconds
        if timed.call(ok=ok):
            last = timed.now
        assert timed.now - last <= LONGEST_PAUSE + 30


@given(st.lists(st.sampled_from(["quality", "outage", None]), max_size=400), st.floats(0, 0.99))
def test_a_share_is_never_exceeded(kinds: list[str | None], share: float) -> None:
    budget, taken = Budget(size=100, least=10), []
    for kind in kinds:
        if kind is None:
            budget.pass_by()
        taken.append(kind if kind and budget.take(kind, share) else None)
        last = taken[-100:]
        assert all(last.count(one) <= share * max(len(last), 10) + 1 for one in ("quality", "outage"))


def test_budgets_do_not_take_from_each_other() -> None:
    budget = Budget(size=100, least=100)
    assert sum(budget.take("quality", 0.1) for _ in range(50)) == 10
    assert sum(budget.take("outage", 0.2) for _ in range(50)) == 20
