"""What the pipeline's own services cost by the day: measured, worked out from counts, or estimated.

CloudWatch measures what Lambdas, the registry, buckets and logs did. What exists in the stacks is charged for its
hours. State transitions, requests to S3 and the key, and own metrics are measured by nothing that tells environments
apart: they are estimated by the Lambdas that ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from lambdas.domain.costs.at_rest import AT_REST
from lambdas.domain.focus.charges import Charge
from lambdas.domain.prices.priced_parts import PricedPart

if TYPE_CHECKING:
    from lambdas.domain.prices.price_book import PriceBook

PIPELINE = "Pipeline"
"""What stands for the stage of charges of the services around Bedrock."""

ACTUAL, DERIVED, ESTIMATED = "actual", "derived", "estimated"

BESIDE_THE_MACHINE = (
    "StartRun", "AnswerApproval", "ReconcileRuns", "ReapIdleThroughput", "ExportCosts", "RollBackChampion",
)  # fmt: skip
"""Lambdas that events and people invoke, as their names begin after the stack's."""

A_CALL_BY_THE_MACHINE = {
    ("AWS Step Functions", "transition"): 3.0,
    ("Amazon S3", "put"): 3.0,
    ("Amazon S3", "get"): 5.0,
    ("AWS KMS", "request"): 3.0,
}
"""What one Lambda of the machine brings with it: the Wait, Task and Choice of a poll, and the requests that the stages
make, counted on runs in which everything happens and rounded (a test counts them again)."""

A_CALL_BESIDE_IT = {("Amazon S3", "get"): 1.0, ("AWS KMS", "request"): 1.0}
"""The same of a Lambda that an event or a schedule invokes; most of these find nothing to do."""

ENDPOINT_ZONES = "ENDPOINT_ZONES"
"""Variable of ExportCosts: interface endpoints of the stack times their Availability Zones."""

METRICS_AT_REST, METRICS_OF_A_RUN = 3, 6
"""Own metrics with a value in every hour (docs/watching.md), and those that an hour with a run adds, about."""

_DAY_S = 86_400
_BYTES_A_GB = 2**30
_MS_A_SECOND, _MB_A_GB = 1_000, 1_024


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnResources:
    """What of the environment bills by use or by the hour.

    Attributes
    ----------
    functions : mapping of str to int
        Memory in MB by name.
    log_groups : sequence of str
        Of the functions.
    prefix : str
        What the functions' names begin with.
    since : datetime or None
        When the environment was made; ``None`` where nothing says it.
    endpoint_zones : int
        Interface endpoints times Availability Zones.
    """

    functions: Mapping[str, int] = field(default_factory=dict)
    log_groups: tuple[str, ...] = ()
    prefix: str = ""
    since: datetime | None = None
    endpoint_zones: int = 0

    def by_the_machine(self, function: str) -> bool:
        """Tell whether the state machine invokes a function."""
        return not function.removeprefix(self.prefix).startswith(BESIDE_THE_MACHINE)


@dataclass(kw_only=True, slots=True)
class MeasuredDay:
    """What CloudWatch measured on one day of UTC.

    Attributes
    ----------
    calls, milliseconds : dict of str to float
        By function.
    busy_hours : set of int
        Hours in which the machine invoked a Lambda.
    read_units, write_units : float
        Of the tables and their indexes.
    stored_bytes : float
        In the buckets, the day's mean.
    log_bytes : float
        Taken in.
    """

    calls: dict[str, float] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    busy_hours: set[int] = field(default_factory=set)
    read_units: float = 0.0
    write_units: float = 0.0
    stored_bytes: float = 0.0
    log_bytes: float = 0.0


Used = tuple[str, str, float, str]
"""Service, usage, quantity, and how it is known."""


