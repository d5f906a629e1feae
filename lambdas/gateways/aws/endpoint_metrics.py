"""What CloudWatch knows of an endpoint: namespace ``AWS/Bedrock``, dimension ``ModelId`` with the endpoint's ARN."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

BEDROCK_NAMESPACE = "AWS/Bedrock"
STATISTICS = {
    "Invocations": "Sum",
    "InvocationServerErrors": "Sum",
    "InvocationClientErrors": "Sum",
    "InvocationThrottles": "Sum",
    "InvocationLatency": "Average",
}
"""Metrics and how they are read (Amazon Bedrock user guide, "Amazon Bedrock runtime metrics"); latency in ms."""

PERIOD, HOUR, DAY = 60, 3600, 86_400
"""Seconds of one value: by the minute for what callers met, by the hour for whether there were any, by
the day for what is charged."""

QUERIES_A_CALL = 500
"""Most metrics that GetMetricData takes at once (CloudWatch API reference)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """What callers met in a span of time.

    Attributes
    ----------
    served : int
        Requests that were answered (``Invocations`` counts successes).
    server_errors, client_errors, throttles : int
    latency_ms : float or None
        Mean over the minutes with traffic; ``None`` without any.
    """

    served: int
    server_errors: int
    client_errors: int
    throttles: int
    latency_ms: float | None

    @property
    def requests(self) -> int:
        """Requests that say something about the student: throttled and malformed ones do not."""
        return self.served + self.server_errors


def read_traffic(client: CloudWatchClient, endpoint_arn: str, since: datetime, until: datetime) -> Traffic:
    """Read an endpoint's metrics."""
    queries = (
        _query(name[0].lower() + name[1:], name, endpoint_arn, PERIOD, statistic)
        for name, statistic in STATISTICS.items()
    )
    values = read_values(client, queries, since, until)
    latency = values["invocationLatency"]
    return Traffic(
        served=round(sum(values["invocations"])),
        server_errors=round(sum(values["invocationServerErrors"])),
        client_errors=round(sum(values["invocationClientErrors"])),
        throttles=round(sum(values["invocationThrottles"])),
        latency_ms=sum(latency) / len(latency) if latency else None,
    )


class Usage:
    """Calls by endpoint.

    Parameters
    ----------
    client : CloudWatch client
    """

    def __init__(self, client: CloudWatchClient) -> None:
        self.client = client

    def invocations(self, endpoints: Sequence[str], now: datetime, hours: int) -> dict[str, float]:
        """Count the calls of each endpoint in the last hours; one without a metric was not called.

        Parameters
        ----------
        endpoints : sequence of str
            ARNs, as callers give them as model id.
        now : datetime
        hours : int
        """
        counted: dict[str, float] = {}
        for start in range(0, len(endpoints), QUERIES_A_CALL):
            some = {f"m{index}": arn for index, arn in enumerate(endpoints[start : start + QUERIES_A_CALL])}
            queries = (_query(name, "Invocations", arn, HOUR, "Sum") for name, arn in some.items())
            values = read_values(self.client, queries, now - timedelta(hours=hours), now)
            counted |= {arn: sum(values[name]) for name, arn in some.items()}
        return counted

    def sums_by_day(
        self, endpoints: Sequence[str], metrics: Sequence[str], begins: datetime, ends: datetime
    ) -> dict[tuple[str, date], dict[str, float]]:
        """Add metrics up by endpoint and day of UTC; a day without a value is left out.

        Parameters
        ----------
        endpoints : sequence of str
            ARNs, as callers give them as model id.
        metrics : sequence of str
            Names, for example ``InputTokenCount``.
        begins, ends : datetime
            Whole days of UTC.
        """
        found: dict[tuple[str, date], dict[str, float]] = {}
        wanted = [(arn, metric) for arn in endpoints for metric in metrics]
        for start in range(0, len(wanted), QUERIES_A_CALL):
            some = {f"m{index}": pair for index, pair in enumerate(wanted[start : start + QUERIES_A_CALL])}
            queries = [_query(name, metric, arn, DAY, "Sum") for name, (arn, metric) in some.items()]
            pages = self.client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries, StartTime=begins, EndTime=ends
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    arn, metric = some[result["Id"]]
                    for moment, value in zip(result["Timestamps"], result["Values"], strict=True):
                        of_day = found.setdefault((arn, moment.astimezone(UTC).date()), {})
                        of_day[metric] = of_day.get(metric, 0.0) + value
        return found


def _query(name: str, metric: str, endpoint_arn: str, period: int, statistic: str) -> Any:  # noqa: ANN401 - stubs' type
    described = {
        "Namespace": BEDROCK_NAMESPACE,
        "MetricName": metric,
        "Dimensions": [{"Name": "ModelId", "Value": endpoint_arn}],
    }
    return {"Id": name, "MetricStat": {"Metric": described, "Period": period, "Stat": statistic}}


def read_values(
    client: CloudWatchClient, queries: Iterable[Any], since: datetime, until: datetime
) -> dict[str, list[float]]:
    """Read every page of some metrics: values by the query's name."""
    asked = list(queries)
    values: dict[str, list[float]] = {query["Id"]: [] for query in asked}
    pages = client.get_paginator("get_metric_data").paginate(MetricDataQueries=asked, StartTime=since, EndTime=until)
    for page in pages:
        for result in page["MetricDataResults"]:
            values[result["Id"]] += result["Values"]
    return values
