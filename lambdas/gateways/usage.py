"""How often an endpoint was called: Bedrock's own metrics in CloudWatch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

NAMESPACE = "AWS/Bedrock"
"""Namespace of the runtime's metrics, dimension ``ModelId`` (Bedrock user guide, monitoring with CloudWatch)."""

QUERIES_A_CALL = 500
"""Most metrics that GetMetricData takes at once (CloudWatch API reference)."""


class Usage:
    """Calls by endpoint.

    Parameters
    ----------
    client : CloudWatch client
    """

    def __init__(self, client: CloudWatchClient) -> None:
        self._client = client

    def invocations(self, endpoints: Sequence[str], now: datetime, hours: int) -> dict[str, float]:
        """Count the calls of each endpoint in the last hours; one without a metric was not called.

        Parameters
        ----------
        endpoints : sequence of str
            ARNs, as callers give them as model id.
        now : datetime
        hours : int
        """
        counted = dict.fromkeys(endpoints, 0.0)
        for start in range(0, len(endpoints), QUERIES_A_CALL):
            some = endpoints[start : start + QUERIES_A_CALL]
            pages = self._client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=[_query(index, arn) for index, arn in enumerate(some)],
                StartTime=now - timedelta(hours=hours),
                EndTime=now,
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    counted[some[int(result["Id"][1:])]] += sum(result["Values"])
        return counted


def _query(index: int, arn: str) -> Any:  # noqa: ANN401 - a typed dict of stubs that the layer does not have
    metric = {
        "Namespace": NAMESPACE,
        "MetricName": "Invocations",
        "Dimensions": [{"Name": "ModelId", "Value": arn}],
    }
    return {"Id": f"m{index}", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}
