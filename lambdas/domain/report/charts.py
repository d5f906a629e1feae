"""Charts of the contestants: what is drawn where. Positions are percents of the width; the templates draw.

Widths are relative and heights and letters are not, so a chart on a telephone is narrower but not smaller to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdas.domain.report.comparison import ComparisonRow, reduction
from lambdas.domain.report.figures import (
    axis_usd,
    change,
    milliseconds,
    number,
    percent,
    plain,
    rows_of,
    score,
    usd,
)
from lambdas.domain.report.scales import LinearScale, LogScale, Tick, linear_ticks

_COLUMN_SHARE_SHOWN = 0.015


@dataclass(frozen=True, slots=True)
class ScoreColumn:
    """The share of one score."""

    points: int
    at: float
    share: float
    label: str


@dataclass(frozen=True, slots=True)
class QualityStrip:
    """Scores of one contestant: distribution, mean and its interval."""

    role: str
    name: str
    value: str
    columns: tuple[ScoreColumn, ...]
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class QualityChart:
    """Judge scores by contestant."""

    takeaway: str
    strips: tuple[QualityStrip, ...]
    floor: Tick | None
    ticks: tuple[Tick, ...]
    has_intervals: bool


@dataclass(frozen=True, slots=True)
class LatencyBar:
    """Median and 95th percentile of one contestant."""

    role: str
    name: str
    value: str
    p50: float | None
    p95: float | None
    spread: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class LatencyChart:
    """Latency by contestant, from zero."""

    takeaway: str
    bars: tuple[LatencyBar, ...]
    ticks: tuple[Tick, ...]
    has_spread: bool
    note: str


@dataclass(frozen=True, slots=True)
class CostDot:
    """Dollars per 1,000 requests of one contestant."""

    role: str
    name: str
    value: str
    at: float | None


@dataclass(frozen=True, slots=True)
class CostChart:
    """Cost by contestant on a logarithmic axis; dots, because a bar's length would say nothing there."""

    takeaway: str
    dots: tuple[CostDot, ...]
    ticks: tuple[Tick, ...]
    has_zero: bool


def quality_chart(rows: list[ComparisonRow], gate: object) -> QualityChart | None:
    """Lay out the judge scores; ``None`` when there are none."""
    if all(row.judge_score is None and row.score_shares is None for row in rows):
        return None
    scale = LinearScale(0.5, 5.5)
    floor = _score_floor(gate)
    return QualityChart(
        takeaway=_quality_takeaway(rows),
        strips=tuple(_strip(row, scale) for row in rows),
        floor=None if floor is None else Tick(scale.at(floor), f"gate: {score(floor)}"),
        ticks=tuple(Tick(scale.at(points), str(points)) for points in range(1, 6)),
        has_intervals=any(row.score_interval for row in rows),
    )


def latency_chart(rows: list[ComparisonRow]) -> LatencyChart | None:
    """Lay out median and 95th percentile; ``None`` when neither was measured."""
    measured = [value for row in rows for value in (row.latency_p50_ms, row.latency_p95_ms) if value is not None]
    if not measured or max(measured) <= 0:
        return None
    scale, ticks = linear_ticks(max(measured), milliseconds)
    bars = tuple(
        LatencyBar(
            role=row.role,
            name=row.name,
            value=_latency_text(row),
            p50=None if row.latency_p50_ms is None else scale.at(row.latency_p50_ms),
            p95=None if row.latency_p95_ms is None else scale.at(row.latency_p95_ms),
            spread=_placed(row.latency_spread_ms, scale),
        )
        for row in rows
    )
    takeaway = _against_others(rows, "latency_p50_ms", "faster", "slower")
    return LatencyChart(takeaway, bars, tuple(ticks), any(bar.spread for bar in bars), _latency_note(rows))


def cost_chart(rows: list[ComparisonRow]) -> CostChart | None:
    """Lay out dollars per 1,000 requests; ``None`` when there is no cost above zero."""
    costs = [row.usd_per_1k_requests for row in rows if row.usd_per_1k_requests is not None]
    positive = [cost for cost in costs if cost > 0]
    if not positive:
        return None
    scale = LogScale.around(positive)
    student = next((row.usd_per_1k_requests for row in rows if row.role == "student"), None)
    dots = tuple(
        CostDot(
            role=row.role,
            name=row.name,
            value=_cost_text(row, student),
            at=scale.at(row.usd_per_1k_requests) if row.usd_per_1k_requests in positive else None,
        )
        for row in rows
    )
    takeaway = _against_others(rows, "usd_per_1k_requests", "cheaper", "dearer")
    return CostChart(takeaway, dots, tuple(scale.ticks(axis_usd)), has_zero=len(positive) < len(costs))


