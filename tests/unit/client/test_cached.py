"""A value that is known is given at once, whatever its source does; what is not known is waited for."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bedrock_student.cached import Cached


class Source:
    """What is read: a number that grows, an error where it is told so."""

    def __init__(self) -> None:
        self.now, self.reads, self.fails = 0.0, 0, False
        self.read_now = threading.Event()
        self.cached: Cached[int] = Cached(self.read, clocks=lambda: (self.now,))

    def read(self) -> int:
        if self.fails:
            self.read_now.set()
            raise OSError("out of reach")
        self.reads += 1
        self.read_now.set()
        return self.reads

    def wait(self) -> None:
        """Wait until the background has read."""
        assert self.read_now.wait(5)
        with self.cached._refreshing:
            self.read_now.clear()


def test_what_was_never_read_and_cannot_be_is_an_error() -> None:
    source = Source()
    source.fails = True
    with pytest.raises(OSError, match="out of reach"):
        source.cached.get()
    # And is not asked for again by each of a thousand callers
    source.fails = False
    with pytest.raises(OSError, match="out of reach"):
        source.cached.get()
    source.now += 6
    assert source.cached.get() == 1


def test_a_value_is_read_again_in_the_background() -> None:
    source = Source()
    assert source.cached.get() == 1
    source.read_now.clear()
    source.now += 50
    assert (source.cached.get(), source.reads) == (1, 1)
    source.now += 20
    assert source.cached.get() == 1
    source.wait()
    assert source.cached.get() == 2


def test_a_stale_value_is_given_on_until_it_is_too_old() -> None:
    source = Source()
    source.cached.get()
    source.fails = True
    source.now += 2999
    assert source.cached.get() == 1
    source.wait()
    source.now += 2
    with pytest.raises(OSError, match="out of reach"):
        source.cached.get()


def test_a_thousand_callers_read_once() -> None:
    # Given a slow source
    gate, source = threading.Event(), Source()
    source.cached._read = lambda: (gate.wait(5), source.read())[1]
    # When
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(source.cached.get) for _ in range(1000)]
        gate.set()
    # Then
    assert {one.result() for one in asked} == {1}
    assert source.reads == 1


def test_processes_do_not_read_at_the_same_moment() -> None:
    lives = set()
    for _ in range(50):
        source = Source()
        source.cached.get()
        assert source.cached._kept is not None
        lives.add(source.cached._kept[2])
    assert len(lives) > 40
    assert min(lives) >= 54
    assert max(lives) <= 66


@pytest.mark.parametrize("which", [0, 1], ids=["the monotonic clock stood still", "the clock of day was set back"])
def test_a_frozen_lambda_knows_how_long_it_was_away(which: int) -> None:
    # Given
    now, reads = [100.0, 100.0], [0]

    def read() -> int:
        reads[0] += 1
        return reads[0]

    cached = Cached(read, clocks=lambda: (now[0], now[1]))
    cached.get()
    # When an hour passes by one clock only
    now[1 - which] += 3600
    now[which] -= 50
    # Then the value is too old to be given on
    assert cached.get() == 2


def test_a_value_is_as_old_as_its_question() -> None:
    # Given a Lambda that is frozen for three hours between the answer and the next line
    source = Source()
    read = source.cached._read

    def frozen() -> int:
        value = read()
        source.now += 10_800
        return value

    source.cached._read = frozen
    source.cached.get()
    # When it goes on
    source.cached._read = read
    # Then the value is too old to be given
    assert source.cached.get() == 2


def test_a_slow_read_does_not_replace_what_was_read_since() -> None:
    # Given a read whose answer is on its way when somebody reads again
    source = Source()
    read = source.cached._read

    def slow() -> int:
        value = read()
        source.cached._read = read
        assert source.cached.reread() == 2
        return value

    source.cached._read = slow
    # Then the newer value is given to both, and kept
    assert source.cached.reread() == 2
    assert source.cached.get() == 2
    assert source.reads == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_is_not_held_up_by_a_lock_of_its_parent() -> None:
    # Given a parent that forks while another thread reads
    source = Source()
    source.cached._waiting.acquire()
    # When
    child = os.fork()
    if child == 0:
        source.cached.after_fork()
        os._exit(0 if source.cached.get() == 1 else 1)
    # Then
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
