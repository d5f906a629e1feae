"""Resources of a template that the emulator refuses without an adapter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from local.embedded_aws.lifecycle import EmbeddedAws


def deploy(aws: EmbeddedAws, name: str, resource: dict[str, Any]) -> str:
    """Create a stack of one resource; its status."""
    formation = aws.client("cloudformation")
    template = {"Resources": {"It": resource}, "Outputs": {"Ref": {"Value": {"Ref": "It"}}}}
    formation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    [stack] = formation.describe_stacks(StackName=name)["Stacks"]
    return str(stack["Outputs"][0]["OutputValue"])


def alarm(**properties: Any) -> dict[str, Any]:
    fields = {"ComparisonOperator": "GreaterThanOrEqualToThreshold", "Threshold": 5, "EvaluationPeriods": 1}
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": {**fields, **properties}}


def test_an_alarm_on_a_query_is_deployed_and_does_not_ring(aws: EmbeddedAws) -> None:
    # Given
    query = {"Id": "errors", "Expression": 'SELECT SUM(Errors) FROM SCHEMA("Some", Id)', "Period": 300}
    # When
    name = deploy(aws, "query-alarm", alarm(Metrics=[query]))
    # Then
    [found] = aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert (found["Threshold"], found["StateValue"]) == (5, "INSUFFICIENT_DATA")


def test_an_alarm_on_metrics_without_a_query_is_refused_as_before(aws: EmbeddedAws) -> None:
    metric = {"Id": "m", "MetricStat": {"Metric": {"Namespace": "A", "MetricName": "B"}, "Period": 60, "Stat": "Sum"}}
    with pytest.raises(Exception, match="Waiter"):
        deploy(aws, "math-alarm", alarm(Metrics=[metric]))
