"""What follows a run: serving dollars a month each way, the saving, and rules of the gate that will be close."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lambdas.domain.prices.model_units import pays_from, requests_a_month, units_needed
from lambdas.domain.prices.price_book import HOURS_A_MONTH
from lambdas.domain.serving.break_even import throughput_usage

if TYPE_CHECKING:
    from lambdas.domain.costs.estimate import EstimatedLine, RunToCome

NEAR = 0.02
"""How near a foreseen share may come to its threshold until it is told."""

_THROUGHPUT = "provisioned_throughput"


@dataclass(frozen=True, slots=True)
class Span:
    """A figure with the lowest and the highest that the counts of tokens allow."""

    low: float
    expected: float
    high: float

    def times(self, factor: float) -> Span:
        """Give the same for so many."""
        return Span(self.low * factor, self.expected * factor, self.high * factor)

    def below(self, other: Span) -> Span:
        """Give by how much less this is than another, at the same counts of tokens."""
        return Span(other.low - self.low, other.expected - self.expected, other.high - self.high)


@dataclass(frozen=True, kw_only=True, slots=True)
class NearMiss:
    """A rule of the gate whose foreseen figure is near its threshold, or beyond."""

    rule: str
    threshold: float
    foreseen: float
    low: float
    high: float

    @property
    def misses(self) -> bool:
        """Whether the expected figure would fail."""
        return self.foreseen < self.threshold


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What is foreseen of serving.

    Attributes
    ----------
    mode : str
        The task's ``serving.mode``: what a promotion takes.
    requests_per_month : int or None
    usd_per_request : dict of str to Span
        On demand, by role: teacher, baseline, student.
    usd_per_unit_hour : float or None
        Of the throughput under the task's commitment; ``None`` where the price book has no price.
    units : int
        The task's, or as many as the volume needs where that is known.
    pays_from_requests : float or None
        Volume from which throughput costs no more than on demand; ``None`` where it never does, or nobody knows.
    run_usd : float
        Expected cost of the run.
    capacity_known : bool
        Whether anybody knows what a unit serves.
    """

    mode: str
    requests_per_month: int | None
    usd_per_request: dict[str, Span]
    usd_per_unit_hour: float | None
    units: int
    pays_from_requests: float | None
    run_usd: float
    min_cost_reduction: float
    price_simulated: bool = False
    capacity_known: bool = True

    @property
    def unknown(self) -> list[str]:
        """Name what the gate does not know of a throughput, so that a person must accept what it costs."""
        if self.mode != _THROUGHPUT:
            return []
        facts = {
            "volume": self.requests_per_month is not None,
            "price of an hour": self.usd_per_unit_hour is not None,
            "requests that a unit serves": self.capacity_known,
        }
        return [name for name, known in facts.items() if not known]

    @property
    def throughput_usd(self) -> float | None:
        """Dollars a month of the throughput, called or not."""
        return None if self.usd_per_unit_hour is None else self.usd_per_unit_hour * self.units * HOURS_A_MONTH

    def a_month(self, way: str) -> Span | None:
        """Give the dollars a month of a way to serve: a role on demand, or ``provisioned_throughput``."""
        if way == _THROUGHPUT:
            usd = self.throughput_usd
            return None if usd is None else Span(usd, usd, usd)
        return None if self.requests_per_month is None else self.usd_per_request[way].times(self.requests_per_month)

    @property
    def promoted(self) -> Span | None:
        """Dollars a month of the student in the mode that a promotion takes."""
        return self.a_month(_THROUGHPUT if self.mode == _THROUGHPUT else "student")

    def saved(self, role: str, way: str | None = None) -> Span | None:
        """Give the dollars a month saved against a role, the lowest first; negative where the student is dearer.

        Parameters
        ----------
        role : {"teacher", "baseline"}
        way : {"student", "provisioned_throughput"}, optional
            How the student is served; without it, as a promotion takes it.
        """
        today, then = self.a_month(role), self.a_month(way) if way else self.promoted
        if self.requests_per_month is None or today is None or then is None:
            return None
        span = then.below(today)
        return Span(*sorted((span.low, span.expected, span.high)))

    def months_to_recover(self, role: str) -> float | None:
        """Give the months after which the run is earned back; ``None`` where nothing is saved or nobody knows."""
        saved = self.saved(role)
        return self.run_usd / saved.expected if saved and saved.expected > 0 else None

    def near_misses(self) -> Iterator[NearMiss]:
        """Give the rules of the gate that are foreseen to be close or broken."""
        teacher, then = self._compared()
        if teacher.expected <= 0 or then is None:
            return
        shares = [1 - after / before for after, before in _pairs(then, teacher) if before > 0]
        foreseen = 1 - then.expected / teacher.expected
        if foreseen < self.min_cost_reduction + NEAR:
            yield NearMiss(
                rule="min_cost_reduction",
                threshold=self.min_cost_reduction,
                foreseen=foreseen,
                low=min(shares),
                high=max(shares),
            )

    def _compared(self) -> tuple[Span, Span | None]:
        """Give teacher and student as the gate compares them: on throughput by the month, as far as that is known."""
        if self.mode == _THROUGHPUT:
            month = self.a_month("teacher")
            return (month, self.promoted) if month else (self.usd_per_request["teacher"], None)
        return self.usd_per_request["teacher"], self.usd_per_request["student"]

    def to_document(self) -> dict[str, Any]:
        """Give the forecast as ``estimate --json`` prints it."""
        ways = ("teacher", "baseline", "student", _THROUGHPUT)
        spans = {way: self.a_month(way) for way in ways}
        saved = {role: self.saved(role) for role in ("teacher", "baseline")}
        return {
            "mode": self.mode,
            "requests_per_month": self.requests_per_month,
            "usd_per_1k_requests": {role: asdict(span.times(1000)) for role, span in self.usd_per_request.items()},
            "usd_per_month": {way: asdict(span) if span else None for way, span in spans.items()},
            "saved_usd_per_month": {role: asdict(span) if span else None for role, span in saved.items()},
            "provisioned_throughput_usd_per_hour": self.usd_per_unit_hour and self.usd_per_unit_hour * self.units,
            "units": self.units,
            "pays_from_requests_per_month": self.pays_from_requests,
            "months_to_recover": {role: self.months_to_recover(role) for role in saved},
            "near_misses": [asdict(one) for one in self.near_misses()],
            "price_simulated": self.price_simulated,
            "unknown": self.unknown,
        }