def _placed(values: tuple[float, float, float] | None, scale: LinearScale) -> tuple[float, float, float] | None:
    if values is None:
        return None
    low, first, third = values
    return scale.at(low), scale.at(first), scale.at(third)


def _latency_note(rows: list[ComparisonRow]) -> str:
    """Say what the chart does not show: the client's clock, and what was kept out."""
    client = [
        f"{row.name.lower()} {milliseconds(row.client_p50_ms)} and {milliseconds(row.client_p95_ms)}"
        for row in rows
        if row.client_p50_ms is not None and row.role in ("student", "baseline")
    ]
    parts = [f"On the client's clock, p50 and p95: {', '.join(client)}."] if client else []
    throttled = sum(row.throttled for row in rows)
    if throttled:
        parts.append(f"{plain(throttled)} answers that were throttled or tried again are kept out.")
    for row in rows:
        if row.timed_apart:
            parts.append(
                f"Batch inference gave the {row.name.lower()}'s answers, without times: {plain(row.timed_apart)} of "
                "them were asked for once more, on demand, for their time."
            )
        elif row.timed == 0:
            parts.append(f"The {row.name.lower()}'s latency is unknown: no answer of it has a time that counts.")
    return " ".join(parts)


def _latency_text(row: ComparisonRow) -> str:
    """Write both times, with the unit once where both have the same: from ten seconds on it is another."""
    p50, p95 = milliseconds(row.latency_p50_ms), milliseconds(row.latency_p95_ms)
    return f"p50 {p50.removesuffix(' ms') if p95.endswith(' ms') else p50} · p95 {p95}"


def _strip(row: ComparisonRow, scale: LinearScale) -> QualityStrip:
    columns = tuple(
        ScoreColumn(points, scale.at(points), share, percent(round(share, 2)) if share >= _COLUMN_SHARE_SHOWN else "")
        for points, share in enumerate(row.score_shares or (), start=1)
    )
    value = score(row.judge_score)
    low = high = None
    if row.score_interval is not None:
        value += f" ({score(row.score_interval[0])} to {score(row.score_interval[1])})"
        low, high = (scale.at(bound) for bound in row.score_interval)
    mean = None if row.judge_score is None else scale.at(row.judge_score)
    return QualityStrip(row.role, row.name, value, columns, mean, low, high)


def _score_floor(gate: object) -> float | None:
    rules = [rule for rule in rows_of(gate) if rule.get("rule") == "min_judge_score"]
    return number(rules[0].get("threshold")) if rules else None


def _quality_takeaway(rows: list[ComparisonRow]) -> str:
    student = next((row.judge_score for row in rows if row.role == "student"), None)
    if student is None:
        return "The student's judge score was not measured."
    parts = []
    for row in rows:
        if row.role in ("baseline", "undistilled_student", "champion") and row.judge_score is not None:
            gap = round(student, 2) - round(row.judge_score, 2)
            against = row.name.lower()
            parts.append(
                f"{abs(gap):.2f} {'above' if gap > 0 else 'below'} the {against}"
                if round(gap, 2)
                else f"level with the {against}"
            )
    tail = f": {' and '.join(parts)}" if parts else ""
    return f"The student scores {score(student)} of 5{tail}."


def _against_others(rows: list[ComparisonRow], field: str, less: str, more: str) -> str:
    values: dict[str, Any] = {row.role: getattr(row, field) for row in rows}
    student = values.get("student")
    shares = {role: reduction(student, values.get(role)) for role in ("baseline", "teacher")}
    parts = [f"{change(share, more, less)} than the {role}" for role, share in shares.items() if share is not None]
    parts = [part.replace("the same than", "level with") for part in parts]
    if not parts:
        return "There is nothing to compare the student with."
    return f"The student is {' and '.join(parts)}."


def _cost_text(row: ComparisonRow, student: float | None) -> str:
    text = usd(row.usd_per_1k_requests)
    if row.role == "student" or not student or not row.usd_per_1k_requests:
        return text
    times = row.usd_per_1k_requests / student
    shown = plain(round(times)) if times >= 10 else plain(round(times, 1))  # noqa: PLR2004 - digits, not a rule
    return text if shown == "1" else f"{text} · {shown}\N{MULTIPLICATION SIGN} student"
