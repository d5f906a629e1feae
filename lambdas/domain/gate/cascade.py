"""What if: the student is asked first, and the teacher only where the student's answer cannot be trusted.

The third lever beside batching and caching: routing. Nothing is asked for it. The evaluation has both answers to every
record of the holdout, so what a cascade would have answered, cost and taken is known, record by record.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lambdas.domain.evaluation.confidence_bounds import Bounds, mean_bounds, percentile
from lambdas.domain.evaluation.served_price import CachedPrefix, request_usd
from lambdas.domain.text.answer_repair import read_object

if TYPE_CHECKING:
    from lambdas.domain.evaluation.measurements import Measurement
    from lambdas.domain.prices.price_book import PriceBook
    from lambdas.domain.task.task_definition import CascadeRules

CURVE_POINTS = 20
"""Thresholds of the confidence field that are tried: quantiles of what the student said."""

UNANSWERED, TRUNCATED, BREAKS_SCHEMA, LOW_CONFIDENCE = "unanswered", "truncated", "breaks_schema", "low_confidence"
REASONS = (UNANSWERED, TRUNCATED, BREAKS_SCHEMA, LOW_CONFIDENCE)
"""Why the teacher is asked, in the order in which a caller would notice; the first that holds counts."""

_CUT_OFF = ("max_tokens", "model_context_window_exceeded")
_QUANTILES = (("p50", 0.5), ("p95", 0.95))


@dataclass(frozen=True, slots=True)
class _Pair:
    """Student and teacher on one record that was judged for both.

    Attributes
    ----------
    reason : str or None
        Why the teacher would be asked whatever the student says of its confidence.
    confidence : float or None
        What the student said; ``None`` without a confidence field or without a number in it.
    student_usd, teacher_usd : float
        US dollars of one request, on demand.
    """

    student: Measurement
    teacher: Measurement
    reason: str | None
    confidence: float | None
    student_usd: float
    teacher_usd: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WayToServe:
    """One way to answer the same records.

    Attributes
    ----------
    score : float
        Mean judge score, 1 to 5.
    schema_validity : float
        Share of answers that keep the output schema as they are, 0 to 1.
    usd_per_1k_requests : float
        On demand.
    latency_ms : dict of str to float or None
        ``p50`` and ``p95`` of the service's own time, both calls of an escalated request added up; ``None`` where the
        teacher's answers came by batch inference and so many of them are needed.
    """

    score: float
    schema_validity: float
    usd_per_1k_requests: float
    latency_ms: dict[str, float | None]


def what_if(
    student: Sequence[Measurement],
    teacher: Sequence[Measurement],
    models: Mapping[str, str],
    prices: PriceBook,
    rules: CascadeRules | None,
    prefix: CachedPrefix | None = None,
) -> dict[str, Any] | None:
    """Work out what a cascade of student and teacher would have done on the holdout.

    Parameters
    ----------
    student, teacher : sequence of Measurement
        Of the same records.
    models : mapping of str to str
        Models whose on-demand price holds, by ``student`` and ``teacher``.
    prices : PriceBook
    rules : CascadeRules, optional
        Where the student says how sure it is; without it only what is missing, cut off or broken is escalated.
    prefix : CachedPrefix, optional
        What the teacher's model keeps of each request.

    Returns
    -------
    dict or None
        ``cascade`` of ``report.json`` without ``usd_per_month``; ``None`` where no record was judged for both.
    """
    pairs = _pairs(student, teacher, models, prices, rules, prefix)
    if not pairs:
        return None
    reasons = [_reason(pair, rules.below if rules else None) for pair in pairs]
    escalated = [reason is not None for reason in reasons]
    chosen = [_chosen(pair, asks) for pair, asks in zip(pairs, escalated, strict=True)]
    counts = Counter(reasons)
    repairable = sum(
        reason == BREAKS_SCHEMA and pair.student.repaired_problem is None
        for pair, reason in zip(pairs, reasons, strict=True)
    )
    none, every = [False] * len(pairs), [True] * len(pairs)
    return {
        "records": len(pairs),
        "not_judged_for_both": len(student) - len(pairs),
        "confidence_field": rules.confidence_field if rules else None,
        "below": rules.below if rules else None,
        "escalated": sum(escalated),
        "escalated_share": sum(escalated) / len(pairs),
        "reasons": {**{reason: counts[reason] for reason in REASONS}, "repairable": repairable},
        "student": asdict(_way(pairs, none)),
        "cascade": asdict(_way(pairs, escalated)),
        "teacher": asdict(_way(pairs, every, teacher_alone=True)),
        "against_student": _gain(chosen, [pair.student for pair in pairs]),
        "against_teacher": _gain(chosen, [pair.teacher for pair in pairs]),
        "best_routing_score": statistics.fmean(max(_score(pair.student), _score(pair.teacher)) for pair in pairs),
        "curve": _curve(pairs) if rules else [],
    }


def with_months(cascade: Mapping[str, Any] | None, break_even: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Add dollars a month at the expected volume, the student served in the task's own mode.

    Parameters
    ----------
    cascade : dict or None
        What :func:`what_if` gave.
    break_even : mapping or None
        ``break_even`` of ``report.json``.

    Returns
    -------
    dict or None
        With ``usd_per_month``: ``student``, ``cascade`` and ``teacher``; ``None`` where volume or price are not known.
    """
    if cascade is None:
        return None
    monthly = (break_even or {}).get("usd_per_month")
    if break_even is None or monthly is None:
        return {**cascade, "usd_per_month": None}
    mode = "provisioned_throughput" if break_even["mode"] == "provisioned_throughput" else "on_demand"
    serving = monthly[f"student_{mode}"]
    if serving is None:
        return {**cascade, "usd_per_month": None}
    thousands = break_even["expected_requests_per_month"] / 1000
    extra = cascade["cascade"]["usd_per_1k_requests"] - cascade["student"]["usd_per_1k_requests"]
    months = {
        "student": serving,
        "cascade": serving + extra * thousands,
        "teacher": cascade["teacher"]["usd_per_1k_requests"] * thousands,
    }
    return {**cascade, "usd_per_month": months}


