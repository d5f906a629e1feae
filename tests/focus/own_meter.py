"""What the services around Bedrock did in a world: counted as it happens, told to CloudWatch, and put on the bill.

CloudWatch and the bill are told by the same counts, and the bill by more of them: nobody but the bill knows of state
transitions and of requests to S3 and the key.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG
from lambdas.domain.costs.at_rest import AT_REST
from lambdas.domain.prices.price_book import PriceBook, singles_of
from lambdas.gateways.registry.table import BY_STATE
from local.bedrock_simulator.protocol.service import Request
from tests.faults.machine import Execution
from tests.faults.world import World

MS_A_CALL = 1_200.0
COLD_START = 1.1
"""What is billed of a Lambda's time over what CloudWatch's duration has."""

LOG_BYTES_A_CALL = 4_000.0
STORED_BYTES = 3 * 2**30
KEY_REQUESTS_AN_OBJECT = 0.7
METRICS_A_CALL = 2.0
_HOUR = timedelta(hours=1)
_PUTS = ("PutObject", "CopyObject", "ListObjectsV2", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
_READS = ("GetItem", "Query", "Scan", "BatchGetItem")
_BILLED_AS = {
    "gb_second": ("AWSLambda", "Lambda-GB-Second-ARM", "AWS Lambda", "gb_second"),
    "call": ("AWSLambda", "Request-ARM", "AWS Lambda", "request"),
    "transition": ("AmazonStates", "USE1-StateTransition", "AWS Step Functions", "transition"),
    "put": ("AmazonS3", "Requests-Tier1", "Amazon S3", "put"),
    "get": ("AmazonS3", "Requests-Tier2", "Amazon S3", "get"),
    "stored": ("AmazonS3", "TimedStorage-ByteHrs", "Amazon S3", "stored"),
    "read_unit": ("AmazonDynamoDB", "ReadRequestUnits", "Amazon DynamoDB", "read_unit"),
    "write_unit": ("AmazonDynamoDB", "WriteRequestUnits", "Amazon DynamoDB", "write_unit"),
    "key_request": ("awskms", "us-east-1-KMS-Requests", "AWS KMS", "request"),
    "log": ("AmazonCloudWatch", "USE1-DataProcessing-Bytes", "Amazon CloudWatch", "log"),
    "metric": ("AmazonCloudWatch", "CW:MetricMonitorUsage", "Amazon CloudWatch", "metric"),
    "key": ("awskms", "us-east-1-KMS-Keys", "AWS KMS", "key"),
    "alarm": ("AmazonCloudWatch", "CW:AlarmMonitorUsage", "Amazon CloudWatch", "alarm"),
    "dashboard": ("AmazonCloudWatch", "DashboardsUsageHour", "Amazon CloudWatch", "dashboard"),
}


class OwnMeter:
    """Counts by the hour."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._since = world.clock.now()
        self.counts: dict[datetime, Counter[str]] = {}
        self._calls: dict[tuple[datetime, str], int] = {}
        self._memory = {one.folder: one.memory for one in world.functions.values()}
        world.aws.session.events.register("before-call", self._request)

    def called(self, folder: str) -> None:
        """Count a Lambda."""
        hour = self._add("call", 1)
        self._add("gb_second", MS_A_CALL * COLD_START / 1_000 * self._memory[folder] / 1_024)
        self._add("log", LOG_BYTES_A_CALL / 2**30)
        self._calls[hour, folder] = self._calls.get((hour, folder), 0) + 1
        if folder not in ("start_run", "reconcile_runs", "export_costs"):
            self._add("metric", METRICS_A_CALL / _month_hours(hour))

    def entered(self) -> None:
        """Count a state."""
        self._add("transition", 1)

    def tell(self) -> None:
        """Tell CloudWatch and the bill, once."""
        self._rest()
        self._tell_cloudwatch()
        prices = PriceBook.shipped()
        entries = [
            {
                "time": hour.isoformat(), "product": product, "usage_type": usage_type, "quantity": quantity,
                "rate": prices.line(service, usage).usd / singles_of(usage), "resource": f"arn:aws:{product}:all",
                "tags": {ENVIRONMENT_TAG: "local"},
            }
            for hour, counted in self.counts.items()
            for what, quantity in counted.items()
            for product, usage_type, service, usage in [_BILLED_AS[what]]
        ]  # fmt: skip
        more = {"product": "AmazonDynamoDB", "usage_type": "TimedPITRStorage-ByteHrs", "quantity": 0.01, "rate": 0.2}
        entries.append({**entries[0], **more})
        entries.append({**entries[0], "quantity": 1e6, "tags": {ENVIRONMENT_TAG: "prod"}})  # another environment's
        entries.append({**entries[0], "quantity": 1e6, "tags": {}})  # other people's
        body = json.dumps({"entries": entries}).encode()
        answer = self._world.aws.simulator.handle(Request("POST", "/_simulator/services", "", {}, body))
        assert answer.status == 200, answer.body

    def _request(self, event_name: str, **_: Any) -> None:
        service, operation = event_name.split(".")[1:]
        if not self._world.running:
            return
        if service == "s3":
            self._add("put" if operation in _PUTS else "get", 1)
            self._add("key_request", KEY_REQUESTS_AN_OBJECT)
        elif service == "dynamodb":
            self._add("read_unit" if operation in _READS else "write_unit", 1)

    def _add(self, what: str, quantity: float, hour: datetime | None = None) -> datetime:
        at = hour or self._world.clock.now().replace(minute=0, second=0, microsecond=0)
        self.counts.setdefault(at, Counter())[what] += quantity  # type: ignore[assignment]
        return at

    def _rest(self) -> None:
        """Count what exists for each hour of its existing."""
        hour = self._since.replace(minute=0, second=0, microsecond=0)
        while hour < self._world.clock.now():
            share = min(self._world.clock.now(), hour + _HOUR) - max(self._since, hour)
            part = share / _HOUR / _month_hours(hour)
            for (_, usage), count in AT_REST.items():
                self._add(usage, count * part, hour)
            self._add("metric", 3 * part, hour)
            self._add("stored", STORED_BYTES / 2**30 * part, hour)
            hour += _HOUR

    def _tell_cloudwatch(self) -> None:
        cloudwatch: Any = self._world.aws.client("cloudwatch")
        for (hour, folder), number in self._calls.items():
            name = f"distillation-local-pipeline-{folder.title().replace('_', '')}-0"
            for metric, value in (("Invocations", number), ("Duration", number * MS_A_CALL)):
                _put(cloudwatch, "AWS/Lambda", metric, value, hour, FunctionName=name)
            _put(
                cloudwatch,
                "AWS/Logs",
                "IncomingBytes",
                number * LOG_BYTES_A_CALL,
                hour,
                LogGroupName=f"/aws/lambda/{name}",
            )
        days: dict[datetime, Counter[str]] = {}
        for hour, counted in self.counts.items():
            days.setdefault(hour.replace(hour=0), Counter()).update(counted)
        for day, counted in days.items():
            at = day + timedelta(hours=12)
            for kind, metric in (
                ("read_unit", "ConsumedReadCapacityUnits"),
                ("write_unit", "ConsumedWriteCapacityUnits"),
            ):
                half = counted[kind] / 2  # the index has its own
                _put(cloudwatch, "AWS/DynamoDB", metric, half, at, TableName="registry")
                _put(
                    cloudwatch,
                    "AWS/DynamoDB",
                    metric,
                    half,
                    at,
                    TableName="registry",
                    GlobalSecondaryIndexName=BY_STATE,
                )
            for bucket, share in (("distillation-runs", 2 / 3), ("uploads", 1 / 3)):
                _put(
                    cloudwatch,
                    "AWS/S3",
                    "BucketSizeBytes",
                    STORED_BYTES * share,
                    at,
                    BucketName=bucket,
                    StorageType="StandardStorage",
                )


@contextmanager
def metered(world: World) -> Iterator[OwnMeter]:
    """Count what happens in a world."""
    meter = OwnMeter(world)
    run, step = world._run, Execution.step

    def counted_run(function: Any, payload: Any, state: str = "") -> Any:
        meter.called(function.folder)
        return run(function, payload, state)

    def counted_step(execution: Execution) -> None:
        meter.entered()
        step(execution)

    with mock.patch.object(world, "_run", counted_run), mock.patch.object(Execution, "step", counted_step):
        yield meter


def _put(cloudwatch: Any, namespace: str, metric: str, value: float, at: datetime, **dimensions: str) -> None:
    named = [{"Name": key, "Value": text} for key, text in dimensions.items()]
    data = {"MetricName": metric, "Value": value, "Timestamp": at, "Dimensions": named}
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[data])


def _month_hours(hour: datetime) -> float:
    first = hour.replace(day=1, hour=0)
    return ((first + timedelta(days=31)).replace(day=1) - first) / _HOUR
