"""What the daily export of the month costs: its own requests, counted, at list prices."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from lambdas.domain.prices.price_book import PriceBook
from lambdas.gateways.aws import clients
from tests.faults.__main__ import local_deployment
from tests.focus.busy_month import busy_month, month_of

EXPORTS_A_MONTH = 60
"""This month and the one before, each day."""

USD_PER_METRIC = 0.01 / 1_000
"""GetMetricData, a metric asked for (Amazon CloudWatch pricing, US East (N. Virginia), read 2026-11-29)."""

GIGABYTES = 1.0
"""Memory of ExportCosts."""

READ_UNIT_BYTES = 4_096
"""A strongly consistent read unit of DynamoDB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportCost:
    """One export of a busy month, and a month of them in US dollars."""

    rows: int
    calls: int
    usd_a_month: float


def measure_month_export() -> ExportCost:
    """Export a month in which everything happens once, and count what it asked for."""
    counted: Counter[str] = Counter()

    def before_call(params: dict[str, Any], event_name: str, **_: Any) -> None:
        service, operation = event_name.split(".")[1:]
        counted[f"{service}.{operation}"] += 1
        if operation == "GetMetricData":
            body = params["body"]
            counted["metrics"] += json.dumps(str(body)).count("MetricStat.Metric.MetricName") or str(body).count('"Id"')

    def after_call(http_response: Any, event_name: str, **_: Any) -> None:
        if event_name.startswith("after-call.dynamodb"):
            counted["read_units"] += -(-len(http_response.content) // READ_UNIT_BYTES)

    with busy_month(local_deployment()) as (world, _):
        for made in vars(clients).values():  # a client knows only handlers that were there when it was made
            if hasattr(made, "cache_clear"):
                made.cache_clear()
        world.aws.session.events.register("before-call", before_call)
        world.aws.session.events.register("after-call", after_call)
        world.call("export_costs", {"month": month_of(world)})  # imports and clients are not what is measured
        counted.clear()
        begun = time.process_time()
        written = world.call("export_costs", {"month": month_of(world)})
        seconds = time.process_time() - begun
    prices = PriceBook.shipped()
    usd = (
        prices.usd("Amazon DynamoDB", "read_unit", counted["read_units"])
        + prices.usd("Amazon S3", "put", counted["s3.PutObject"] + counted["s3.ListObjectsV2"])
        + prices.usd("Amazon S3", "get", counted["s3.GetObject"])
        + prices.usd("AWS Lambda", "gb_second", seconds * GIGABYTES)
        + prices.usd("AWS Lambda", "request", 1)
        + counted["metrics"] * USD_PER_METRIC
    )
    assert counted["metrics"], "nothing was counted"
    calls = sum(number for name, number in counted.items() if "." in name)
    return ExportCost(rows=sum(written.values()), calls=calls, usd_a_month=usd * EXPORTS_A_MONTH)
