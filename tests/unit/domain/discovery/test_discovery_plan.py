"""Which days are read: whole ones whose logs are complete, never more than the longest range."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.discovery.discovery_plan import (
    MAX_DAYS,
    DiscoveryRange,
    InvalidDiscovery,
    checked_generation,
    hours_of,
    last_complete_day,
)

NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"to": "2026-11-29"}, "the last day whose logs are complete is 2026-11-28"),
        ({"from": "2026-11-20", "to": "2026-11-19"}, "'from' is 2026-11-20, after 'to', 2026-11-19"),
        ({"from": "2026-01-01"}, "is longer than 92 days"),
        ({"from": "yesterday"}, "'from' must be a day like 2026-11-29"),
        ({"to": 20261128}, "'to' must be a day like"),
        ({"again": "yes"}, "'again' must be true or false"),
    ],
)
def test_what_is_no_range_is_refused(request_: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidDiscovery, match=said):
        DiscoveryRange.from_request(request_, days=30, now=NOW)


@pytest.mark.parametrize("name", ["", "a b", "a'b", "a/b", "x" * 81, "ä", "a\n"])
def test_a_name_that_could_change_a_query_or_a_key_is_refused(name: str) -> None:
    with pytest.raises(InvalidDiscovery, match="1 to 80 characters"):
        checked_generation(name)


def test_a_day_is_complete_an_hour_after_its_end() -> None:
    assert last_complete_day(datetime(2026, 11, 29, 0, 59, tzinfo=UTC)) == date(2026, 11, 27)
    assert last_complete_day(datetime(2026, 11, 29, 1, 0, tzinfo=UTC)) == date(2026, 11, 28)


def test_the_hours_of_a_day_are_named_as_bedrock_delivers() -> None:
    hours = hours_of(date(2026, 3, 1))
    assert (hours[0], hours[-1], len(hours)) == ("2026/03/01/00/", "2026/03/01/23/", 24)


@given(days=st.integers(1, MAX_DAYS), minutes=st.integers(0, 10**6))
def test_without_a_range_the_last_complete_days_are_read(days: int, minutes: int) -> None:
    now = NOW + timedelta(minutes=minutes)
    found = list(DiscoveryRange.from_request({}, days=days, now=now).days())
    assert len(found) == len(set(found)) == days
    assert found == sorted(found, reverse=True)
    assert datetime.combine(found[0] + timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=1) <= now
