"""Resources of a template that the emulator's CloudFormation refuses."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.config import Config
from ministack.services.cloudformation import provisioners

_QUERY = "a Metrics Insights query"


def alarms_on_queries_are_kept() -> None:
    """Deploy an alarm on a Metrics Insights query, which the emulator refuses; it is kept and never rings.

    The emulator has no query engine: the alarm gets a metric that nobody emits in place of its query.
    """
    stock = provisioners._cw_metric_alarm_record

    def metric_alarm_record(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        queries = properties.get("Metrics")
        if not queries or any("Expression" not in query for query in queries):
            return stock(name, properties)  # type: ignore[no-any-return]
        plain = {key: value for key, value in properties.items() if key != "Metrics"}
        return {**stock(name, {**plain, "Namespace": _QUERY, "MetricName": _QUERY}), "Metrics": queries}

    provisioners._cw_metric_alarm_record = metric_alarm_record


def application_inference_profiles_are_made_in_the_simulator() -> None:
    """Deploy application inference profiles, a type that the emulator does not know, into the Bedrock simulator.

    Without a simulator there is no Bedrock, and the type stays unknown.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_BEDROCK")
    if endpoint is None:
        return

    def bedrock() -> Any:
        return boto3.client("bedrock", endpoint_url=endpoint, config=Config(proxies={}))

    def create(_logical_id: str, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
        tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in properties.get("Tags", [])]
        arn = bedrock().create_inference_profile(
            inferenceProfileName=properties["InferenceProfileName"],
            description=properties["Description"],
            modelSource={"copyFrom": properties["ModelSource"]["CopyFrom"]},
            tags=tags,
        )["inferenceProfileArn"]
        return arn, {"InferenceProfileArn": arn, "InferenceProfileId": arn.rpartition("/")[2]}

    def delete(physical_id: str, _properties: dict[str, Any]) -> None:
        bedrock().delete_inference_profile(inferenceProfileIdentifier=physical_id)

    provisioners._RESOURCE_HANDLERS["AWS::Bedrock::ApplicationInferenceProfile"] = {"create": create, "delete": delete}
