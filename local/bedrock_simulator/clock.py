"""The time that moves jobs, deployments and throughput on; tests move it by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Anything that tells the time."""

    def now(self) -> datetime:
        """Return the present time, aware, in UTC."""
        ...


class SystemClock:
    """The time of day."""

    def now(self) -> datetime:
        """Return the present time, aware, in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A time that stands still until it is moved.

    Parameters
    ----------
    start : datetime
        Where it begins, aware.
    """

    def __init__(self, start: datetime = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the time that was set."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the time on by ``seconds``."""
        self._now += timedelta(seconds=seconds)
