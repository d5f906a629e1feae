"""What CloudWatch knows of the environment's own services: Lambdas, tables, buckets, logs.

Namespaces and dimensions: AWS Lambda developer guide, "Types of metrics"; Amazon DynamoDB developer guide, "DynamoDB
metrics and dimensions"; Amazon S3 user guide, "Metrics and dimensions"; Amazon CloudWatch Logs user guide, "Monitoring
with CloudWatch metrics".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.focus.own_services import ENDPOINT_ZONES, MeasuredDay, OwnResources
from lambdas.gateways.aws.endpoint_metrics import DAY, HOUR, QUERIES_A_CALL

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient

_STACKS = ("pipeline", "discovery")
_EXPORTER = "ExportCosts"


@dataclass(frozen=True, slots=True)
class _Asked:
    """One metric: whose, of which kind, and how it is read."""

    kind: str
    whose: str
    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    period: int = DAY
    statistic: str = "Sum"

    def query(self, name: str) -> Any:  # noqa: ANN401 - the stubs' type is a deep one
        described = {
            "Namespace": self.namespace,
            "MetricName": self.metric,
            "Dimensions": [{"Name": key, "Value": value} for key, value in self.dimensions],
        }
        stat = {"Metric": described, "Period": self.period, "Stat": self.statistic}
        return {"Id": name, "MetricStat": stat}


@dataclass(frozen=True, kw_only=True)
class OwnMetrics:
    """Finds what of the environment bills, and reads what it did.

    Attributes
    ----------
    environment : str
    functions, dynamodb, cloudwatch : clients
    registry_table, registry_index : str
    buckets : sequence of str
    """

    environment: str
    functions: LambdaClient
    dynamodb: DynamoDBClient
    cloudwatch: CloudWatchClient
    registry_table: str
    registry_index: str
    buckets: Sequence[str]

    def resources(self) -> OwnResources:
        """Find the environment's Lambdas by the names of their stacks, and when its registry was made."""
        stacks = tuple(f"distillation-{self.environment}-{stack}-" for stack in _STACKS)
        prefix, memory, groups, zones = f"distillation-{self.environment}-pipeline-", {}, set(), 0
        for page in self.functions.get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                name = function["FunctionName"]
                if not name.startswith(stacks):
                    continue
                memory[name] = int(function["MemorySize"])
                groups.add(function.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}"))
                if name.removeprefix(prefix).startswith(_EXPORTER):
                    variables = function.get("Environment", {}).get("Variables", {})
                    zones = int(variables.get(ENDPOINT_ZONES, 0))
        return OwnResources(
            functions=memory, log_groups=tuple(sorted(groups)), prefix=prefix, since=self._since(), endpoint_zones=zones
        )

    def _since(self) -> datetime | None:
        try:
            table = self.dynamodb.describe_table(TableName=self.registry_table)["Table"]
        except ClientError as problem:
            if problem.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return None
        return table["CreationDateTime"].astimezone(UTC)

    def by_day(self, own: OwnResources, begins: datetime, ends: datetime) -> dict[date, MeasuredDay]:
        """Read what was measured.

        Parameters
        ----------
        own : OwnResources
        begins, ends : datetime
            Whole days of UTC.
        """
        found: dict[date, MeasuredDay] = {}
        asked = list(self._asked(own))
        for start in range(0, len(asked), QUERIES_A_CALL):
            some = {f"m{index}": one for index, one in enumerate(asked[start : start + QUERIES_A_CALL])}
            pages = self.cloudwatch.get_paginator("get_metric_data").paginate(
                MetricDataQueries=[one.query(name) for name, one in some.items()], StartTime=begins, EndTime=ends
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    for moment, value in zip(result["Timestamps"], result["Values"], strict=True):
                        _count(found, some[result["Id"]], own, moment.astimezone(UTC), value)
        return found

    def _asked(self, own: OwnResources) -> Iterator[_Asked]:
        for name in sorted(own.functions):
            of = (("FunctionName", name),)
            yield _Asked("calls", name, "AWS/Lambda", "Invocations", of, HOUR)
            yield _Asked("milliseconds", name, "AWS/Lambda", "Duration", of)
        table = ("TableName", self.registry_table)
        for dimensions in ((table,), (table, ("GlobalSecondaryIndexName", self.registry_index))):
            for kind, metric in (
                ("read_units", "ConsumedReadCapacityUnits"), ("write_units", "ConsumedWriteCapacityUnits"),
            ):  # fmt: skip
                yield _Asked(kind, "", "AWS/DynamoDB", metric, dimensions)
        for bucket in self.buckets:
            of_bucket = (("BucketName", bucket), ("StorageType", "StandardStorage"))
            yield _Asked("stored_bytes", bucket, "AWS/S3", "BucketSizeBytes", of_bucket, DAY, "Average")
        for group in own.log_groups:
            yield _Asked("log_bytes", group, "AWS/Logs", "IncomingBytes", (("LogGroupName", group),))


def _count(found: dict[date, MeasuredDay], asked: _Asked, own: OwnResources, moment: datetime, value: float) -> None:
    day = found.setdefault(moment.date(), MeasuredDay())
    if asked.kind in ("calls", "milliseconds"):
        sums: dict[str, float] = getattr(day, asked.kind)
        sums[asked.whose] = sums.get(asked.whose, 0.0) + value
        if asked.kind == "calls" and value and own.by_the_machine(asked.whose):
            day.busy_hours.add(moment.hour)
    else:
        setattr(day, asked.kind, getattr(day, asked.kind) + value)