def _pairs(
    student: Sequence[Measurement],
    teacher: Sequence[Measurement],
    models: Mapping[str, str],
    prices: PriceBook,
    rules: CascadeRules | None,
    prefix: CachedPrefix | None,
) -> list[_Pair]:
    """Pair the records that the judge scored for both; one of them alone says nothing about a choice."""
    price_student = _pricer(student, models["student"], prices, None)
    price_teacher = _pricer(teacher, models["teacher"], prices, prefix)
    by_record = {item.record_id: item for item in teacher if item.score is not None}
    return [
        _Pair(
            item,
            by_record[item.record_id],
            _unusable(item),
            stated_confidence(item, rules.confidence_field) if rules else None,
            price_student(item),
            price_teacher(by_record[item.record_id]),
        )
        for item in student
        if item.score is not None and item.record_id in by_record
    ]


def _pricer(
    items: Sequence[Measurement], model: str, prices: PriceBook, prefix: CachedPrefix | None
) -> Callable[[Measurement], float]:
    """Price requests of one contestant; one that was not answered counts as the mean of the others."""
    known = {item.record_id: request_usd(item, model, prices, prefix) for item in items if item.answered}
    mean = statistics.fmean(known.values()) if known else 0.0
    return lambda item: known.get(item.record_id, mean)


def _unusable(item: Measurement) -> str | None:
    if not item.answered:
        return UNANSWERED
    if was_cut_off(item):
        return TRUNCATED
    return BREAKS_SCHEMA if item.problem is not None else None


def was_cut_off(item: Measurement) -> bool:
    """Tell whether the model came to the end of its room."""
    return item.stop_reason in _CUT_OFF


def stated_confidence(item: Measurement, field: str) -> float | None:
    """Read how sure an answer says that it is; ``None`` without a number."""
    value = (read_object(item.answer) or {}).get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _reason(pair: _Pair, below: float | None) -> str | None:
    """Say why the teacher is asked; a student that was to say how sure it is and does not is not sure."""
    if pair.reason is not None or below is None:
        return pair.reason
    return LOW_CONFIDENCE if pair.confidence is None or pair.confidence < below else None


def _chosen(pair: _Pair, asks: bool) -> Measurement:
    return pair.teacher if asks else pair.student


def _score(item: Measurement) -> int:
    return item.score or 0


def _way(pairs: Sequence[_Pair], escalated: Sequence[bool], *, teacher_alone: bool = False) -> WayToServe:
    both = list(zip(pairs, escalated, strict=True))
    chosen = [_chosen(pair, asks) for pair, asks in both]
    usd = [(0.0 if teacher_alone else pair.student_usd) + (pair.teacher_usd if asks else 0.0) for pair, asks in both]
    times = [_milliseconds(pair, asks=asks, teacher_alone=teacher_alone) for pair, asks in both]
    return WayToServe(
        score=statistics.fmean(_score(item) for item in chosen),
        schema_validity=sum(item.problem is None for item in chosen) / len(chosen),
        usd_per_1k_requests=1000 * statistics.fmean(usd),
        latency_ms=_quantiles([time for time in times if time is not None]),
    )


def _milliseconds(pair: _Pair, *, asks: bool, teacher_alone: bool) -> float | None:
    """Add up the calls of one request: infinite for a batch answer without a time, ``None`` where it says nothing."""
    calls = ([] if teacher_alone else [pair.student]) + ([pair.teacher] if asks else [])
    if any(item.throttled or not item.answered for item in calls):
        return None
    return sum(math.inf if item.batch and not item.timed_apart else item.latency_ms for item in calls)


def _quantiles(times: Sequence[float]) -> dict[str, float | None]:
    """Give the quantiles; times that are not known count as the longest, so that a known one is never too short."""
    found = {name: percentile(times, share) if times else math.inf for name, share in _QUANTILES}
    return {name: time if math.isfinite(time) else None for name, time in found.items()}


def _gain(chosen: Sequence[Measurement], alone: Sequence[Measurement]) -> dict[str, float]:
    """Bound the mean gain in judge points, paired by record as the gate does."""
    bounds: Bounds = mean_bounds([_score(ours) - _score(theirs) for ours, theirs in zip(chosen, alone, strict=True)])
    return {"mean": bounds.mean, "low": bounds.low, "high": bounds.high}


def _curve(pairs: Sequence[_Pair]) -> list[dict[str, float]]:
    """Try other thresholds: share, score and dollars at each, lowest threshold first."""
    said = sorted(pair.confidence for pair in pairs if pair.reason is None and pair.confidence is not None)
    if not said:
        return []
    tried = sorted({percentile(said, step / CURVE_POINTS) for step in range(1, CURVE_POINTS + 1)})
    points = []
    for below in tried:
        escalated = [_reason(pair, below) is not None for pair in pairs]
        way = _way(pairs, escalated)
        point = {"below": below, "escalated_share": sum(escalated) / len(pairs), "score": way.score}
        points.append({**point, "usd_per_1k_requests": way.usd_per_1k_requests})
    return points
