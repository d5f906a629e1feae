"""Write a month's partition anew: a line that came late or was corrected replaces it and never adds a second row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from lambdas.domain.focus.charges import BilledAccount
from lambdas.domain.metrics import MONTH_IDLE_USD, MONTH_RUNS_USD, MONTH_SAVED_USD, MONTH_SERVING_USD, Measured
from lambdas.domain.showback.sums import shown_by
from lambdas.gateways.aws.regions import region_name
from lambdas.workflow.money.month import MoneyReader, MonthlyMoney
from lambdas.workflow.stage import Pipeline, Result

if TYPE_CHECKING:
    from lambdas.gateways.aws.endpoint_metrics import Usage

STILL_COMING_DAYS = 5
"""Days of a month on which the one before is exported too: jobs of its last day end in them."""


def export_costs(pipeline: Pipeline, usage: Usage, month: str | None = None) -> Result:
    """Export a month, or those that are due, and measure the present one.

    Parameters
    ----------
    pipeline : Pipeline
    usage : Usage
    month : str, optional
        ``YYYY-MM``.

    Returns
    -------
    dict
        Of each month the rows that were written.
    """
    environment, now = pipeline.environment, pipeline.now()
    account = BilledAccount(
        account_id=environment.account,
        region=pipeline.prices.region,
        region_name=region_name(pipeline.prices.region),
        environment=environment.name,
        simulated=environment.settings.simulated,
    )
    reader = MoneyReader(
        registry=pipeline.registry,
        tasks=pipeline.tasks,
        resources=pipeline.resources,
        usage=usage,
        runs=pipeline.runs,
        settings=environment.settings,
        now=pipeline.now,
    )
    written: Result = {}
    for wanted in [month] if month else months_due(now):
        found = reader.read(wanted)
        folder = f"focus/billing_period={wanted}/environment={environment.name}"
        pipeline.runs.write(f"{folder}/charges.csv", found.rows(account).encode())
        pipeline.runs.write(f"{folder}/savings.csv", found.saved_rows(account).encode())
        written[wanted] = len(found.charges)
        if wanted == f"{now:%Y-%m}":
            pipeline.meter.emit_all(list(measure_month(found)))
    return written


def months_due(now: datetime) -> list[str]:
    """Name the months of which lines may still come."""
    before = now.replace(day=1) - timedelta(days=1)
    return [*([f"{before:%Y-%m}"] if now.day <= STILL_COMING_DAYS else []), f"{now:%Y-%m}"]


def measure_month(month: MonthlyMoney) -> Iterator[Measured]:
    """Measure what a month has come to so far, the same figures as ``showback``."""
    lines = shown_by("environment", "", month.charges, month.served.idle, month.savings, {})
    sums = {"runs": Decimal(), "serving": Decimal(), "idle": Decimal(), "saved": Decimal()}
    for line in lines:
        sums = {name: usd + (getattr(line, name) or Decimal()) for name, usd in sums.items()}
    for metric, name in (
        (MONTH_RUNS_USD, "runs"), (MONTH_SERVING_USD, "serving"), (MONTH_IDLE_USD, "idle"), (MONTH_SAVED_USD, "saved"),
    ):  # fmt: skip
        yield Measured(metric=metric, value=float(sums[name]))
