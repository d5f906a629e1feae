"""The four figures that a reader looks for first: quality, latency, cost, savings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdas.domain.report.break_even import monthly_costs
from lambdas.domain.report.comparison import ComparisonRow, reduction
from lambdas.domain.report.figures import NOT_MEASURED, change, large_count, milliseconds, pick, score, usd
from lambdas.domain.report.texts import short

_MONTH_KEYS = {"on_demand": "student_on_demand", "provisioned_throughput": "student_provisioned_throughput"}


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure with what it is compared with."""

    title: str
    value: str
    unit: str
    notes: tuple[str, ...]


def key_figures(report: dict[str, Any], rows: list[ComparisonRow]) -> tuple[Tile, ...]:
    """Choose the key figures; none when the evaluation was not reached."""
    by_role = {row.role: row for row in reversed(rows)}
    student, baseline = by_role.get("student"), by_role.get("baseline")
    if student is None:
        return ()
    quality = Tile("Judge score", score(student.judge_score), "of 5", _others(by_role, "judge_score", score))
    latency = Tile(
        "Latency, median",
        milliseconds(student.latency_p50_ms),
        "",
        (
            *_others(by_role, "latency_p50_ms", milliseconds),
            *_change("than the baseline", student.latency_reduction_vs_baseline, baseline, "slower", "faster"),
        ),
    )
    return quality, latency, _cost(report, rows, student, by_role), _savings(report, rows, student)


def _cost(
    report: dict[str, Any], rows: list[ComparisonRow], student: ComparisonRow, by_role: dict[str, ComparisonRow]
) -> Tile:
    """Say what a request costs in the mode that is promoted, where volume and price are known; else on demand."""
    title, others = (
        "Cost per 1,000 requests",
        _others(by_role, "usd_per_1k_requests", usd, roles=("baseline", "teacher")),
    )
    teacher, on_demand = by_role.get("teacher"), student.usd_per_1k_requests
    if pick(report, "break_even", "mode") == "provisioned_throughput":
        costs = monthly_costs(report, rows)
        month = costs.at("student_provisioned_throughput", costs.expected) if costs and costs.expected else None
        if costs is None or not costs.expected or month is None:
            notes = ("on throughput not known: no volume or no price of an hour was given", *others)
            return Tile(title, usd(on_demand), "on demand", notes)
        served = 1000 * month / costs.expected
        share = reduction(served, teacher.usd_per_1k_requests if teacher else None)
        against = _change("than the teacher", share, teacher, "dearer", "cheaper")
        return Tile(title, usd(served), "throughput", (f"on demand {usd(on_demand)}", *others, *against))
    against = _change("than the teacher", student.cost_reduction_vs_teacher, teacher, "dearer", "cheaper")
    return Tile(title, usd(on_demand), "on demand", (*others, *against))


def _savings(report: dict[str, Any], rows: list[ComparisonRow], student: ComparisonRow) -> Tile:
    """Say what a month saves at the expected volume in the mode to be served, else what a request saves."""
    mode = str(pick(report, "break_even", "mode") or "on_demand")
    costs = monthly_costs(report, rows)
    notes: tuple[str, ...]
    if costs is None or not costs.expected:
        rival, share = "baseline", student.cost_reduction_vs_baseline
        if share is None:
            rival, share = "teacher", student.cost_reduction_vs_teacher
        text = change(share, "dearer", "cheaper")
        notes = (f"than the {rival}, per request", "no expected volume was given")
        if mode == "provisioned_throughput":
            notes = (f"than the {rival}, per request on demand", "the endpoint bills by the hour", notes[1])
        return Tile("Savings", text, "", notes)
    ours = costs.at(_MONTH_KEYS.get(mode, "student_on_demand"), costs.expected)
    rival = next((role for role in ("baseline", "teacher") if role in costs.per_request), "baseline")
    theirs = costs.at(rival, costs.expected)
    at_volume = f"at {large_count(costs.expected)} requests a month"
    if ours is None or theirs is None:
        return Tile("Savings", NOT_MEASURED, "", (at_volume,))
    difference = theirs - ours
    against = f"{'less' if difference >= 0 else 'more'} than the {rival}, {at_volume}"
    served = f"served by {short(mode, 40).replace('_', ' ')}" if mode != "on_demand" else "served on demand"
    notes = (against, served)
    if mode == "provisioned_throughput" and costs.capacity is None:
        units = "one model unit serves" if costs.model_units == 1 else f"{costs.model_units} model units serve"
        notes += (f"provided that {units} it, which is not known",)
    return Tile("Savings" if difference >= 0 else "Extra cost", usd(abs(difference)), "a month", notes)


def _others(
    by_role: dict[str, ComparisonRow],
    field: str,
    text: Any,  # noqa: ANN401 - one of the formatters
    roles: tuple[str, ...] = ("baseline",),
) -> tuple[str, ...]:
    return tuple(
        f"{by_role[role].name.lower()} {text(getattr(by_role[role], field))}" for role in roles if role in by_role
    )


def _change(than: str, share: float | None, against: ComparisonRow | None, more: str, less: str) -> tuple[str, ...]:
    if against is None or share is None:
        return ()
    text = change(share, more, less)
    return (f"the same {than.replace('than', 'as', 1)}" if text == "the same" else f"{text} {than}",)
