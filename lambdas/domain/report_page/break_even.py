"""The break-even chart: dollars a month against requests a month, for each way to serve the task.

Both axes are logarithmic: paying per request is then a straight rising line, paying per hour a level one, and lines
that differ fiftyfold stay readable in one picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdas.domain.break_even import advice
from lambdas.domain.comparison import ComparisonRow
from lambdas.domain.prices import HOURS_A_MONTH
from lambdas.domain.report_page.figures import axis_usd, count, large_count, number, pick, plain, rows_of, usd
from lambdas.domain.report_page.scales import LogScale, Tick
from lambdas.domain.report_page.texts import short

PLOT_WIDTH, PLOT_HEIGHT = 1000, 300
"""Units of the plot; the height is also its height in pixels."""

THROUGHPUT = "student_provisioned_throughput"
_NAMES = {
    "teacher": "Teacher, on demand",
    "baseline": "Baseline, on demand",
    "student_on_demand": "Student, on demand",
    THROUGHPUT: "Student, provisioned throughput",
}
_IN_A_SENTENCE = {
    "teacher": "the teacher",
    "baseline": "the baseline",
    "student_on_demand": "the student on demand",
    THROUGHPUT: "the student on provisioned throughput",
}
MODES = ("provisioned_throughput", "on_demand")
_TERMS = {"none": "no commitment", "OneMonth": "one month", "SixMonths": "six months"}
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


@dataclass(frozen=True, slots=True)
class MonthlyCosts:
    """Dollars per request and per month, read from the report."""

    per_request: dict[str, float]
    throughput_usd: float | None
    expected: float | None
    break_even: float | None

    def at(self, key: str, requests: float) -> float | None:
        """Dollars a month of one way to serve at a volume."""
        if key == THROUGHPUT:
            return self.throughput_usd
        return self.per_request[key] * requests if key in self.per_request else None

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
    expected = _positive(facts.get("expected_requests_per_month"))
    measured = {"student_on_demand" if row.role == "student" else row.role: row.usd_per_1k_requests for row in rows}
    per_request: dict[str, float] = {}
    for key in ("teacher", "baseline", "student_on_demand"):
        month = _positive(pick(facts, "usd_per_month", key))
        each = month / expected if month and expected else (_positive(measured.get(key)) or 0) / 1000
        if each:
            per_request[key] = each
    hourly = _positive(facts.get("provisioned_throughput_usd_per_hour"))
    throughput = _positive(pick(facts, "usd_per_month", THROUGHPUT)) or (hourly * HOURS_A_MONTH if hourly else None)
    return MonthlyCosts(per_request, throughput, expected, _positive(facts.get("requests_per_month_at_break_even")))


def break_even_chart(document: dict[str, Any], rows: list[ComparisonRow]) -> BreakEvenChart | None:
    """Lay out the chart; ``None`` when the report has neither a volume nor a price to draw."""
    costs = monthly_costs(document, rows)
    if costs is None or not costs.per_request or not (costs.expected or costs.break_even):
        return None
    volumes = [volume for volume in (costs.expected, costs.break_even) if volume]
    x = LogScale.around([min(volumes) / 4, max(volumes) * 4])
    left, right = 10.0**x.low, 10.0**x.high
    heights = [value for key in _NAMES for value in [costs.at(key, min(volumes) / 4), costs.at(key, right)] if value]
    y = LogScale.around(heights)
    return BreakEvenChart(
        takeaway=_takeaway(costs),
        lines=tuple(_line(key, costs, y, left, right) for key in _NAMES if costs.at(key, right) is not None),
        x_ticks=tuple(x.ticks(large_count, most=6)),
        y_ticks=tuple(
            Tick(round(PLOT_HEIGHT * (1 - tick.at / 100), 2), tick.label) for tick in y.ticks(axis_usd, most=6)
        ),
        expected=_mark(costs, (x, y), costs.expected, "expected", other=costs.break_even),
        break_even=_mark(costs, (x, y), costs.break_even, "break-even", other=costs.expected),
        price_simulated=pick(document, "break_even", "price_simulated") is True,
        has_expected=costs.expected is not None,
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
    said = advice({"mode": facts["mode"], **{name: _positive(facts.get(name)) for name in names}})
    if facts.get("price_stated") is True:
        said += ". The price of an hour is the one that was stated with the approval"
    return f"{said}."


@dataclass(frozen=True, slots=True)
class ServingRow:
    """One way to serve, in the words of the table."""

    name: str
    per_1k: str
    month: str
    pays_from: str
    units: str
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class ServingTable:
    """Every way to serve at the measured tokens, and when the run is earned back."""

    rows: tuple[ServingRow, ...]
    recovery: str
    units_unknown: bool


def serving_table(document: dict[str, Any]) -> ServingTable | None:
    """Lay out the ways to serve; ``None`` where the report has no figures of them."""
    per_1k = pick(document, "break_even", "usd_per_1k_requests")
    if not isinstance(per_1k, dict):
        return None
    monthly = pick(document, "break_even", "usd_per_month") or {}
    on_demand = [("teacher", "teacher"), ("baseline", "baseline"), ("student", "student_on_demand")]
    rows = [ServingRow(_NAMES[key], usd(per_1k.get(role)), usd(pick(monthly, key)), "", "") for role, key in on_demand]
    found = rows_of(pick(document, "break_even", "throughputs"))
    rows += [_throughput_row(row) for row in found]
    unknown = any(row.get("units_at_break_even") == "unknown" for row in found)
    return ServingTable(tuple(rows), _recovery(pick(document, "break_even", "months_to_recover")), unknown)


def _throughput_row(row: dict[str, Any]) -> ServingRow:
    term = _TERMS.get(str(row.get("commitment")), short(row.get("commitment"), 40))
    border, units = number(row.get("break_even_requests_per_month")), number(row.get("units"))
    needed = row.get("units_at_expected") or row.get("units_at_break_even")
    return ServingRow(
        name=f"Student, provisioned throughput, {term}",
        per_1k=usd(row.get("usd_per_1k_requests")),
        month=f"{usd(row.get('usd_per_month'))} ({count(units)} {'unit' if units == 1 else 'units'})",
        pays_from="never" if border is None else f"{count(border)} requests a month",
        units="unknown" if number(needed) is None else count(needed),
        simulated=row.get("simulated") is True,
    )


def _recovery(months: object) -> str:
    if not isinstance(months, dict):
        return ""
    said = []
    for role in ("baseline", "teacher"):
        figure = number(months.get(role))
        term = "never" if figure is None else f"in {plain(figure)} months" if figure >= 1 else "within a month"
        said.append(f"{term} against the {role}")
    return f"What the run cost is earned back {', '.join(said)}."


def _line(key: str, costs: MonthlyCosts, y: LogScale, left: float, right: float) -> CostLine:
    ends = [costs.at(key, volume) or 1.0 for volume in (left, right)]
    at_expected = usd(costs.at(key, costs.expected)) if costs.expected else ""
    return CostLine(key, _NAMES[key], at_expected, _height(y, ends[0]), _height(y, ends[1]))


def _height(y: LogScale, value: float) -> float:
    return round(PLOT_HEIGHT * (1 - y.at(value) / 100), 2)


def _mark(
    costs: MonthlyCosts, axes: tuple[LogScale, LogScale], volume: float | None, word: str, other: float | None
) -> Mark | None:
    """Place a volume; its label stands away from the other mark where there is one."""
    if volume is None:
        return None
    x, y = axes
    at = x.at(volume)
    meets = None if costs.throughput_usd is None else _height(y, costs.throughput_usd)
    to_the_left = at > _LABEL_FLIPS_AT if other is None or other == volume else volume < other
    return Mark(at, meets, f"{word} {large_count(volume)}", "end" if to_the_left else "start")


def _takeaway(costs: MonthlyCosts) -> str:
    parts = []
    if costs.throughput_usd:
        hourly = costs.throughput_usd / HOURS_A_MONTH
        parts.append(f"Provisioned throughput costs {usd(hourly)} per hour, whether it is used or not.")
    if costs.break_even:
        rival = f" than {_IN_A_SENTENCE[costs.rival]}" if costs.rival else ""
        parts.append(f"It is cheaper{rival} from {count(costs.break_even)} requests a month on.")
    if costs.expected:
        ways = {key: costs.at(key, costs.expected) for key in _NAMES}
        priced = {key: value for key, value in ways.items() if value is not None}
        cheapest = min(priced, key=lambda key: priced[key])
        parts.append(
            f"At the expected {count(costs.expected)} requests a month the cheapest is {_IN_A_SENTENCE[cheapest]}, "
            f"at {usd(priced[cheapest])} a month."
        )
    return " ".join(parts)


def _positive(value: object) -> float | None:
    figure = number(value)
    return figure if figure is not None and figure > 0 else None
