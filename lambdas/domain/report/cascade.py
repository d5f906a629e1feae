"""The what-if of a cascade: what the page says of asking the student first, and the picture of quality against cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lambdas.domain.report.figures import (
    NOT_MEASURED,
    axis_usd,
    count,
    milliseconds,
    number,
    percent,
    pick,
    plain,
    rows_of,
    score,
    usd,
)
from lambdas.domain.report.scales import LinearScale, LogScale, Tick
from lambdas.domain.report.texts import short

PLOT_WIDTH, PLOT_HEIGHT = 1000, 240
"""Units of the plot; the height is also its height in pixels."""

WAYS = (("student", "Student alone"), ("cascade", "Student first, then the teacher"), ("teacher", "Teacher alone"))
MOST_POINTS = 40
_REASONS = {
    "breaks_schema": "break the output schema",
    "truncated": "are cut off",
    "unanswered": "are missing",
    "low_confidence": "are not sure enough",
}
_STEP = 0.5
_LABEL_FLIPS_AT = 60


@dataclass(frozen=True, slots=True)
class WayRow:
    """One way to answer, in the words of the table."""

    key: str
    name: str
    score: str
    validity: str
    latency: str
    per_1k: str
    month: str


@dataclass(frozen=True, slots=True)
class WayPoint:
    """One way in the picture: ``at`` in percent of the width, ``y`` in pixels."""

    key: str
    told: str
    label: str
    at: float
    y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class TradeOff:
    """Judge score against dollars per 1,000 requests, the latter logarithmic."""

    points: tuple[WayPoint, ...]
    curve: str
    best: Tick | None
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class CascadeSection:
    """All that the page says of the cascade."""

    verdict: str
    escalation: str
    limits: str
    rows: tuple[WayRow, ...]
    has_months: bool
    chart: TradeOff | None


def cascade_section(report: dict[str, Any]) -> CascadeSection | None:
    """Lay the what-if out; ``None`` where the report has none."""
    facts = report.get("cascade")
    if not isinstance(facts, dict) or not number(facts.get("records")):
        return None
    months = pick(facts, "usd_per_month")
    return CascadeSection(
        verdict=_verdict(facts),
        escalation=_escalation(facts),
        limits=_limits(facts),
        rows=tuple(_row(facts, key, name, rows_of(report.get("contestants"))) for key, name in WAYS),
        has_months=isinstance(months, dict),
        chart=_trade_off(facts),
    )


def _row(facts: dict[str, Any], key: str, name: str, contestants: list[dict[str, Any]]) -> WayRow:
    """Give one way; who serves alone has the latency that the comparison has, of the answers that were timed."""
    timed = next((pick(one, "latency_ms") for one in contestants if one.get("role") == key), None)
    latency = timed if isinstance(timed, dict) else pick(facts, key, "latency_ms")
    times = [milliseconds(pick(latency, share)) for share in ("p50", "p95")]
    return WayRow(
        key=key,
        name=name,
        score=score(pick(facts, key, "score")),
        validity=percent(pick(facts, key, "schema_validity")),
        latency=NOT_MEASURED if set(times) == {NOT_MEASURED} else " / ".join(times),
        per_1k=usd(pick(facts, key, "usd_per_1k_requests")),
        month=usd(pick(facts, "usd_per_month", key)),
    )


def _verdict(facts: dict[str, Any]) -> str:
    """Say whether routing beats promotion alone."""
    if number(facts.get("escalated")) == 0:
        return (
            f"None of {count(facts.get('records'))} answers of the student would have been passed on to the teacher: "
            "the cascade is the student alone."
        )
    low, high = number(pick(facts, "against_student", "low")), number(pick(facts, "against_student", "high"))
    if low is not None and low > 0:
        said = "It is better than the student alone"
    elif high is not None and high < 0:
        said = "It is worse than the student alone"
    else:
        said = "That it is better than the student alone is not shown"
    gain, bounds = pick(facts, "against_student", "mean"), f"{_points(low)} and {_points(high)}"
    price, alone, teacher = (pick(facts, key, "usd_per_1k_requests") for key in ("cascade", "student", "teacher"))
    return (
        f"The student first, and the teacher for {percent(facts.get('escalated_share'))} of the requests, scores "
        f"{score(pick(facts, 'cascade', 'score'))} instead of {score(pick(facts, 'student', 'score'))}. {said}: "
        f"{_points(gain)} (one-sided 95% bounds {bounds}). 1,000 requests cost "
        f"{usd(price)}, instead of {usd(alone)} for the student alone and {usd(teacher)} for the teacher alone."
    )


def _points(value: object) -> str:
    figure = number(value)
    return NOT_MEASURED if figure is None else f"{'+' if figure >= 0 else ''}{score(figure)}"


def _escalation(facts: dict[str, Any]) -> str:
    found = {name: number(pick(facts, "reasons", name)) or 0 for name in _REASONS}
    parts = [f"{count(found[name])} {words}" for name, words in _REASONS.items() if found[name]]
    mended = number(pick(facts, "reasons", "repairable"))
    if mended:
        parts[0] += f" ({count(mended)} of them a repair would mend)"
    if not parts:
        return ""
    passed, answers = count(facts.get("escalated")), count(facts.get("records"))
    return f"Passed on: {passed} of {answers} answers, of which {', '.join(parts)}."


def _limits(facts: dict[str, Any]) -> str:
    """Say by what is routed, and what routing could reach at most."""
    field = facts.get("confidence_field")
    if field:
        signal = f"Not sure enough: “{short(field, 80)}” of the answer is below {plain(facts.get('below'))}."
    else:
        signal = (
            "The task names no field in which the student says how sure it is (“cascade” in task.json), so that only "
            "what is missing, cut off or broken is passed on."
        )
    best = score(facts.get("best_routing_score"))
    parts = [signal, f"A routing that always chose the better answer of the two would score {best}."]
    left_out = number(facts.get("not_judged_for_both"))
    if left_out:
        parts.append(f"{count(left_out)} records are left out: the judge did not score both answers.")
    return " ".join(parts)


def _trade_off(facts: dict[str, Any]) -> TradeOff | None:
    """Place the three ways and the other thresholds; ``None`` where a way has no place on the axes."""
    places = {key: _place(pick(facts, key)) for key, _ in WAYS}
    known = {key: place for key, place in places.items() if place is not None}
    if len(known) < len(WAYS):
        return None
    curve = [place for row in rows_of(facts.get("curve"))[:MOST_POINTS] if (place := _place(row)) is not None]
    best = number(facts.get("best_routing_score"))
    scores = [points for _, points in [*known.values(), *curve]] + ([] if best is None else [best])
    x, y = LogScale.around([cost for cost, _ in [*known.values(), *curve]]), _score_scale(scores)
    path = " ".join(f"{x.at(cost) * PLOT_WIDTH / 100:.1f},{_height(y, points)}" for cost, points in curve)
    steps = round((y.high - y.low) / _STEP)
    return TradeOff(
        points=tuple(_point(key, name, known[key], x, y) for key, name in WAYS),
        curve=path if len(curve) > 1 else "",
        best=None if best is None else Tick(_height(y, best), f"best routing {score(best)}"),
        x_ticks=tuple(x.ticks(axis_usd, most=6)),
        y_ticks=tuple(
            Tick(_height(y, y.low + step * _STEP), f"{y.low + step * _STEP:.1f}") for step in range(steps + 1)
        ),
    )


def _place(way: object) -> tuple[float, float] | None:
    cost, points = number(pick(way, "usd_per_1k_requests")), number(pick(way, "score"))
    return (cost, points) if cost is not None and cost > 0 and points is not None else None


def _point(key: str, name: str, place: tuple[float, float], x: LogScale, y: LinearScale) -> WayPoint:
    at = x.at(place[0])
    return WayPoint(
        key,
        f"{name}: {score(place[1])}, {usd(place[0])}",
        score(place[1]),
        at,
        _height(y, place[1]),
        "end" if at > _LABEL_FLIPS_AT else "start",
    )


def _score_scale(scores: list[float]) -> LinearScale:
    low = max(1.0, math.floor((min(scores) - 0.2) / _STEP) * _STEP)
    high = min(5.0, math.ceil((max(scores) + 0.1) / _STEP) * _STEP)
    return LinearScale(min(low, 4.0), max(high, low + _STEP))


def _height(y: LinearScale, points: float) -> float:
    return round(PLOT_HEIGHT * (1 - y.at(points) / 100), 2)
