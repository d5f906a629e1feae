"""What serving costs by the day: hours of throughput, storage of models, tokens of deployments."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from lambdas.domain.focus.charges import Charge
from lambdas.domain.model_ids import custom_model_of
from lambdas.domain.prices.price_book import HOURS_A_MONTH
from lambdas.domain.prices.priced_parts import PricedPart
from lambdas.domain.serving.break_even import throughput_usage
from lambdas.domain.serving.serving_costs import COMMITMENTS

if TYPE_CHECKING:
    from lambdas.domain.prices.price_book import PriceBook

SERVING, STORAGE = "Serving", "Storage"
"""What stands for the stage of charges that no run pays."""

MEASURED, DERIVED = "actual", "derived"

_DAY_S = 86_400
USAGE_OF_METRIC = {
    "InputTokenCount": "input", "OutputTokenCount": "output", "CacheReadInputTokenCount": "cache_read",
    "CacheWriteInputTokenCount": "cache_write",
}  # fmt: skip
"""CloudWatch's token metrics by the usage of the price book (Amazon Bedrock user guide, runtime metrics)."""

TOKEN_METRICS = tuple(USAGE_OF_METRIC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Existing:
    """Something of Bedrock that bills for a task while it exists.

    Attributes
    ----------
    kind : {"throughput", "deployment", "model"}
    task, run_id, arn : str
    base_model : str
        What the student was customized from.
    begins : datetime
    ends : datetime
        The present where it still exists.
    usd_per_hour : float or None
        Of a throughput, all its units.
    model_units, commitment : int or None, str or None
        Of a throughput: how many units it has, and ``none``, ``OneMonth`` or ``SixMonths``; ``None`` where nobody wrote
        them down.
    """

    kind: str
    task: str
    run_id: str
    arn: str
    base_model: str
    begins: datetime
    ends: datetime
    usd_per_hour: float | None = None
    model_units: int | None = None
    commitment: str | None = None

    def seconds_by_day(self, month: str) -> Iterator[tuple[date, float]]:
        """Give the seconds for which it existed on each day of a month (``YYYY-MM``), of UTC."""
        day = date.fromisoformat(f"{month}-01")
        while f"{day:%Y-%m}" == month:
            midnight = datetime.combine(day, time(), UTC)
            begins, ends = max(self.begins, midnight), min(self.ends, midnight + timedelta(seconds=_DAY_S))
            if ends > begins:
                yield day, (ends - begins).total_seconds()
            day += timedelta(days=1)


def existence_charges(thing: Existing, prices: PriceBook, month: str) -> Iterator[Charge]:
    """Give the charges of a throughput or a model for existing, one a day.

    They are derived: registry times are within minutes of Bedrock's own. What has no price is left out; whoever asks
    names it (:func:`unpriced`).
    """
    price = _hour_or_month(thing, prices)
    if price is None:
        return
    usage, usd_per_unit, units, simulated = price
    for day, seconds in thing.seconds_by_day(month):
        hours = seconds / 3600
        quantity = hours * units if thing.kind == "throughput" else hours / HOURS_A_MONTH
        part = PricedPart(usage=usage, quantity=round(quantity, 9), usd_per_unit=usd_per_unit, simulated=simulated)
        yield _charge(thing, day, part, DERIVED, usage)


def token_charges(
    thing: Existing, day: date, tokens: Mapping[str, float], already_paid: Mapping[str, float], prices: PriceBook
) -> Iterator[Charge]:
    """Give the charges of a deployment's tokens on one day.

    Parameters
    ----------
    thing : Existing
    day : date
    tokens : mapping of str to float
        Sum of each metric of :data:`TOKEN_METRICS`.
    already_paid : mapping of str to float
        Of these, the tokens by usage that are in ledgers: the pipeline's own questions to the endpoint.
    prices : PriceBook
    """
    model = custom_model_of(thing.base_model)
    for metric, usage in USAGE_OF_METRIC.items():
        quantity = max(0.0, tokens.get(metric, 0.0) - already_paid.get(usage, 0.0))
        priced_as = usage if prices.find(model, usage) else "input"
        if quantity and prices.find(model, priced_as):
            yield _charge(thing, day, PricedPart.of(prices, model, priced_as, quantity), MEASURED, usage)


def unpriced(thing: Existing, prices: PriceBook) -> str:
    """Say what is missing to price a thing; empty where nothing is."""
    model = custom_model_of(thing.base_model)
    if thing.kind == "deployment":
        return "" if prices.find(model, "input") and prices.find(model, "output") else f"input and output of {model}"
    if _hour_or_month(thing, prices) is not None:
        return ""
    return f"{'throughput' if thing.kind == 'throughput' else 'storage'} of {thing.base_model}"


def _hour_or_month(thing: Existing, prices: PriceBook) -> tuple[str, float, float, bool] | None:
    """Give usage, dollars a unit, units, and whether the price is made up."""
    if thing.kind == "model":
        line = prices.find(thing.base_model, "storage")
        return (line.usage, line.usd, 1.0, line.simulated) if line else None
    usage = throughput_usage(thing.commitment or "none")
    line = prices.find(thing.base_model, usage)
    if thing.usd_per_hour is None:
        return (line.usage, line.usd, float(thing.model_units or 1), line.simulated) if line else None
    if thing.model_units:
        usd = thing.usd_per_hour / thing.model_units
        return usage, usd, float(thing.model_units), bool(line and line.simulated and math.isclose(line.usd, usd))
    return _of_the_book(thing.base_model, thing.usd_per_hour, prices) or (usage, thing.usd_per_hour, 1.0, False)


def _of_the_book(model: str, usd_per_hour: float, prices: PriceBook) -> tuple[str, float, float, bool] | None:
    """Find the price of which some units cost so much, where an earlier version did not write them down."""
    for line in (prices.find(model, throughput_usage(commitment)) for commitment in COMMITMENTS):
        units = round(usd_per_hour / line.usd) if line and line.usd else 0
        if line and units and abs(usd_per_hour / line.usd - units) < 1e-9:  # noqa: PLR2004 - rounding
            return line.usage, line.usd, float(units), line.simulated
    return None


def _charge(thing: Existing, day: date, part: PricedPart, evidence: str, usage: str) -> Charge:
    stage = STORAGE if thing.kind == "model" else SERVING
    return Charge(
        day=day,
        task=thing.task,
        run_id=thing.run_id,
        stage=stage,
        model=thing.base_model if thing.kind != "deployment" else custom_model_of(thing.base_model),
        part=part,
        usd=part.usd,
        evidence=evidence,
        line_id=f"{thing.arn}/{day}/{usage}",
        resource=thing.arn,
        simulated=part.simulated,
    )
