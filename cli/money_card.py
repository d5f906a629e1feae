"""What follows a run, for a person: dollars a month each way, the saving and what may fail, beside the run's cost."""

from __future__ import annotations

from collections.abc import Iterator

from cli.clean_console import CleanConsole
from cli.fitting_table import TableColumn, print_table
from lambdas.domain.costs.forecast import Forecast, NearMiss, Span
from lambdas.domain.report.figures import count, percent, usd

_COLUMNS = (
    TableColumn("Served by"),
    TableColumn("Per 1,000", rank=2, right=True),
    TableColumn("Low a month", rank=1, right=True),
    TableColumn("A month", right=True),
    TableColumn("High a month", rank=1, right=True),
)
_WAYS = {
    "teacher": "teacher, on demand",
    "baseline": "baseline, on demand",
    "student": "student, on demand",
    "provisioned_throughput": "student, throughput",
}
_WORDS = {"min_cost_reduction": "cheaper than the teacher"}


def print_forecast(screen: CleanConsole, follows: Forecast) -> None:
    """Write what would follow a promotion."""
    volume = follows.requests_per_month
    title = f"What follows, at {count(volume)} requests a month" if volume else "What follows a promotion"
    screen.say("")
    print_table(screen, _COLUMNS, [_cells(follows, way) for way in _WAYS], title=title)
    for line in _lines(follows):
        screen.say(line)


def _cells(follows: Forecast, way: str) -> tuple[str, ...]:
    each = follows.usd_per_request.get(way)
    name = _WAYS[way]
    if way == "provisioned_throughput" and follows.usd_per_unit_hour is not None:
        name += f" ({follows.units} unit{'s' if follows.units != 1 else ''})"
    month = follows.a_month(way)
    if month is None:
        unknown = "no price" if way == "provisioned_throughput" else "no volume"
        return name, usd(each.times(1000).expected) if each else "", "", unknown, ""
    thousand = usd(each.times(1000).expected) if each else ""
    return name, thousand, usd(month.low), usd(month.expected), usd(month.high)


def _lines(follows: Forecast) -> Iterator[str]:
    mode = follows.mode.replace("_", " ")
    for role in ("teacher", "baseline"):
        saved, on_demand = follows.saved(role), follows.saved(role, "student")
        if saved is not None:
            yield f"Promoted as the task says ({mode}): {_saving(role, saved)}{_recovered(follows, role)}."
        elif on_demand is not None:
            yield f"The price of {mode} is not known. On demand it would be {_saving(role, on_demand)}."
    if follows.requests_per_month is None:
        yield (
            "The volume is not known: set 'serving.expected_requests_per_month' in task.json to see dollars a month, "
            "the saving and when the run is earned back."
        )
    yield _throughput(follows)
    yield from (_near(one) for one in follows.near_misses())
    if follows.unknown:
        missing = ", ".join(follows.unknown)
        yield f"A person must accept what throughput costs ('gate.min_cost_reduction'): not known are {missing}."
    yield "It is foreseen by counted characters, not measured: the report says what the evaluation measured."


def _saving(role: str, saved: Span) -> str:
    if saved.expected < 0:
        return f"{usd(-saved.expected)} a month more than the {role}"
    return f"{usd(saved.expected)} a month less than the {role} ({usd(saved.low)} to {usd(saved.high)})"


def _recovered(follows: Forecast, role: str) -> str:
    months = follows.months_to_recover(role)
    if months is None:
        return ""
    when = f"after {months:,.1f} months" if months >= 1 else "within a month"
    return f"; the run is earned back {when}"


def _throughput(follows: Forecast) -> str:
    hour, border = follows.usd_per_unit_hour, follows.pays_from_requests
    if hour is None:
        return "From which volume throughput pays is not known: the price book has no price of its hour."
    simulated = "simulated " if follows.price_simulated else ""
    price = f"{simulated}{usd(hour)} a unit and hour, called or not"
    if border is None:
        return f"Throughput ({price}) never costs less than on demand."
    return f"Throughput ({price}) pays from {count(border)} requests a month."


def _near(one: NearMiss) -> str:
    begin = "Will miss" if one.misses else "Near miss"
    span = f"{percent(one.low)} to {percent(one.high)}"
    rule = f"'gate.{one.rule}' wants {percent(one.threshold)}"
    return f"{begin}: {percent(one.foreseen)} {_WORDS[one.rule]} is foreseen ({span}), and {rule}."
