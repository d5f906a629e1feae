"""What of an account is the environment's own, and what CloudWatch says that it did."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.gateways.aws.own_metrics import OwnMetrics

MADE = datetime(2026, 11, 2, 10, tzinfo=UTC)
NIGHT, NOON = datetime(2026, 11, 3, 0, tzinfo=UTC), datetime(2026, 11, 3, 12, tzinfo=UTC)
OURS = ("distillation-dev-pipeline-EvaluateStudent1", "distillation-dev-discovery-ReadLogs1")
EXPORTER = "distillation-dev-pipeline-ExportCosts1"


class Account:
    """Lambda, DynamoDB and CloudWatch with what a test gives them."""

    def __init__(self, error: str = "") -> None:
        self.error = error
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, name: str) -> Any:
        self.operation = name
        return self

    def paginate(self, **params: Any) -> list[dict[str, Any]]:
        if self.operation == "list_functions":
            names = (*OURS, EXPORTER, "distillation-dev-eu-pipeline-EvaluateStudent1", "distillation-device", "other")
            zones = {"Environment": {"Variables": {"ENDPOINT_ZONES": "18"}}}
            functions = [
                {"FunctionName": name, "MemorySize": 512, "LoggingConfig": {"LogGroup": f"/{name}"}, **zones}
                for name in names
            ]
            return [{"Functions": functions[:2]}, {"Functions": functions[2:]}]
        self.asked += params["MetricDataQueries"]
        found = [
            {"Id": one["Id"], "Timestamps": [NIGHT, NOON], "Values": [2.0, 3.0]} for one in params["MetricDataQueries"]
        ]
        return [{"MetricDataResults": found[:7]}, {"MetricDataResults": found[7:]}]

    def describe_table(self, **_: Any) -> dict[str, Any]:
        if self.error:
            raise ClientError({"Error": {"Code": self.error}}, "DescribeTable")
        return {"Table": {"CreationDateTime": MADE}}


def own(account: Any) -> OwnMetrics:
    return OwnMetrics(
        environment="dev", functions=account, dynamodb=account, cloudwatch=account, registry_table="registry",
        registry_index="by_state", buckets=["runs", "uploads"],
    )  # fmt: skip


def test_an_environment_without_a_registry_has_no_beginning_and_no_right_is_no_absence() -> None:
    assert own(Account("ResourceNotFoundException")).resources().since is None
    with pytest.raises(ClientError):
        own(Account("AccessDeniedException")).resources()


def test_only_lambdas_of_its_own_stacks_are_its_own() -> None:
    found = own(Account()).resources()
    assert set(found.functions) == {*OURS, EXPORTER}
    assert set(found.log_groups) == {f"/{name}" for name in found.functions}
    assert (found.since, found.endpoint_zones) == (MADE, 18)
    assert [found.by_the_machine(name) for name in (*OURS, EXPORTER)] == [True, True, False]


def test_each_metric_is_asked_once_and_counted_once() -> None:
    # Given
    account = Account()
    reader = own(account)
    # When
    found = reader.by_day(reader.resources(), NIGHT, datetime(2026, 11, 4, tzinfo=UTC))
    # Then
    asked = [
        (one["MetricStat"]["Metric"]["MetricName"], str(one["MetricStat"]["Metric"]["Dimensions"]))
        for one in account.asked
    ]
    assert len(asked) == len(set(asked)) == 3 * 2 + 4 + 2 + 3
    (day,) = found.values()
    assert list(found) == [date(2026, 11, 3)]
    assert day.calls == dict.fromkeys((*OURS, EXPORTER), 5.0)
    assert day.busy_hours == {0, 12}
    assert (day.read_units, day.write_units, day.stored_bytes, day.log_bytes) == (10.0, 10.0, 10.0, 15.0)
