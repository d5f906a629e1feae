"""What each way to serve costs at the measured tokens, from which volume a throughput pays, when a run pays back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lambdas.domain.prices.model_units import pays_from, requests_a_month, units_needed
from lambdas.domain.prices.price_book import HOURS_A_MONTH, PriceBook
from lambdas.domain.serving.break_even import throughput_usage

COMMITMENTS = ("none", "OneMonth", "SixMonths")
"""Terms of a provisioned throughput (Amazon Bedrock API reference, CreateProvisionedModelThroughput)."""

UNKNOWN = "unknown"

MONTHS_A_YEAR = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class ThroughputCosts:
    """A provisioned throughput under one commitment.

    Attributes
    ----------
    usd_per_unit_hour : float
    usd_per_month : float
        Of the task's units, or as many as the expected volume needs where it is known that the task's cannot serve it.
    units : int
        The units that ``usd_per_month`` is about.
    break_even_requests_per_month : float or None
        Volume from which the task's units cost no more than the student on demand; ``None`` where they never do: a full
        unit serves less than the same dollars pay for on demand.
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
        """Give the costs as written to ``report.json``."""
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
    peak_to_mean : float
        Requests of the busiest minute against the mean minute.
    """

    model: str
    tokens_per_request: float
    usd_per_request: float
    model_units: int
    expected: float | None
    peak_to_mean: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Upkeep:
    """What a served student costs a month besides its answers.

    Attributes
    ----------
    model_storage : float
        Dollars of the custom model's storage; 0 where the price book has no such price.
    distillations : float
        The run's cost times ``serving.distillations_per_year``, a twelfth of it.
    pipeline : float
        What the environment costs at rest (:func:`~lambdas.domain.costs.at_rest.usd_at_rest`).
    """

    model_storage: float
    distillations: float
    pipeline: float

    @property
    def usd_per_month(self) -> float:
        """Their sum."""
        return self.model_storage + self.distillations + self.pipeline

    def to_document(self) -> dict[str, float]:
        """Give the figures as written to ``report.json``."""
        return asdict(self)


def upkeep(model: str, run_usd: float, distillations_per_year: float, at_rest_usd: float, prices: PriceBook) -> Upkeep:
    """Work out what a served student costs a month besides its answers.

    Parameters
    ----------
    model : str
        Base model of the student.
    run_usd : float
        What the run cost: another distillation is taken to cost the same.
    distillations_per_year : float
        Of the task.
    at_rest_usd : float
        A month of the environment.
    prices : PriceBook
    """
    storage = prices.find(model, "storage")
    return Upkeep(
        model_storage=storage.usd if storage else 0.0,
        distillations=run_usd * distillations_per_year / MONTHS_A_YEAR,
        pipeline=at_rest_usd,
    )


def throughputs(student: Student, prices: PriceBook) -> list[ThroughputCosts]:
    """Work out the costs under each commitment of which the book has the price."""
    lines = [(term, prices.find(student.model, throughput_usage(term))) for term in COMMITMENTS]
    capacity = requests_a_month(student.model, student.tokens_per_request, prices, student.peak_to_mean)
    return [_costs(student, term, line.usd, capacity, simulated=line.simulated) for term, line in lines if line]


def months_to_recover(
    usd_per_month: Mapping[str, float | None] | None, mode: str, run_usd: float, upkeep_usd: float
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
    upkeep_usd : float
        A month of :class:`Upkeep`, which the saving must earn first.

    Returns
    -------
    dict or None
        ``teacher`` and ``baseline``: months against each; ``None`` where nothing is left of what the student saves. The
        whole is ``None`` where volume or price are not known.
    """
    way = "student_provisioned_throughput" if mode == "provisioned_throughput" else "student_on_demand"
    if not usd_per_month or usd_per_month.get(way) is None:
        return None
    served = (usd_per_month[way] or 0.0) + upkeep_usd
    saved = {role: (usd_per_month[role] or 0.0) - served for role in ("teacher", "baseline")}
    return {role: run_usd / usd if usd > 0 else None for role, usd in saved.items()}


def _costs(student: Student, term: str, hour: float, capacity: float | None, *, simulated: bool) -> ThroughputCosts:
    expected, month = student.expected, hour * HOURS_A_MONTH
    needed = _units(expected, capacity)
    units = max(student.model_units, needed) if isinstance(needed, int) else student.model_units
    border = pays_from(month, student.model_units, student.usd_per_request, capacity)
    return ThroughputCosts(
        commitment=term,
        usd_per_unit_hour=hour,
        units=units,
        usd_per_month=month * units,
        usd_per_1k_requests=month * units / expected * 1000 if expected else None,
        break_even_requests_per_month=border,
        units_at_break_even=None if border is None else UNKNOWN if capacity is None else student.model_units,
        units_at_expected=needed,
        simulated=simulated,
    )


def _units(volume: float | None, capacity: float | None) -> int | str | None:
    if volume is None:
        return None
    return UNKNOWN if capacity is None else units_needed(volume, capacity)
