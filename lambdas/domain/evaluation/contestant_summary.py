"""What the measurements of one contestant add up to."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.domain.evaluation.confidence_bounds import percentile, unseen_share
from lambdas.domain.evaluation.judge import HIGHEST, LOWEST
from lambdas.domain.evaluation.served_price import CachedPrefix, batch_usd, request_usd
from lambdas.domain.evaluation.task_metric import measure_task

if TYPE_CHECKING:
    from lambdas.domain.evaluation.contestant_document import ContestantDocument
    from lambdas.domain.evaluation.measurements import Measurement
    from lambdas.domain.prices.price_book import PriceBook

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Shares at which a distribution of latencies is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """A distribution in milliseconds: mean and the values at :data:`QUANTILES`."""

    mean: float
    quantiles: tuple[float, ...]

    def to_document(self) -> dict[str, float]:
        """Give the figures by name: ``mean``, ``p5`` and so on."""
        named = {f"p{share * 100:.0f}": value for share, value in zip(QUANTILES, self.quantiles, strict=True)}
        return {"mean": self.mean, **named}


@dataclass(frozen=True, kw_only=True, slots=True)
class ContestantSummary:
    """What one contestant's measurements add up to.

    Attributes
    ----------
    records, unanswered, judged, judge_failures : int
        Holdout records; those of them without an answer; those that the judge was to score; those of the latter that
        it did not.
    mean_score : float or None
        Mean judge score, 1 to 5; ``None`` without a score. Its ``ci95`` is the normal approximation, too narrow where
        scores hardly differ and so widened by what so few of them need not have shown
        (:func:`~lambdas.domain.evaluation.confidence_bounds.unseen_share`).
    schema_validity, validity_after_repair : float
        Share of answers that keep the task's output schema, 0 to 1: as they are, and after the documented repair.
    task_metric : dict or None
        :meth:`TaskMetric.to_document`; ``None`` where the schema has nothing to measure.
    latency, client_latency : Latency or None
        The service's own and the client's, of the ``timed`` answers; ``None`` where there is none.
    timed, throttled : int
        Answers whose latency counts; answers that were throttled or tried again, and are kept out of it.
    timed_apart : int
        Of the ``timed``, those that batch inference gave and that were asked for once more, on demand, for the time.
    input_tokens_mean, output_tokens_mean : float
        Tokens of a request as billed, cached input included.
    usd_per_1k_requests : float
        On demand, in US dollars, with the shared prompt cached where the model keeps it.
    batch_usd_per_1k_requests : float or None
        By batch inference; ``None`` where the model has no such price.
    cached_prompt_tokens : float or None
        Tokens of the shared prompt that ``usd_per_1k_requests`` takes as cached.
    usd_per_1k_ci95 : tuple of float, optional
        95 % interval of that mean over the holdout.
    """

    role: str
    model: str
    records: int
    unanswered: int = 0
    judged: int = 0
    judge_failures: int = 0
    mean_score: float | None
    ci95: tuple[float, float] | None
    distribution: dict[str, int]
    schema_validity: float
    validity_after_repair: float
    task_metric: dict[str, Any] | None = None
    latency: Latency | None
    client_latency: Latency | None = None
    timed: int = 0
    timed_apart: int = 0
    throttled: int = 0
    input_tokens_mean: float
    output_tokens_mean: float
    usd_per_1k_requests: float
    batch_usd_per_1k_requests: float | None = None
    cached_prompt_tokens: float | None = None
    usd_per_1k_ci95: tuple[float, float] | None = None

    def to_document(self) -> ContestantDocument:
        """Give the summary as written to ``report.json``."""
        interval = list(self.ci95) if self.ci95 else None
        return {
            "role": self.role,
            "model_id": self.model,
            "records": self.records,
            "unanswered": self.unanswered,
            "judged": self.judged,
            "judge_failures": self.judge_failures,
            "judge_score": {"mean": self.mean_score, "ci95": interval, "distribution": self.distribution},
            "schema_validity": self.schema_validity,
            "schema_validity_after_repair": self.validity_after_repair,
            "task_metric": self.task_metric,
            "latency_ms": self.latency.to_document() if self.latency else None,
            "client_latency_ms": self.client_latency.to_document() if self.client_latency else None,
            "timed": self.timed,
            "timed_apart": self.timed_apart,
            "throttled": self.throttled,
            "tokens": {"input_mean": self.input_tokens_mean, "output_mean": self.output_tokens_mean},
            "usd_per_1k_requests": self.usd_per_1k_requests,
            "batch_usd_per_1k_requests": self.batch_usd_per_1k_requests,
            "cached_prompt_tokens": self.cached_prompt_tokens,
            "usd_per_1k_ci95": list(self.usd_per_1k_ci95) if self.usd_per_1k_ci95 else None,
        }


def summarise(
    measurements: Sequence[Measurement],
    price_model: str,
    prices: PriceBook,
    schema: dict[str, Any] | None = None,
    prefix: CachedPrefix | None = None,
) -> ContestantSummary:
    """Add up one contestant's measurements.

    Parameters
    ----------
    measurements : sequence of Measurement
        At least one, all of the same role.
    price_model : str
        Model whose on-demand price holds: a custom model deployment costs what its base costs.
    prices : PriceBook
    schema : dict, optional
        The task's output schema, from which its own metric follows.
    prefix : CachedPrefix, optional
        What the model would keep of each request.
    """
    scores = [float(item.score) for item in measurements if item.score is not None]
    answered = [item for item in measurements if item.answered]
    timed = [item for item in answered if item.is_timed]
    costs = [1000 * request_usd(item, price_model, prices, prefix) for item in answered]
    metric = measure_task(schema, ((item.answer, item.reference) for item in measurements))
    return ContestantSummary(
        role=measurements[0].role,
        model=measurements[0].model,
        records=len(measurements),
        unanswered=len(measurements) - len(answered),
        judged=sum(item.judged for item in measurements),
        judge_failures=sum(item.judged and item.score is None for item in measurements),
        mean_score=statistics.fmean(scores) if scores else None,
        ci95=_interval(scores),
        distribution={str(score): scores.count(score) for score in range(1, 6)},
        schema_validity=_share(item.problem is None for item in measurements),
        validity_after_repair=_share(item.repaired_problem is None for item in measurements),
        task_metric=metric.to_document() if metric else None,
        latency=_latency([item.latency_ms for item in timed]),
        client_latency=_latency([item.client_ms for item in timed]),
        timed=len(timed),
        timed_apart=sum(item.timed_apart for item in timed),
        throttled=sum(item.throttled > 0 for item in measurements),
        input_tokens_mean=_mean(
            item.input_tokens + item.cache_read_tokens + item.cache_write_tokens for item in answered
        ),
        output_tokens_mean=_mean(item.output_tokens for item in answered),
        usd_per_1k_requests=_mean(costs),
        batch_usd_per_1k_requests=_batch(answered, price_model, prices),
        cached_prompt_tokens=prefix.tokens if prefix else None,
        usd_per_1k_ci95=_cost_interval(costs),
    )


def _batch(answered: Sequence[Measurement], model: str, prices: PriceBook) -> float | None:
    usd = [each for item in answered if (each := batch_usd(item, model, prices)) is not None]
    return 1000 * statistics.fmean(usd) if usd else None


def _interval(scores: list[float]) -> tuple[float, float] | None:
    if not scores:
        return None
    mean, records = statistics.fmean(scores), len(scores)
    half = 1.96 * statistics.stdev(scores) / math.sqrt(records) if records > 1 else 0.0
    unseen = unseen_share(records, error=0.025)
    low, high = ((1 - unseen) * mean + unseen * limit for limit in (LOWEST, HIGHEST))
    return max(float(LOWEST), min(mean - half, low)), min(float(HIGHEST), max(mean + half, high))


def _cost_interval(costs: list[float]) -> tuple[float, float] | None:
    """Give the 95 % interval of a mean cost, normal; ``None`` for fewer than two requests."""
    if len(costs) < 2:  # noqa: PLR2004 - one has no spread
        return None
    half = 1.96 * statistics.stdev(costs) / math.sqrt(len(costs))
    mean = statistics.fmean(costs)
    return max(0.0, mean - half), mean + half


def _latency(values: list[float]) -> Latency | None:
    if not values:
        return None
    return Latency(mean=statistics.fmean(values), quantiles=tuple(percentile(values, share) for share in QUANTILES))


def _share(kept: Iterable[bool]) -> float:
    found = list(kept)
    return sum(found) / len(found)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return statistics.fmean(found) if found else 0.0
