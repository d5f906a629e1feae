"""The contestants side by side: the one comparison that both the report page and the terminal show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lambdas.domain.report.figures import change, milliseconds, number, percent, pick, rows_of, score, usd
from lambdas.domain.report.texts import short

ROLE_NAMES = {
    "student": "Student",
    "undistilled_student": "Undistilled student",
    "prompted_base": "Prompted base",
    "baseline": "Baseline",
    "teacher": "Teacher",
    "champion": "Present champion",
}
"""Contestants in the order in which people compare them: what was made, of what, and what it competes with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonRow:
    """What was measured of one contestant; ``None`` where it was not.

    Attributes
    ----------
    role : str
        A key of :data:`ROLE_NAMES`.
    model_id : str or None
        Model, profile or deployment as it was called.
    records : int or None
        Records of the holdout that were answered.
    judge_score : float or None
        Mean judge score, 1 to 5.
    score_interval : tuple of float or None
        95 % confidence interval of the mean, low and high.
    score_shares : tuple of float or None
        Shares (summing to 1) of the scores 1 to 5.
    schema_validity, validity_after_repair : float or None
        Share of answers that satisfy the task's output schema, as they are and after the documented repair.
    latency_p50_ms, latency_p95_ms : float or None
        Milliseconds.
    latency_spread_ms : tuple of float or None
        Milliseconds at 5, 25 and 75 percent.
    client_p50_ms, client_p95_ms : float or None
        The same on the client's clock, the network included.
    throttled : int
        Answers kept out of the latencies.
    timed, timed_apart : int or None
        Answers whose latency counts; of them, those that were asked for once more, on demand, for their time.
    usd_per_1k_requests : float or None
        US dollars per 1,000 requests.
    latency_reduction_vs_baseline, cost_reduction_vs_baseline : float or None
    latency_reduction_vs_teacher, cost_reduction_vs_teacher : float or None
        Share by which this contestant's median latency or cost is smaller; negative where it is larger.
    """

    role: str
    model_id: str | None
    records: int | None
    judge_score: float | None
    score_interval: tuple[float, float] | None
    score_shares: tuple[float, ...] | None
    schema_validity: float | None
    validity_after_repair: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_spread_ms: tuple[float, float, float] | None
    client_p50_ms: float | None
    client_p95_ms: float | None
    throttled: int
    timed: int | None
    timed_apart: int
    usd_per_1k_requests: float | None
    latency_reduction_vs_baseline: float | None
    cost_reduction_vs_baseline: float | None
    latency_reduction_vs_teacher: float | None
    cost_reduction_vs_teacher: float | None

    @property
    def name(self) -> str:
        """The contestant's role in words."""
        return ROLE_NAMES.get(self.role, self.role.replace("_", " ").capitalize())


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the comparison: its heading, how it is aligned and what it says of a row."""

    title: str
    align: Literal["left", "right"]
    text: Callable[[ComparisonRow], str]


def comparison_rows(report: dict[str, Any]) -> list[ComparisonRow]:
    """Read the contestants of a report.

    Parameters
    ----------
    report : dict
        The document of ``report.json``; every field may be null.

    Returns
    -------
    list of ComparisonRow
        In the order of :data:`ROLE_NAMES`, unknown roles last; empty when the run did not get to the evaluation.
    """
    contestants = rows_of(report.get("contestants"))
    by_role = {str(contestant.get("role")): contestant for contestant in reversed(contestants)}
    order = list(ROLE_NAMES)
    ranked = sorted(contestants, key=lambda c: order.index(c["role"]) if c.get("role") in order else len(order))
    return [_row(contestant, by_role) for contestant in ranked]


def comparison_columns(rows: list[ComparisonRow]) -> tuple[Column, ...]:
    """Give the columns that say something about these rows.

    The comparison with the teacher or the baseline is left out when there is no such contestant.
    """
    roles = {row.role for row in rows}
    optional = {"baseline": _AGAINST_BASELINE, "teacher": _AGAINST_TEACHER}
    return _COLUMNS + tuple(column for role, column in optional.items() if role in roles)


def reduction(value: float | None, reference: float | None) -> float | None:
    """Tell by which share ``value`` is smaller than ``reference`` (negative: larger); ``None`` without both."""
    if value is None or reference is None or reference <= 0:
        return None
    return 1 - value / reference


def short_model(model_id: str | None) -> str:
    """Name a model shortly: an ARN without its account and region, an identifier as it is."""
    if not model_id:
        return "not known"
    return model_id.split(":", 5)[-1] if model_id.startswith("arn:") else model_id


def _row(contestant: dict[str, Any], by_role: dict[str, dict[str, Any]]) -> ComparisonRow:
    p50, cost = _latency(contestant), _cost(contestant)
    baseline, teacher = by_role.get("baseline"), by_role.get("teacher")
    records, model_id = number(contestant.get("records")), contestant.get("model_id")
    timed = number(contestant.get("timed"))
    return ComparisonRow(
        role=short(contestant.get("role") or "unknown", 60),
        model_id=None if model_id is None else short(model_id, 200),
        records=None if records is None else int(records),
        judge_score=number(pick(contestant, "judge_score", "mean")),
        score_interval=_interval(pick(contestant, "judge_score", "ci95")),
        score_shares=_shares(pick(contestant, "judge_score", "distribution")),
        schema_validity=number(contestant.get("schema_validity")),
        validity_after_repair=number(contestant.get("schema_validity_after_repair")),
        latency_p50_ms=p50,
        latency_p95_ms=number(pick(contestant, "latency_ms", "p95")),
        latency_spread_ms=_spread(contestant),
        client_p50_ms=number(pick(contestant, "client_latency_ms", "p50")),
        client_p95_ms=number(pick(contestant, "client_latency_ms", "p95")),
        throttled=int(number(contestant.get("throttled")) or 0),
        timed=None if timed is None else int(timed),
        timed_apart=int(number(contestant.get("timed_apart")) or 0),
        usd_per_1k_requests=cost,
        latency_reduction_vs_baseline=reduction(p50, _latency(baseline)),
        cost_reduction_vs_baseline=reduction(cost, _cost(baseline)),
        latency_reduction_vs_teacher=reduction(p50, _latency(teacher)),
        cost_reduction_vs_teacher=reduction(cost, _cost(teacher)),
    )


def _latency(contestant: dict[str, Any] | None) -> float | None:
    return number(pick(contestant, "latency_ms", "p50"))


def _spread(contestant: dict[str, Any]) -> tuple[float, float, float] | None:
    low, first, third = (number(pick(contestant, "latency_ms", name)) for name in ("p5", "p25", "p75"))
    return None if low is None or first is None or third is None else (low, first, third)


def _cost(contestant: dict[str, Any] | None) -> float | None:
    return number(pick(contestant, "usd_per_1k_requests"))


def _interval(bounds: object) -> tuple[float, float] | None:
    if not isinstance(bounds, list) or len(bounds) != 2:  # noqa: PLR2004 - low and high
        return None
    low, high = number(bounds[0]), number(bounds[1])
    return None if low is None or high is None else (low, high)


def _shares(distribution: object) -> tuple[float, ...] | None:
    counts = [max(number(pick(distribution, str(points))) or 0.0, 0.0) for points in range(1, 6)]
    total = sum(counts)
    return tuple(records / total for records in counts) if total > 0 else None


def _against(row: ComparisonRow, role: str, cost: float | None, latency: float | None = None) -> str:
    if row.role == role:
        return "\N{EM DASH}"
    parts = [change(cost, "dearer", "cheaper")] if cost is not None else []
    if latency is not None:
        parts.append(change(latency, "slower", "faster"))
    return ", ".join(parts) or change(None)


def _validity(row: ComparisonRow) -> str:
    """Say the strict share; the one after repair only where repair mends something."""
    strict, mended = percent(row.schema_validity), percent(row.validity_after_repair)
    return strict if row.validity_after_repair is None or strict == mended else f"{strict} ({mended} after repair)"


_COLUMNS = (
    Column("Contestant", "left", lambda row: row.name),
    Column("Model", "left", lambda row: short_model(row.model_id)),
    Column("Judge score", "right", lambda row: score(row.judge_score)),
    Column("Valid answers", "right", _validity),
    Column("Latency p50", "right", lambda row: milliseconds(row.latency_p50_ms)),
    Column("$ per 1,000 requests", "right", lambda row: usd(row.usd_per_1k_requests)),
)
_AGAINST_BASELINE = Column(
    "Against the baseline",
    "left",
    lambda row: _against(row, "baseline", row.cost_reduction_vs_baseline, row.latency_reduction_vs_baseline),
)
_AGAINST_TEACHER = Column(
    "Against the teacher",
    "left",
    lambda row: _against(row, "teacher", row.cost_reduction_vs_teacher, row.latency_reduction_vs_teacher),
)