def own_charges(
    month: str, measured: Mapping[date, MeasuredDay], own: OwnResources, prices: PriceBook, now: datetime
) -> tuple[list[Charge], list[str]]:
    """Charge a month's services, one charge for each service, usage and day.

    Parameters
    ----------
    month : str
        ``YYYY-MM``, of UTC.
    measured : mapping of date to MeasuredDay
    own : OwnResources
    prices : PriceBook
    now : datetime
        What exists is charged until then.

    Returns
    -------
    charges : list of Charge
        They belong to no task and no run: a Lambda or a table serves all of them.
    unpriced : list of str
        What was used and has no price, for a person; it is never a zero.
    """
    charges, unpriced = [], {}
    for day, hours in _days(month, own.since, now):
        for service, usage, quantity, evidence in _used(measured.get(day, MeasuredDay()), own, day, hours):
            if not quantity:
                continue
            if prices.find(service, usage) is None:
                unpriced[service, usage] = f"{service}: the price book has no price for '{usage}' in {prices.region}"
                continue
            part = PricedPart.of(prices, service, usage, round(quantity, 9))
            charges.append(
                Charge(
                    day=day, task="", run_id="", stage=PIPELINE, model=service, part=part, usd=part.usd,
                    evidence=evidence, line_id=f"{PIPELINE}/{service}/{usage}/{day}", simulated=part.simulated,
                )
            )  # fmt: skip
    return charges, list(unpriced.values())


def _days(month: str, since: datetime | None, now: datetime) -> Iterator[tuple[date, float]]:
    """Give the days of a month on which the environment existed, with its hours of each."""
    day = date.fromisoformat(f"{month}-01")
    while f"{day:%Y-%m}" == month and since is not None:
        midnight = datetime.combine(day, time(), UTC)
        begins, ends = max(since, midnight), min(now, midnight + timedelta(seconds=_DAY_S))
        if ends > begins:
            yield day, (ends - begins).total_seconds() / 3600
        day += timedelta(days=1)


def _used(of: MeasuredDay, own: OwnResources, day: date, hours: float) -> Iterator[Used]:
    """Give what was used on a day. A month's price is charged by the hour: a whole month is the price, once."""
    month_hours = 24.0 * ((day.replace(day=1) + timedelta(days=31)).replace(day=1) - day.replace(day=1)).days
    yield "AWS Lambda", "request", sum(of.calls.values()), ACTUAL
    yield "AWS Lambda", "gb_second", _gb_seconds(of.milliseconds, own.functions), DERIVED
    yield "Amazon DynamoDB", "read_unit", of.read_units, ACTUAL
    yield "Amazon DynamoDB", "write_unit", of.write_units, ACTUAL
    yield "Amazon S3", "stored", of.stored_bytes / _BYTES_A_GB * hours / month_hours, ACTUAL
    yield "Amazon CloudWatch", "log", of.log_bytes / _BYTES_A_GB, ACTUAL
    for (service, usage), count in AT_REST.items():
        yield service, usage, count * hours / month_hours, DERIVED
    yield "AWS PrivateLink", "endpoint", own.endpoint_zones * hours, DERIVED
    metric_hours = METRICS_AT_REST * hours + METRICS_OF_A_RUN * len(of.busy_hours)
    yield "Amazon CloudWatch", "metric", metric_hours / month_hours, ESTIMATED
    yield from _estimated(of.calls, own)


def _estimated(calls: Mapping[str, float], own: OwnResources) -> Iterator[Used]:
    sums: dict[tuple[str, str], float] = {}
    for function, number in calls.items():
        each = A_CALL_BY_THE_MACHINE if own.by_the_machine(function) else A_CALL_BESIDE_IT
        for what, count in each.items():
            sums[what] = sums.get(what, 0.0) + number * count
    yield from ((service, usage, quantity, ESTIMATED) for (service, usage), quantity in sums.items())


def _gb_seconds(milliseconds: Mapping[str, float], memory: Mapping[str, int]) -> float:
    """Work out GB-seconds: CloudWatch has the handlers' time, not the start of a cold Lambda, which is billed too."""
    return sum(taken / _MS_A_SECOND * memory.get(name, 0) / _MB_A_GB for name, taken in milliseconds.items())


def is_own(charge: Charge) -> bool:
    """Tell whether a charge is of the services around Bedrock."""
    return charge.stage == PIPELINE
