"""What bills for nobody, and what may be done about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lambdas.domain.serving.idle_rules import (
    DELETE_IDLE,
    DELETE_UNUSED,
    END_OF_LIFE,
    IDLE,
    REPORT,
    REVIEW_DUE,
    UNUSED,
    Finding,
    Thing,
    Use,
    judge_thing,
    may_act,
    review_due,
    usd_per_hour,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
THROUGHPUT = Thing(
    kind="provisioned_throughput",
    name="dev-video-ab",
    arn="arn:throughput",
    created_at=NOW - timedelta(days=3),
    task="video",
    run_id="video-1",
    usd_per_hour=20.0,
)
SERVING = Use(by_champion=True, by_run=False, kept=True, invocations=7.0)
LEFT = Use(by_champion=False, by_run=False, kept=False, invocations=0.0)


def judged(use: Use, thing: Thing = THROUGHPUT) -> Finding | None:
    return judge_thing(thing, use, now=NOW, idle_hours=24)


def test_what_no_champion_uses_and_no_run_needs_is_found_although_somebody_calls_it() -> None:
    found = judged(replace(LEFT, invocations=50.0))

    assert found is not None
    assert found.reason == UNUSED
    assert found.usd_per_hour == 20.0


def test_a_champion_without_a_call_is_idle() -> None:
    found = judged(replace(SERVING, invocations=0.0))

    assert found is not None
    assert found.reason == IDLE
    assert "24 hours" in found.explanation


@pytest.mark.parametrize(
    "use",
    [
        SERVING,
        replace(LEFT, by_run=True),
        replace(LEFT, kept=True),
        replace(SERVING, invocations=None),
    ],
    ids=["called", "its run is in progress", "kept for a retry", "a model, which nobody can call"],
)
def test_what_is_in_use_is_not_found(use: Use) -> None:
    assert judged(use) is None


def test_a_young_champion_is_given_time_to_be_called() -> None:
    young = replace(THROUGHPUT, created_at=NOW - timedelta(hours=2))

    assert judged(replace(SERVING, invocations=0.0), young) is None


def test_a_commitment_forbids_the_deletion_and_is_said() -> None:
    bound = replace(THROUGHPUT, committed_until=NOW + timedelta(days=20))

    found = judged(LEFT, bound)

    assert found is not None
    assert not found.deletable
    assert "2026-12-14" in found.explanation
    assert not may_act(found, DELETE_IDLE)


def test_a_commitment_that_has_ended_forbids_nothing() -> None:
    found = judged(LEFT, replace(THROUGHPUT, committed_until=NOW - timedelta(seconds=1)))

    assert found is not None
    assert found.deletable


@pytest.mark.parametrize(
    ("reason", "reap", "allowed"),
    [
        (UNUSED, REPORT, False),
        (UNUSED, DELETE_UNUSED, True),
        (UNUSED, DELETE_IDLE, True),
        (IDLE, REPORT, False),
        (IDLE, DELETE_UNUSED, False),
        (IDLE, DELETE_IDLE, True),
        (REVIEW_DUE, REPORT, True),
        (END_OF_LIFE, DELETE_IDLE, False),
    ],
)
def test_only_what_the_setting_says_is_done(reason: str, reap: str, allowed: bool) -> None:
    found = judged(LEFT)
    assert found is not None

    assert may_act(replace(found, reason=reason), reap) is allowed


def test_a_review_counts_from_the_confirmation_and_never_comes_with_zero_days() -> None:
    promoted, confirmed = "2026-08-01T00:00:00.000Z", "2026-11-01T00:00:00.000Z"

    assert review_due(promoted, None, NOW, 90)
    assert not review_due(promoted, confirmed, NOW, 90)
    assert not review_due(promoted, None, NOW, 0)


def test_the_dollars_of_an_hour_leave_out_what_was_deleted_and_what_only_ages() -> None:
    found = judged(LEFT)
    assert found is not None
    others = [
        replace(found, arn="arn:2", done="deleted"),
        replace(found, arn="arn:3", reason=END_OF_LIFE),
        replace(found, arn="arn:4", usd_per_hour=None),
    ]

    assert usd_per_hour([found, *others]) == 20.0
