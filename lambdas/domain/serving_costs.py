"""What each way to serve costs at the measured tokens, from which volume a throughput pays, when a run pays back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lambdas.domain.break_even import throughput_usage
from lambdas.domain.prices import HOURS_A_MONTH, PriceBook

COMMITMENTS = ("none", "OneMonth", "SixMonths")
"""Terms of a provisioned throughput (Amazon Bedrock API reference, CreateProvisionedModelThroughput)."""

UNKNOWN = "unknown"

_MINUTES_AN_HOUR = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class ThroughputCosts:
    """A provisioned throughput under one commitment.

    Attributes
    ----------
    usd_per_unit_hour : float
    usd_per_month : float
        Of the units that the expected volume needs where that is known, else of the task's.
    units : int
        The units that ``usd_per_month`` is about.
    break_even_requests_per_month : float or None
        Volume from which it costs less than the student on demand, with the units which that volume needs; ``None``
        where it never does: a full unit serves less than its price buys on demand.
    units_at_break_even, units_at_expected : int or "unknown" or None
        ``"unknown"`` without the tokens a minute of a unit; ``None`` without a volume.
    """

    commitment: str
    usd_per_unit_hour: float
    units: int
    usd_per_month: float
    usd_per_1k_requests: float | None
    break_even_requests_per_month: float | None
    units_at_break_even: int | str | None
    units_at_expected: int | str | None
    simulated: bool

    def to_document(self) -> dict[str, Any]:
        """Give the costs as they stand in ``report.json``."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Student:
    """What is known of the student's serving.

    Attributes
    ----------
    tokens_per_request : float
        Input and output together, as measured.
    usd_per_request : float
        On demand.
    model_units : int
        Of the task.
    expected : float or None
        Requests a month.
    """

    model: str
    tokens_per_request: float
    usd_per_request: float
    model_units: int
    expected: float | None


def throughputs(student: Student, prices: PriceBook) -> list[ThroughputCosts]:
    """Work out the costs under each commitment of which the book has the price."""
    lines = [(term, prices.find(student.model, throughput_usage(term))) for term in COMMITMENTS]
    capacity = requests_a_month(student, prices)
    return [_costs(student, term, line.usd, capacity, simulated=line.simulated) for term, line in lines if line]


def requests_a_month(student: Student, prices: PriceBook) -> float | None:
    """Give the requests that one unit serves in a month of even traffic; ``None`` where nobody knows.

    A unit caps tokens a minute (Amazon Bedrock user guide, provisioned throughput); traffic with peaks needs more.
    """
    per_minute = prices.unit_tokens_per_minute(student.model)
    if per_minute is None or student.tokens_per_request <= 0:
        return None
    return per_minute / student.tokens_per_request * _MINUTES_AN_HOUR * HOURS_A_MONTH


def months_to_recover(
    usd_per_month: Mapping[str, float | None] | None, mode: str, run_usd: float
) -> dict[str, float | None] | None:
    """Say after how many months what a run cost is earned back.

    Parameters
    ----------
    usd_per_month : mapping, optional
        ``usd_per_month`` of ``break_even``.
    mode : str
        The task's ``serving.mode``.
    run_usd : float
        What the run cost.

    Returns
    -------
    dict or None
        ``teacher`` and ``baseline``: months against each; ``None`` where the student saves nothing against it. The
        whole is ``None`` where volume or price are not known.
    """
    way = "student_provisioned_throughput" if mode == "provisioned_throughput" else "student_on_demand"
    if not usd_per_month or usd_per_month.get(way) is None:
        return None
    saved = {role: (usd_per_month[role] or 0.0) - (usd_per_month[way] or 0.0) for role in ("teacher", "baseline")}
    return {role: run_usd / usd if usd > 0 else None for role, usd in saved.items()}


def _costs(student: Student, term: str, hour: float, capacity: float | None, *, simulated: bool) -> ThroughputCosts:
    expected, month = student.expected, hour * HOURS_A_MONTH
    needed = _units(expected, capacity)
    units = needed if isinstance(needed, int) else student.model_units
    border, at_border = _break_even(student, month, capacity)
    return ThroughputCosts(
        commitment=term,
        usd_per_unit_hour=hour,
        units=units,
        usd_per_month=month * units,
        usd_per_1k_requests=month * units / expected * 1000 if expected else None,
        break_even_requests_per_month=border,
        units_at_break_even=at_border,
        units_at_expected=needed,
        simulated=simulated,
    )


def _units(volume: float | None, capacity: float | None) -> int | str | None:
    if volume is None:
        return None
    return UNKNOWN if capacity is None else max(1, math.ceil(volume / capacity))


def _break_even(student: Student, month: float, capacity: float | None) -> tuple[float | None, int | str | None]:
    """Find the least volume at which the units that it needs cost no more than the same requests on demand."""
    if student.usd_per_request <= 0:
        return None, None
    if capacity is None:
        return month * student.model_units / student.usd_per_request, UNKNOWN
    # The first unit pays before it is full, or no number of units ever does.
    border = month / student.usd_per_request
    return (border, 1) if border <= capacity else (None, None)
