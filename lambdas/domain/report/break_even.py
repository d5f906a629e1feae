"""The break-even chart: dollars a month against requests a month, for each way to serve the task.

Both axes are logarithmic: paying per request is then a straight rising line, paying per hour a level one, and lines
that differ fiftyfold stay readable in one picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambdas.domain.prices.model_units import pays_up_to_volume
from lambdas.domain.prices.price_book import HOURS_A_MONTH
from lambdas.domain.report.figures import axis_usd, count, large_count, number, pick, rows_of, usd
from lambdas.domain.report.scales import LogScale, Tick
from lambdas.domain.serving.break_even import advice

if TYPE_CHECKING:
    from lambdas.domain.report.comparison import ComparisonRow

PLOT_WIDTH, PLOT_HEIGHT = 1000, 300
"""Units of the plot; the height is also its height in pixels."""

STUDENT_ON_THROUGHPUT = "student_provisioned_throughput"
NAMES = {
    "teacher": "Teacher, on demand",
    "baseline": "Baseline, on demand",
    "student_on_demand": "Student, on demand",
    STUDENT_ON_THROUGHPUT: "Student, provisioned throughput",
}
_IN_A_SENTENCE = {
    "teacher": "the teacher",
    "baseline": "the baseline",
    "student_on_demand": "the student on demand",
    STUDENT_ON_THROUGHPUT: "the student on provisioned throughput",
}
MODES = ("provisioned_throughput", "on_demand")
TERMS = {"none": "no commitment", "OneMonth": "one month", "SixMonths": "six months"}
OTHER = {term: f"commitment_{term}" for term in TERMS}
"""Keys of the lines of commitments that the task has not chosen."""
MOST_STEPS = 40
"""Steps of units that are drawn one by one; beyond them a staircase looks like the straight line that it is near."""
_LABEL_FLIPS_AT = 50
_SAME_VOLUME = 0.03


@dataclass(frozen=True, slots=True)
class CostLine:
    """One way to serve: its line in plot units and its price at the expected volume."""

    key: str
    name: str
    at_expected: str
    y_left: float
    y_right: float
    points: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A volume that matters; ``y`` is where it meets the throughput's line."""

    at: float
    y: float | None
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class BreakEvenChart:
    """Monthly cost by volume."""

    takeaway: str
    lines: tuple[CostLine, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    expected: Mark | None
    break_even: Mark | None
    price_simulated: bool
    has_expected: bool
    unknown: str


@dataclass(frozen=True, slots=True)
class MonthlyCosts:
    """Dollars per request and per month, read from the report.

    Attributes
    ----------
    throughput_usd : float or None
        Of the task's model units, under its commitment.
    capacity : float or None
        Requests a month that one model unit serves; ``None`` where nobody knows.
    others : dict of str to float
        Dollars a month of one model unit under commitments that the task has not chosen, by the key of its line.
    unpriced : tuple of str
        Those of them of which the price is not known, in words.
    term : str
        The task's own commitment, in words; empty where the report does not tell it.
    """

    per_request: dict[str, float]
    throughput_usd: float | None
    expected: float | None
    break_even: float | None
    model_units: int = 1
    capacity: float | None = None
    others: dict[str, float] = field(default_factory=dict)
    unpriced: tuple[str, ...] = ()
    term: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The ways to serve, those of other commitments last."""
        return (*NAMES, *self.others)

    def units(self, requests: float) -> int:
        """Give the model units at a volume: the task's, or more where it is known that these do not serve it."""
        needed = 0 if self.capacity is None else math.ceil(requests / self.capacity)
        return max(self.model_units, needed)

    def at(self, key: str, requests: float) -> float | None:
        """Dollars a month of one way to serve at a volume."""
        if key in self.others:
            return self.others[key] * self.units(requests)
        if key == STUDENT_ON_THROUGHPUT:
            each = None if self.throughput_usd is None else self.throughput_usd / self.model_units
            return None if each is None else each * self.units(requests)
        return self.per_request[key] * requests if key in self.per_request else None

    def steps(self, key: str, left: float, right: float) -> list[float]:
        """Give the volumes from which a way needs one model unit more."""
        if self.capacity is None or (key != STUDENT_ON_THROUGHPUT and key not in self.others):
            return []
        first, last = self.units(left), self.units(right)
        return [units * self.capacity for units in range(first, min(last, first + MOST_STEPS))]

    @property
    def rival(self) -> str | None:
        """The way that provisioned throughput begins to beat at the break-even; ``None`` where none fits."""
        if not self.break_even or self.throughput_usd is None:
            return None
        gaps = {
            key: abs(usd_each * self.break_even / self.throughput_usd - 1) for key, usd_each in self.per_request.items()
        }
        nearest = min(gaps, key=lambda key: gaps[key], default=None)
        return nearest if nearest is not None and gaps[nearest] <= _SAME_VOLUME else None


def monthly_costs(document: dict[str, Any], rows: list[ComparisonRow]) -> MonthlyCosts | None:
    """Read ``break_even``; the price per request comes from the month at the expected volume, else from the rows."""
    facts = document.get("break_even")
    if not isinstance(facts, dict):
        return None
    expected = positive(facts.get("expected_requests_per_month"))
    measured = {"student_on_demand" if row.role == "student" else row.role: row.usd_per_1k_requests for row in rows}
    per_request: dict[str, float] = {}
    for key in ("teacher", "baseline", "student_on_demand"):
        month = positive(pick(facts, "usd_per_month", key))
        each = month / expected if month and expected else (positive(measured.get(key)) or 0) / 1000
        if each:
            per_request[key] = each
    hourly = positive(facts.get("provisioned_throughput_usd_per_hour"))
    own = facts.get("commitment")
    others = {
        OTHER[str(row["commitment"])]: usd_hour * HOURS_A_MONTH
        for row in rows_of(facts.get("throughputs"))
        if row.get("commitment") in OTHER and row["commitment"] != own
        if (usd_hour := positive(row.get("usd_per_unit_hour"))) is not None
    }
    return MonthlyCosts(
        per_request,
        hourly * HOURS_A_MONTH if hourly else None,
        expected,
        positive(facts.get("requests_per_month_at_break_even")),
        model_units=model_units(document),
        capacity=positive(facts.get("unit_requests_per_month")),
        others=others if own in OTHER else {},
        term=TERMS.get(str(own), ""),
        unpriced=tuple(TERMS[term] for term in OTHER if own in OTHER and term != own and OTHER[term] not in others),
    )


def break_even_chart(document: dict[str, Any], rows: list[ComparisonRow]) -> BreakEvenChart | None:
    """Lay out the chart; ``None`` when the report has neither a volume nor a price to draw."""
    costs = monthly_costs(document, rows)
    if costs is None or not costs.per_request or not (costs.expected or costs.break_even):
        return None
    volumes = [volume for volume in (costs.expected, costs.break_even) if volume]
    x = LogScale.around([min(volumes) / 4, max(volumes) * 4])
    left, right = 10.0**x.low, 10.0**x.high
    heights = [
        value for key in costs.keys for value in [costs.at(key, min(volumes) / 4), costs.at(key, right)] if value
    ]
    y = LogScale.around(heights)
    return BreakEvenChart(
        takeaway=_takeaway(costs),
        lines=tuple(_line(key, costs, (x, y), left, right) for key in costs.keys if costs.at(key, right) is not None),
        x_ticks=tuple(x.ticks(large_count, most=6)),
        y_ticks=tuple(
            Tick(round(PLOT_HEIGHT * (1 - tick.at / 100), 2), tick.label) for tick in y.ticks(axis_usd, most=6)
        ),
        expected=_mark(costs, (x, y), costs.expected, "expected"),
        break_even=_mark(costs, (x, y), costs.break_even, "break-even"),
        price_simulated=pick(document, "break_even", "price_simulated") is True,
        has_expected=costs.expected is not None,
        unknown=_unknown(costs),
    )


def serving_advice(document: dict[str, Any]) -> str | None:
    """Say which serving mode the report advises; ``None`` without a break-even."""
    facts = document.get("break_even")
    if not isinstance(facts, dict) or facts.get("mode") not in MODES:
        return None
    names = (
        "provisioned_throughput_usd_per_hour",
        "requests_per_month_at_break_even",
        "expected_requests_per_month",
    )
    ways = (STUDENT_ON_THROUGHPUT, "student_on_demand")
    months = {way: usd for way in ways if (usd := positive(pick(facts, "usd_per_month", way))) is not None}
    monthly = months if len(months) == len(ways) else None
    said = advice({"mode": facts["mode"], "usd_per_month": monthly, **{n: positive(facts.get(n)) for n in names}})
    if facts.get("price_stated") is True:
        said += ". The price of an hour is the one that was stated with the approval"
    return f"{said}."


def _line(key: str, costs: MonthlyCosts, axes: tuple[LogScale, LogScale], left: float, right: float) -> CostLine:
    x, y = axes
    ends = [costs.at(key, volume) or 1.0 for volume in (left, right)]
    at_expected = usd(costs.at(key, costs.expected)) if costs.expected else ""
    corners = [(left, ends[0])]
    for volume in costs.steps(key, left, right):
        corners += [(volume, costs.at(key, volume) or 1.0), (volume, costs.at(key, volume * 1.000001) or 1.0)]
    corners.append((right, ends[1]))
    points = " ".join(f"{x.at(volume) * PLOT_WIDTH / 100:.2f},{_height(y, cost)}" for volume, cost in corners)
    return CostLine(key, _name(key, costs), at_expected, _height(y, ends[0]), _height(y, ends[1]), points)


def _name(key: str, costs: MonthlyCosts) -> str:
    term = next((TERMS[term] for term, other in OTHER.items() if other == key), None)
    if key == STUDENT_ON_THROUGHPUT and costs.term:
        return f"{NAMES[key]}, {costs.term}"
    return NAMES[key] if term is None else f"{NAMES[STUDENT_ON_THROUGHPUT]}, {term}"


def _unknown(costs: MonthlyCosts) -> str:
    """Say what is not drawn because nobody knows it."""
    parts = []
    if costs.throughput_usd is None:
        parts.append("The price of the task's provisioned throughput is unknown.")
    if costs.unpriced:
        parts.append(f"The price of throughput for {' and for '.join(costs.unpriced)} is unknown.")
    if costs.capacity is None and (costs.throughput_usd is not None or costs.others):
        units = "one model unit" if costs.model_units == 1 else f"{costs.model_units} model units"
        parts.append(f"Provisioned throughput is drawn for {units}: which volume that serves is unknown.")
    return " ".join(parts)


def _height(y: LogScale, value: float) -> float:
    return round(PLOT_HEIGHT * (1 - y.at(value) / 100), 2)


def _mark(costs: MonthlyCosts, axes: tuple[LogScale, LogScale], volume: float | None, word: str) -> Mark | None:
    """Place a volume; its label stands where a narrow chart has more room."""
    if volume is None:
        return None
    x, y = axes
    at = x.at(volume)
    month = costs.at(STUDENT_ON_THROUGHPUT, volume)
    meets = None if month is None else _height(y, month)
    return Mark(at, meets, f"{word} {large_count(volume)}", "end" if at > _LABEL_FLIPS_AT else "start")


def _takeaway(costs: MonthlyCosts) -> str:
    parts = []
    if costs.throughput_usd:
        hourly = costs.throughput_usd / HOURS_A_MONTH
        parts.append(f"Provisioned throughput costs {usd(hourly)} per hour, whether it is used or not.")
    if costs.break_even:
        rival = f" than {_IN_A_SENTENCE[costs.rival]}" if costs.rival else ""
        last = pays_up_to_volume(costs.break_even, costs.model_units, costs.capacity)
        where = f"from {count(costs.break_even)} requests a month on."
        if last is not None:
            where = (
                f"from {count(costs.break_even)} to {count(last)} requests a month, which its units serve. "
                "Beyond, another unit is needed, which has to pay too."
            )
        parts.append(f"It is cheaper{rival} {where}")
    elif costs.throughput_usd and costs.capacity:
        parts.append("A full unit serves less than its price pays for from the student on demand: it never pays.")
    if costs.expected:
        ways = {key: costs.at(key, costs.expected) for key in costs.keys}
        priced = {key: value for key, value in ways.items() if value is not None}
        cheapest = min(priced, key=lambda key: priced[key])
        other = f"{_IN_A_SENTENCE[STUDENT_ON_THROUGHPUT]}, {_name(cheapest, costs).rpartition(', ')[2]}"
        named = _IN_A_SENTENCE.get(cheapest, other)
        parts.append(
            f"At the expected {count(costs.expected)} requests a month the cheapest is {named}, "
            f"at {usd(priced[cheapest])} a month."
        )
    return " ".join(parts)


def commitment_term(document: dict[str, Any]) -> str | None:
    """Name the term for which the task's throughput is bound; ``None`` where it can be deleted at any time."""
    term = str(pick(document, "break_even", "commitment"))
    return TERMS.get(term) if term != "none" else None


def model_units(document: dict[str, Any]) -> int:
    """Give the task's model units; one where the report does not tell them."""
    return max(1, int(number(pick(document, "break_even", "model_units")) or 1))


def positive(value: object) -> float | None:
    """Give a number above 0 of a report; ``None`` for anything else."""
    figure = number(value)
    return figure if figure is not None and figure > 0 else None
