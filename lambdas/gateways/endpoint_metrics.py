"""What CloudWatch knows of an endpoint: namespace ``AWS/Bedrock``, dimension ``ModelId`` with the endpoint's ARN."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

NAMESPACE = "AWS/Bedrock"
STATISTICS = {
    "Invocations": "Sum",
    "InvocationServerErrors": "Sum",
    "InvocationClientErrors": "Sum",
    "InvocationThrottles": "Sum",
    "InvocationLatency": "Average",
}
"""Metrics and how they are read (Amazon Bedrock user guide, "Amazon Bedrock runtime metrics"); latency in ms."""

PERIOD = 60


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
    queries: list[Any] = [
        {
            "Id": name[0].lower() + name[1:],
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE,
                    "MetricName": name,
                    "Dimensions": [{"Name": "ModelId", "Value": endpoint_arn}],
                },
                "Period": PERIOD,
                "Stat": statistic,
            },
        }
        for name, statistic in STATISTICS.items()
    ]
    values: dict[str, list[float]] = {query["Id"]: [] for query in queries}
    pages = client.get_paginator("get_metric_data").paginate(MetricDataQueries=queries, StartTime=since, EndTime=until)
    for page in pages:
        for result in page["MetricDataResults"]:
            values[result["Id"]] += result["Values"]
    latency = values["invocationLatency"]
    return Traffic(
        served=round(sum(values["invocations"])),
        server_errors=round(sum(values["invocationServerErrors"])),
        client_errors=round(sum(values["invocationClientErrors"])),
        throttles=round(sum(values["invocationThrottles"])),
        latency_ms=sum(latency) / len(latency) if latency else None,
    )
