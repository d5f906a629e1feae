"""A contestant's figures as they are stored, apart from what works them out: every Lambda imports this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict


class Score(TypedDict, total=False):
    """Of the judge, 1 to 5; ``ci95`` are the ends of the interval, ``distribution`` counts by score."""

    mean: float | None
    ci95: list[float] | None
    distribution: Mapping[str, int]


class ContestantDocument(TypedDict, total=False):
    """One contestant as written to ``evaluation.json`` and ``report.json``.

    See :class:`~lambdas.domain.evaluation.contestant_summary.ContestantSummary`.
    """

    role: str
    model_id: str
    records: int
    unanswered: int
    judged: int
    judge_failures: int
    judge_score: Score
    schema_validity: float
    schema_validity_after_repair: float
    task_metric: Mapping[str, Any] | None
    latency_ms: dict[str, float] | None
    client_latency_ms: dict[str, float] | None
    timed: int
    timed_apart: int
    throttled: int
    tokens: dict[str, float]
    usd_per_1k_requests: float
    batch_usd_per_1k_requests: float | None
    cached_prompt_tokens: float | None
    usd_per_1k_ci95: list[float] | None
