"""Does routing do what was foreseen when it was adopted? What callers meet, held against the test's expectation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lambdas.domain.evaluation.confidence_bounds import share_bounds

FEWEST_REQUESTS = 100
"""Questions of callers below which their share of escalations says nothing."""

QUALITY_REASONS = ("truncated", "breaks_schema", "low_confidence")
OUTAGE_REASONS = ("unanswered", "breaker_open", "by_policy")


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveTraffic:
    """What the clients of a task counted in a span of time.

    Attributes
    ----------
    requests : int
        Questions, answered or not.
    escalated : mapping of str to int
        Questions for which the fallback was asked, by reason, whoever answered in the end.
    unanswered : int
        Questions that nobody answered.
    capped, capped_in_outage : int
        Questions that a cap kept from the fallback: for quality, and in an outage.
    usd : float
        US dollars by token, as far as clients know prices.
    """

    requests: int
    escalated: Mapping[str, int]
    unanswered: int = 0
    capped: int = 0
    capped_in_outage: int = 0
    usd: float = 0.0

    @property
    def share(self) -> float | None:
        """Share of questions whose answer met a rule of quality, 0 to 1, as foreseen; ``None`` without traffic."""
        return self._wanted / self.requests if self.requests else None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Two-sided 95 % bounds of that share."""
        return None if self.share is None else share_bounds(self.share, self.requests)

    @property
    def _wanted(self) -> int:
        return min(self.requests, sum(self.escalated.get(reason, 0) for reason in QUALITY_REASONS) + self.capped)


def counted_since(now: datetime, chosen_at: str | None) -> datetime:
    """Say from when on callers are counted: for a day, and not before the present way to serve was chosen."""
    day_ago = now - timedelta(days=1)
    chosen = datetime.fromisoformat(chosen_at) if chosen_at else day_ago
    return chosen if day_ago < chosen < now else day_ago


def leaves_bounds(expected: Mapping[str, Any], live: LiveTraffic) -> str | None:
    """Say how callers' share of escalations contradicts the expectation; ``None`` where it does not, or nobody knows.

    Both have bounds of their own: they contradict each other where these do not meet.
    """
    low, high, found = expected.get("share_low"), expected.get("share_high"), live.bounds
    if low is None or high is None or found is None or live.requests < FEWEST_REQUESTS:
        return None
    if found[0] <= high and found[1] >= low:
        return None
    return (
        f"{live.share:.1%} of {live.requests:,} questions are escalated for quality, and {low:.1%} to {high:.1%} were "
        "foreseen when routing was adopted: questions, or the student's answers, are others than in the evaluation"
    )
