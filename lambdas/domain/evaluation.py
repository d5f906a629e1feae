"""Measurements of the evaluation, one a record and contestant, and what they add up to."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from lambdas.domain.errors import EvaluationIncomplete
from lambdas.domain.prices import PriceBook

REQUIRED = ("student", "undistilled_student", "teacher", "baseline")
"""Contestants without whom there is no verdict; the champion is a fifth where the task has one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One answer of one contestant to one record of the holdout, checked, timed, counted and judged.

    ``latency_ms`` is the service's own, ``client_ms`` includes the network; tokens are as billed; ``score`` is 1 to 5.
    """

    record_id: str
    role: str
    model: str
    question: str
    reference: str
    answer: str
    problem: str | None
    latency_ms: float
    client_ms: float
    input_tokens: int
    output_tokens: int
    score: int
    explanation: str
    slices: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Write the measurement as one line."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote."""
        return cls(**json.loads(line))


@dataclass(frozen=True, kw_only=True, slots=True)
class ContestantSummary:
    """What one contestant's measurements add up to.

    Attributes
    ----------
    mean_score : float
        Mean judge score, 1 to 5, with ``ci95`` from the normal approximation of the mean.
    schema_validity : float
        Share of answers that keep the task's output schema, 0 to 1.
    latency_mean_ms, latency_p50_ms, latency_p95_ms : float
        The service's own latency; not a number where it is not known, as for answers of a batch.
    input_tokens_mean, output_tokens_mean : float
        Tokens of a request.
    usd_per_1k_requests : float
        On demand, in US dollars.
    """

    role: str
    model: str
    records: int
    mean_score: float
    ci95: tuple[float, float]
    distribution: dict[str, int]
    schema_validity: float
    latency_mean_ms: float
    latency_p50_ms: float
    latency_p95_ms: float
    input_tokens_mean: float
    output_tokens_mean: float
    usd_per_1k_requests: float

    def to_document(self) -> dict[str, Any]:
        """Give the summary as it stands in ``report.json``."""
        return {
            "role": self.role,
            "model_id": self.model,
            "records": self.records,
            "judge_score": {"mean": self.mean_score, "ci95": list(self.ci95), "distribution": self.distribution},
            "schema_validity": self.schema_validity,
            "latency_ms": {
                "mean": _known(self.latency_mean_ms),
                "p50": _known(self.latency_p50_ms),
                "p95": _known(self.latency_p95_ms),
            },
            "tokens": {"input_mean": self.input_tokens_mean, "output_mean": self.output_tokens_mean},
            "usd_per_1k_requests": self.usd_per_1k_requests,
        }


def percentile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _known(milliseconds: float) -> float | None:
    return None if math.isnan(milliseconds) else milliseconds


def summarise(measurements: Sequence[Measurement], price_model: str, prices: PriceBook) -> ContestantSummary:
    """Add up one contestant's measurements.

    Parameters
    ----------
    measurements : sequence of Measurement
        At least one, all of the same role.
    price_model : str
        Model whose on-demand price holds: a custom model deployment costs what its base costs.
    prices : PriceBook
    """
    scores = [float(item.score) for item in measurements]
    mean = statistics.fmean(scores)
    half = 1.96 * statistics.stdev(scores) / math.sqrt(len(scores)) if len(scores) > 1 else 0.0
    # A question without an answer took no tokens and no time: it may not make its contestant look cheap or fast.
    answered = [item for item in measurements if item.input_tokens] or measurements
    # Answers of a batch have no latency; where all are of a batch, it is not known.
    latencies = [item.latency_ms for item in answered if item.latency_ms > 0] or [math.nan]
    input_mean = statistics.fmean(item.input_tokens for item in answered)
    output_mean = statistics.fmean(item.output_tokens for item in answered)
    return ContestantSummary(
        role=measurements[0].role,
        model=measurements[0].model,
        records=len(measurements),
        mean_score=mean,
        ci95=(max(1.0, mean - half), min(5.0, mean + half)),
        distribution={str(score): sum(item.score == score for item in measurements) for score in range(1, 6)},
        schema_validity=sum(item.problem is None for item in measurements) / len(measurements),
        latency_mean_ms=statistics.fmean(latencies),
        latency_p50_ms=percentile(latencies, 0.5),
        latency_p95_ms=percentile(latencies, 0.95),
        input_tokens_mean=input_mean,
        output_tokens_mean=output_mean,
        usd_per_1k_requests=1000 * prices.call_usd(price_model, input_mean, output_mean),
    )


def check_complete(measurements: Iterable[Measurement], record_ids: set[str]) -> dict[str, list[Measurement]]:
    """Group measurements by contestant; every contestant must have every record exactly once.

    Raises
    ------
    EvaluationIncomplete
        Names the contestant and how many records are missing: a mean over fewer records would hide them.
    """
    grouped: dict[str, dict[str, Measurement]] = {role: {} for role in REQUIRED}
    for item in measurements:
        grouped.setdefault(item.role, {})[item.record_id] = item
    for role, found in grouped.items():
        missing = record_ids - found.keys()
        if missing:
            message = (
                f"{len(missing)} of {len(record_ids)} holdout records were not measured for {role}; "
                "no verdict is given over fewer records. Retry the run: measured records are not asked again"
            )
            raise EvaluationIncomplete(message)
    return {role: [found[key] for key in sorted(found)] for role, found in grouped.items()}


def worst_answers(measurements: Iterable[Measurement], count: int = 10) -> list[dict[str, Any]]:
    """Pick the student's worst answers for the report, lowest score first, broken schema before that."""
    ranked = sorted(measurements, key=lambda item: (item.score, item.problem is None, item.record_id))
    return [
        {
            "record_id": item.record_id,
            "question": item.question,
            "reference": item.reference,
            "answer": item.answer,
            "score": item.score,
            "problem": item.problem,
            "explanation": item.explanation,
        }
        for item in ranked[:count]
    ]
