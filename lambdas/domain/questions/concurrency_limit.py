"""How many calls may be in progress at once: found by trying, since no service says what an account's quota allows.

The limit grows while calls are answered and falls when one is throttled (AIMD, D.-M. Chiu and R. Jain, 1989). Until
the first throttle it triples in each call time. After it the limit climbs back to just below where it was throttled and
stays there; it tries one more only after many answers, more rarely each time that fails, so that probing costs few
throttles, and in larger steps each time that succeeds, so that what others leave free is taken. Starts are spread over
the call time, so that neither a beginning nor an end of a pause is a herd.

Pure logic: it is told the time and knows no clock, no thread and no service.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

FIRST_LIMIT = 4.0
"""Calls at once before anything is known; several Lambdas start with it at the same time."""

START_FACTOR = 3.0
"""Growth in one call time until the first throttle; also how far the limit may exceed what was proven."""

DROP_FACTOR = 0.9
"""What a throttle leaves of the calls that were in progress."""

PATIENCE = 8
"""Call times at the limit before one more is tried: a probe that fails costs one throttle."""

LEAST_PATIENCE, MOST_PATIENCE = 2, 64
"""Each probe that succeeds halves the patience, each that fails doubles it: of several Lambdas at one quota, those
with little then catch up, and one alone at a small quota stops asking."""

MOST_STEP = 8
"""A probe that succeeds doubles the step of the next one up to this: what other Lambdas leave free at their end is
taken soon. A throttle brings it back to one."""

USED = 0.8
"""Share of the limit that must be in progress for it to count as used: from an end to the next start there is a gap."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 20.0
"""Pauses after throttles without any answer between them double from the one to the other, with jitter."""

STARTS_A_CALL_TIME = 4.0
"""Starts in one call time, as a multiple of the limit: fast enough to refill, too slow for a herd."""


@dataclass(frozen=True, slots=True)
class Started:
    """A call in progress: how many there were with it, and after which drop of the limit it began."""

    level: int
    generation: int


class CallLimit:
    """The calls that one process may have in progress at one model.

    Parameters
    ----------
    most : int
        Never more at once than this.
    jitter : callable, optional
        Gives a number from 0 to 1; replaced in tests.
    """

    def __init__(self, most: int, *, jitter: random.Random | None = None) -> None:
        self.most = most
        self.limit = min(float(most), FIRST_LIMIT)
        self.running = 0
        self.streak = 0
        """Drops since the last answer."""
        self._jitter = jitter or random.Random()  # noqa: S311 - jitter, not a secret
        self._ceiling: float | None = None
        self._generation = 0
        self._proven = 0
        self._answers = 0
        self._patience = PATIENCE
        self._step = 1
        self._call_time = 1.0
        self._timed = False
        self._grown_at: float | None = None
        self._next_start = -math.inf
        self._paused_until = -math.inf

    def delay(self, now: float) -> float:
        """Give the seconds until the next call may start; infinite while it must wait for another call's end."""
        self._grow(now)
        if self.running >= self.allowed:
            return max(self._until_growth(), self._paused_until - now) if self._may_grow() else math.inf
        return max(0.0, self._next_start - now, self._paused_until - now)

    @property
    def allowed(self) -> int:
        """Calls that may be in progress now: after throttles alone only one, which asks whether they are over."""
        return 1 if self.streak > 1 else max(1, int(self.limit))

    def start(self, now: float) -> Started:
        """Count a call that begins."""
        self.running += 1
        self._next_start = now + self._call_time / (STARTS_A_CALL_TIME * self.allowed)
        return Started(self.running, self._generation)

    def answered(self, call: Started, seconds: float) -> None:
        """Count a call that was answered after some seconds."""
        self.running -= 1
        self.streak = 0
        self._proven = max(self._proven, call.level)
        self._call_time += (seconds - self._call_time) * (0.2 if self._timed else 1.0)
        self._timed = True
        if self._ceiling is not None and call.level > self._ceiling and call.generation == self._generation:
            self._ceiling, self._answers = float(call.level), 0
            if call.level >= int(self.limit):
                self._patience = max(LEAST_PATIENCE, self._patience // 2)
                self._step = min(MOST_STEP, 2 * self._step)
        elif call.level >= USED * int(self.limit):
            self._answers += 1

    def ended(self) -> None:
        """Count a call that ended without saying anything about the quota."""
        self.running -= 1

    def throttled(self, call: Started, now: float, retry_after: float | None = None) -> None:
        """Count a throttled call: calls that began before the last drop lower the limit no further.

        Parameters
        ----------
        call : Started
        now : float
            Seconds.
        retry_after : float, optional
            Seconds that the service asks to wait.
        """
        self.running -= 1
        if retry_after is not None:
            # Not before what the service asked for, and not all at the same moment after it.
            self._paused_until = max(self._paused_until, now + retry_after * (1 + 0.1 * self._jitter.random()))
        if call.generation < self._generation:
            return
        self._generation += 1
        self.streak += 1
        self._patience = PATIENCE if self._ceiling is None else min(MOST_PATIENCE, max(PATIENCE, 2 * self._patience))
        self._ceiling, self._step = max(1.0, call.level - 1.0), 1
        self.limit = max(1.0, min(self.limit, DROP_FACTOR * call.level))
        self._proven = min(self._proven, int(self._ceiling))
        self._answers, self._grown_at = 0, now
        if self.streak > 1:
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (self.streak - 2))
            self._paused_until = max(self._paused_until, now + pause * (0.5 + 0.5 * self._jitter.random()))

    def _may_grow(self) -> bool:
        return self.streak == 0 and self.limit < self._target()

    def _target(self) -> float:
        """Give the limit to which growth leads without another answer."""
        if self._ceiling is None:
            return min(float(self.most), START_FACTOR * max(self._proven, FIRST_LIMIT / START_FACTOR))
        probe = self._step if self._answers >= self._patience * self.limit else 0
        return min(float(self.most), self._ceiling + probe)

    def _rate(self) -> float:
        """Growth in calls a second."""
        a_call_time = (
            self.limit * math.log(START_FACTOR) if self._ceiling is None else max(self._step, 0.05 * self._ceiling)
        )
        return a_call_time / self._call_time

    def _until_growth(self) -> float:
        missing = math.floor(self.limit) + 1 - self.limit
        return max(0.001, missing / self._rate())

    def _grow(self, now: float) -> None:
        since, self._grown_at = self._grown_at, now
        # A limit that is not used says nothing about the quota, so it does not grow.
        if since is None or self.running < USED * int(self.limit) or not self._may_grow():
            return
        self.limit = min(self._target(), self.limit + self._rate() * (now - since))
