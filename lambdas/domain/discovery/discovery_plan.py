"""Which days of which log source a discovery reads, and over which range it measures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

MAX_DAYS = 92
"""Longest range, as of a run made of logs."""

MAX_READ_DAYS = 300
"""Most days of log sources that one execution reads, about 30 history events each of 25,000 (Step Functions quotas)."""

DELIVERED_AFTER = timedelta(hours=1)
"""How much later than its call an entry may be delivered."""

GENERATION = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")
"""Names of executions that go into keys and queries (Step Functions takes more characters)."""


class InvalidDiscovery(ValueError):
    """A discovery was asked for that cannot be made; nothing was read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoveryRange:
    """UTC days, both included, and whether what was read of them is read again."""

    first: date
    last: date
    again: bool = False

    @classmethod
    def from_request(cls, request: Mapping[str, Any], *, days: int, now: datetime) -> Self:
        """Read the input of the execution; without a range it is the last ``days`` days that are complete.

        Parameters
        ----------
        request : mapping
            ``from`` and ``to`` (ISO days), and ``again``; each may be missing.
        days : int
            Of the settings.
        now : datetime
            Aware.

        Raises
        ------
        InvalidDiscovery
            With the key and what is allowed.
        """
        complete = last_complete_day(now)
        last = _day(request, "to") or complete
        first = _day(request, "from") or last - timedelta(days=days - 1)
        if last > complete:
            raise InvalidDiscovery(f"'to' is {last}, and the last day whose logs are complete is {complete}")
        if first > last:
            raise InvalidDiscovery(f"'from' is {first}, after 'to', {last}")
        if (last - first).days >= MAX_DAYS:
            raise InvalidDiscovery(f"{first} to {last} is longer than {MAX_DAYS} days")
        again = request.get("again", False)
        if not isinstance(again, bool):
            raise InvalidDiscovery("'again' must be true or false")
        return cls(first=first, last=last, again=again)

    def days(self) -> Iterator[date]:
        """Give each day, the newest first: what is not finished in time is what is furthest away."""
        for back in range((self.last - self.first).days + 1):
            yield self.last - timedelta(days=back)


def last_complete_day(now: datetime) -> date:
    """Give the last UTC day of which no entry is delivered any more."""
    return (now.astimezone(UTC) - DELIVERED_AFTER).date() - timedelta(days=1)


def hours_of(day: date) -> list[str]:
    """Give the beginnings of the keys of a day's hours (``YYYY/MM/DD/HH/``), as Bedrock delivers."""
    return [f"{day:%Y/%m/%d}/{hour:02d}/" for hour in range(24)]


def checked_generation(name: str) -> str:
    """Give back the name of an execution that is safe in keys and queries.

    Raises
    ------
    InvalidDiscovery
        With what is allowed.
    """
    if not GENERATION.match(name):
        raise InvalidDiscovery("the execution's name must be 1 to 80 characters of [A-Za-z0-9_-]")
    return name


def _day(request: Mapping[str, Any], key: str) -> date | None:
    value = request.get(key)
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidDiscovery(f"'{key}' must be a day like 2026-11-29") from None
