"""Puts the metrics that Bedrock puts into CloudWatch: in batches, in the background, and never at a call's expense.

Source of names and meaning: the Bedrock user guide (monitoring, runtime metrics): namespace ``AWS/Bedrock``, dimension
``ModelId``; ``Invocations`` counts successful requests, throttled ones are counted apart.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.literals import StandardUnitType
    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef

NAMESPACE = "AWS/Bedrock"
_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN = 0.5
# PutMetricData: at most 1,000 metrics a request and 150 values a metric (CloudWatch quotas).
_MOST_METRICS, _MOST_VALUES = 1000, 150
_SERVER_ERROR, _THROTTLED = 500, 429
_Key = tuple[str, str, "StandardUnitType", datetime]


class MetricSink(Protocol):
    """Where metrics go."""

    def put(self, data: list[MetricDatumTypeDef]) -> None:
        """Store ``MetricData`` of the namespace."""
        ...


class CloudWatchSink:
    """The embedded AWS's CloudWatch.

    Parameters
    ----------
    endpoint_url : str
        Where the embedded AWS listens.
    region : str
        Its region.
    """

    def __init__(self, endpoint_url: str, region: str) -> None:
        self._client = boto3.client(
            "cloudwatch",
            endpoint_url=endpoint_url,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 (the emulator's documented root key)
            config=Config(proxies={}, retries={"mode": "standard", "max_attempts": 3}),
        )

    def put(self, data: list[MetricDatumTypeDef]) -> None:
        """Store ``MetricData`` of the namespace; what cannot be stored is lost, as a log line says."""
        try:
            self._client.put_metric_data(Namespace=NAMESPACE, MetricData=data)
        except (BotoCoreError, ClientError) as error:
            _LOG.warning("%d metrics were not stored: %s", len(data), error)


class Metrics:
    """Gathers what calls came to and hands it on.

    Parameters
    ----------
    sink : MetricSink or None
        Where it goes; ``None`` gathers nothing.
    """

    def __init__(self, sink: MetricSink | None) -> None:
        self._sink = sink
        self._gathered: dict[_Key, list[float]] = defaultdict(list)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        if sink is not None:
            self._thread.start()

    def answered(self, model_id: str, at: datetime, latency_ms: float, tokens: dict[str, int]) -> None:
        """Count a successful call.

        Parameters
        ----------
        model_id : str
            What the caller named; of an endpoint, its ARN.
        at : datetime
            When.
        latency_ms : float
            How long it took.
        tokens : dict of str to int
            ``InputTokenCount`` and the like.
        """
        if self._sink is None:
            return
        with self._lock:
            self._add(model_id, at, "Invocations", 1, "Count")
            self._add(model_id, at, "InvocationLatency", latency_ms, "Milliseconds")
            for name, count in tokens.items():
                self._add(model_id, at, name, count, "Count")

    def refused(self, model_id: str, at: datetime, status: int) -> None:
        """Count a call that was answered with an error, by its HTTP status."""
        if self._sink is None:
            return
        kind = "InvocationServerErrors" if status >= _SERVER_ERROR else "InvocationClientErrors"
        with self._lock:
            self._add(model_id, at, "InvocationThrottles" if status == _THROTTLED else kind, 1, "Count")

    def flush(self) -> None:
        """Hand on what was gathered."""
        with self._lock:
            gathered, self._gathered = self._gathered, defaultdict(list)
        if self._sink is None or not gathered:
            return
        data: list[MetricDatumTypeDef] = [
            {
                "MetricName": name,
                "Dimensions": [{"Name": "ModelId", "Value": model_id}],
                "Timestamp": at,
                "Unit": unit,
                "Values": values[first : first + _MOST_VALUES],
            }
            for (model_id, name, unit, at), values in gathered.items()
            for first in range(0, len(values), _MOST_VALUES)
        ]
        for first in range(0, len(data), _MOST_METRICS):
            self._sink.put(data[first : first + _MOST_METRICS])

    def close(self) -> None:
        """Hand on the rest and end the thread."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()

    def _add(self, model_id: str, at: datetime, name: str, value: float, unit: StandardUnitType) -> None:
        self._gathered[model_id, name, unit, at.replace(microsecond=0)].append(float(value))

    def _run(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN):
            self.flush()
