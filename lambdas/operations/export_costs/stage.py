"""Write a month's partition anew: a line that came late or was corrected replaces it and never adds a second row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from lambdas.domain.focus.athena_tables import CHARGES, SAVINGS, partition
from lambdas.domain.focus.charges import BilledAccount
from lambdas.domain.metrics import (
    MONTH_IDLE_USD,
    MONTH_RUNS_USD,
    MONTH_SAVED_USD,
    MONTH_SERVICES_USD,
    MONTH_SERVING_USD,
    Measured,
)
from lambdas.domain.showback.sums import shown_by
from lambdas.gateways.aws.own_metrics import OwnMetrics
from lambdas.gateways.aws.regions import region_name
from lambdas.gateways.registry.table import BY_STATE
from lambdas.workflow.money.month import MoneyReader, MonthlyMoney

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient

    from lambdas.gateways.aws.endpoint_metrics import Usage
    from lambdas.workflow.stage import Pipeline, Result


def export_costs(pipeline: Pipeline, usage: Usage, own: OwnMetrics, month: str | None = None) -> Result:
    """Export a month, or those that are due, and measure the present one.

    Parameters
    ----------
    pipeline : Pipeline
    usage : Usage
    own : OwnMetrics
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
        own=own,
        runs=pipeline.runs,
        settings=environment.settings,
        now=pipeline.now,
    )
    written: Result = {}
    for wanted in [month] if month else months_due(now):
        found = reader.read(wanted)
        for table, rows in ((CHARGES, found.rows(account)), (SAVINGS, found.saved_rows(account))):
            pipeline.runs.write(f"{partition(table, wanted, environment.name)}/{table}.csv", rows.encode())
        written[wanted] = len(found.charges)
        if wanted == f"{now:%Y-%m}":
            pipeline.meter.emit_all(list(measure_month(found)))
    return written


def own_metrics(
    pipeline: Pipeline, functions: LambdaClient, dynamodb: DynamoDBClient, cloudwatch: CloudWatchClient
) -> OwnMetrics:
    """Give what reads the environment's own services."""
    environment = pipeline.environment
    return OwnMetrics(
        environment=environment.name,
        functions=functions,
        dynamodb=dynamodb,
        cloudwatch=cloudwatch,
        registry_table=environment.registry_table,
        registry_index=BY_STATE,
        buckets=[environment.runs_bucket, environment.uploads_bucket],
    )


def months_due(now: datetime) -> list[str]:
    """Name the months of which lines may still come.

    A line belongs to the month in which its job ended, and a retry may find that job weeks later: the month before is
    written anew until the present one ends.
    """
    before = now.replace(day=1) - timedelta(days=1)
    return [f"{before:%Y-%m}", f"{now:%Y-%m}"]


def measure_month(month: MonthlyMoney) -> Iterator[Measured]:
    """Measure what a month has come to so far, the same figures as ``showback``."""
    lines = shown_by("environment", "", month.charges, month.served.idle, month.savings, {})
    for metric, name in (
        (MONTH_RUNS_USD, "runs"), (MONTH_SERVING_USD, "serving"), (MONTH_IDLE_USD, "idle"), (MONTH_SAVED_USD, "saved"),
        (MONTH_SERVICES_USD, "services"),
    ):  # fmt: skip
        together = sum((getattr(line, name) or Decimal() for line in lines), Decimal())
        yield Measured(metric=metric, value=float(together))