def forecast(run: RunToCome, run_usd: float) -> Forecast | None:
    """Foresee what serving costs, by the tokens with which the run is estimated.

    Parameters
    ----------
    run : RunToCome
    run_usd : float
        Expected cost of the run.

    Returns
    -------
    Forecast or None
        ``None`` without a record to count the tokens of.

    Raises
    ------
    PriceMissing
    """
    requests = run.requests()
    if not requests:
        return None
    serving, student = run.task.serving, requests["student"]
    prices, model, volume = run.prices, run.models.student, serving.expected_requests_per_month
    price = prices.find(model, throughput_usage(serving.commitment))
    each = {role: _each(line) for role, line in requests.items()}
    tokens = (student.usage["input_tokens"] + student.usage["output_tokens"]) / student.usage["calls"]
    capacity = requests_a_month(model, tokens, prices, serving.peak_to_mean)
    needed = units_needed(volume, capacity) if volume and capacity else 1
    month = price.usd * HOURS_A_MONTH if price else None
    return Forecast(
        mode=serving.mode,
        requests_per_month=volume,
        usd_per_request=each,
        usd_per_unit_hour=price.usd if price else None,
        units=max(serving.model_units, needed),
        pays_from_requests=month and pays_from(month, serving.model_units, each["student"].expected, capacity),
        run_usd=run_usd,
        min_cost_reduction=run.task.gate.min_cost_reduction,
        price_simulated=bool(price and price.simulated),
        capacity_known=capacity is not None,
    )


def _each(line: EstimatedLine) -> Span:
    calls = line.usage["calls"]
    return Span(line.low_usd / calls, line.usd / calls, line.high_usd / calls)


def _pairs(first: Span, second: Span) -> list[tuple[float, float]]:
    return [(first.low, second.low), (first.expected, second.expected), (first.high, second.high)]
