"""What serving costs a month, and from which volume a provisioned throughput pays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lambdas.domain.prices.model_units import pays_from, requests_a_month, units_needed
from lambdas.domain.prices.price_book import HOURS_A_MONTH, PriceBook

if TYPE_CHECKING:
    from lambdas.domain.evaluation.contestant_summary import ContestantSummary
    from lambdas.domain.task.task_definition import TaskDefinition


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakEven:
    """Monthly costs in US dollars; ``None`` where a price or the volume is not known.

    Attributes
    ----------
    usd_per_month : dict of str to float, optional
        At the expected volume. A throughput has the task's units, or as many as that volume needs where it is known
        that the task's cannot serve it.
    units_for_volume : int or None
        Those units; ``None`` without a volume.
    unit_requests_per_month : float or None
        What one unit serves where its busiest minute has ``peak_to_mean`` times the mean.
    provisioned_throughput_usd_per_hour : float or None
        For all model units of the task: what a promotion purchases.
    requests_per_month_at_break_even : float or None
        Volume at which the task's units cost what the student costs on demand; ``None`` where they never do.
    usd_per_1k_requests : dict of str to float
        On demand, by role, at the measured tokens.
    batch_usd_per_1k_requests : dict of str to float or None
        Of teacher and baseline by batch inference, for traffic that can wait.
    peak_to_mean : float
        Requests of the busiest minute against the mean minute, as the task says.
    price_stated : bool
        Whether the price of an hour is a person's word, given with the approval, and not the price book's.
    """

    mode: str
    expected_requests_per_month: int | None
    usd_per_month: dict[str, float | None] | None
    units_for_volume: int | None
    unit_requests_per_month: float | None
    provisioned_throughput_usd_per_hour: float | None
    requests_per_month_at_break_even: float | None
    price_simulated: bool
    usd_per_1k_requests: dict[str, float]
    batch_usd_per_1k_requests: dict[str, float | None]
    peak_to_mean: float
    price_stated: bool = False

    def to_document(self) -> dict[str, Any]:
        """Give the figures as written to ``report.json``."""
        return asdict(self)


def throughput_usage(commitment: str) -> str:
    """Name the price-book usage of a throughput hour under a commitment."""
    return "throughput" if commitment == "none" else f"throughput_{commitment}"


def work_out(
    summaries: Mapping[str, ContestantSummary],
    task: TaskDefinition,
    prices: PriceBook,
    student_model: str,
) -> BreakEven:
    """Work the break-even out from measured tokens.

    Parameters
    ----------
    summaries : mapping of str to ContestantSummary
        Student, teacher and baseline.
    task : TaskDefinition
    prices : PriceBook
    student_model : str
        Base model of the student.
    """
    line = prices.find(student_model, throughput_usage(task.serving.commitment))
    volume = task.serving.expected_requests_per_month
    per_request = {role: summaries[role].usd_per_1k_requests / 1000 for role in ("teacher", "baseline", "student")}
    monthly: dict[str, float | None] | None = None
    if volume is not None:
        monthly = {
            "teacher": volume * per_request["teacher"],
            "baseline": volume * per_request["baseline"],
            "student_on_demand": volume * per_request["student"],
        }
    student = summaries["student"]
    tokens = student.input_tokens_mean + student.output_tokens_mean
    capacity = requests_a_month(student_model, tokens, prices, task.serving.peak_to_mean)
    purchased = task.serving.model_units
    units = None if volume is None else max(purchased, 1 if capacity is None else units_needed(volume, capacity))
    return BreakEven(
        mode=task.serving.mode,
        expected_requests_per_month=volume,
        units_for_volume=units,
        unit_requests_per_month=capacity,
        peak_to_mean=task.serving.peak_to_mean,
        **_at(line.usd if line else None, purchased, units, capacity, monthly, per_request["student"]),
        price_simulated=bool(line and line.simulated),
        usd_per_1k_requests={role: each * 1000 for role, each in per_request.items()},
        batch_usd_per_1k_requests={role: summaries[role].batch_usd_per_1k_requests for role in ("teacher", "baseline")},
    )


def advice(break_even: Mapping[str, Any]) -> str:
    """Say in one sentence which serving mode pays, from ``break_even`` of ``report.json``."""
    hour, mode = break_even["provisioned_throughput_usd_per_hour"], break_even["mode"]
    needed, volume = break_even["requests_per_month_at_break_even"], break_even["expected_requests_per_month"]
    if hour is not None and needed is None:
        return (
            f"Advice: on_demand: provisioned throughput (${hour:,.2f} an hour) never costs less, because a full unit "
            "serves less than its price pays for on demand"
        )
    if hour is None or needed is None:
        return (
            "Advice: the price of a throughput hour is not known, so no break-even can be given; on demand nothing "
            "bills by the hour"
        )
    border = (
        f"provisioned throughput (${hour:,.2f} an hour) costs as much as on demand at {needed:,.0f} requests a month"
    )
    monthly = break_even["usd_per_month"]
    if volume is None or not monthly:
        return f"Advice: {border}; below that take on_demand. The task states no expected_requests_per_month"
    # Not the volume against the border: just above what its units serve, another one need not pay yet.
    served, on_demand = monthly["student_provisioned_throughput"], monthly["student_on_demand"]
    better = "provisioned_throughput" if served <= on_demand else "on_demand"
    chosen = "as the task says" if better == mode else f"while the task says {mode}"
    expected = f"at the {volume:,.0f} that are expected it costs ${served:,.0f} a month, on demand ${on_demand:,.0f}"
    return f"Advice: {better}, {chosen}: {border}; {expected}"


def with_stated_price(
    break_even: Mapping[str, Any], usd_per_unit_hour: float, model_units: int, student_usd_per_1k: float
) -> dict[str, Any]:
    """Work the break-even out again with the price that a person stated with the approval.

    Parameters
    ----------
    break_even : mapping
        ``break_even`` of ``report.json``; a price that it has already stands.
    usd_per_unit_hour : float
        US dollars of one model-unit hour.
    model_units : int
        Of the task.
    student_usd_per_1k : float
        US dollars of 1,000 requests to the student on demand.
    """
    if break_even["provisioned_throughput_usd_per_hour"] is not None:
        return dict(break_even)
    units, capacity = break_even["units_for_volume"], break_even["unit_requests_per_month"]
    monthly, usd_per_request = break_even["usd_per_month"], student_usd_per_1k / 1000
    priced = _at(usd_per_unit_hour, model_units, units, capacity, monthly, usd_per_request)
    return {**break_even, **priced, "price_stated": True}


def pays_up_to(break_even: Mapping[str, Any]) -> float | None:
    """Give the price up to which a throughput costs no more than the student on demand at the expected volume.

    Parameters
    ----------
    break_even : mapping
        ``break_even`` of ``report.json``.

    Returns
    -------
    float or None
        US dollars of one model-unit hour; ``None`` where the volume is not known.
    """
    monthly, units = break_even["usd_per_month"], break_even["units_for_volume"]
    if monthly is None or units is None:
        return None
    limit: float = monthly["student_on_demand"] / (units * HOURS_A_MONTH)
    return limit


def _at(
    unit_hour: float | None,
    purchased: int,
    units: int | None,
    capacity: float | None,
    monthly: Mapping[str, float | None] | None,
    usd_per_request: float,
) -> dict[str, Any]:
    """Give what depends on a unit's hourly price, which nobody may know: of units purchased, and of units needed."""
    month = None if unit_hour is None else unit_hour * HOURS_A_MONTH
    served = None if month is None or units is None else month * units
    return {
        "usd_per_month": None if monthly is None else {**monthly, "student_provisioned_throughput": served},
        "provisioned_throughput_usd_per_hour": None if unit_hour is None else unit_hour * purchased,
        "requests_per_month_at_break_even": month and pays_from(month, purchased, usd_per_request, capacity),
    }
