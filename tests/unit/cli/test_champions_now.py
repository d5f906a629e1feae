"""``champions`` shows what is: the endpoint as Bedrock has it now, and where callers are led."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from lambdas.gateways.registry.items import to_values
from tests.unit.cli.conftest import FakeAws

Call = Callable[..., Result]

ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012"
THROUGHPUT = f"{ACCOUNT}:provisioned-model/abcdefghijkl"
MODEL = f"{ACCOUNT}:custom-model/amazon.nova-micro-v1:0:128k/abcdefghijkl"
OTHER_MODEL = f"{ACCOUNT}:custom-model/amazon.nova-micro-v1:0:128k/zzzzzzzzzzzz"
CHAMPION = {
    "run_id": "greetings-1",
    "model_arn": MODEL,
    "base_model": "base",
    "endpoint_arn": THROUGHPUT,
    "endpoint_name": "dev-greetings-ab",
    "mode": "provisioned_throughput",
    "promoted_at": "2026-08-01T00:00:00.000Z",
}


def registry_has_a_champion(aws: FakeAws) -> None:
    item = to_values({"pk": "TASK#greetings", "champion": CHAMPION})
    aws.stub("dynamodb").add_response("query", {"Items": [item]})
    aws.stub("dynamodb").add_response("get_item", {"Item": item})
    resource = {"run_id": "greetings-1", "attempt": 1, "task": "greetings", "kind": "provisioned_throughput"}
    resource |= {"name": "dev-greetings-ab", "state": "IN_USE", "created_at": "2026-08-01T00:00:00.000Z"}
    resource |= {"arn": THROUGHPUT, "usd_per_hour": 20.5, "pk": "RUN#greetings-1"}
    aws.stub("dynamodb").add_response("query", {"Items": [to_values(resource)]})


def bedrock_has(aws: FakeAws, **changes: Any) -> None:
    answer = {
        "modelUnits": 1,
        "desiredModelUnits": 1,
        "provisionedModelName": "dev-greetings-ab",
        "provisionedModelArn": THROUGHPUT,
        "modelArn": MODEL,
        "desiredModelArn": MODEL,
        "foundationModelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0:128k",
        "status": "InService",
        "creationTime": "2026-08-01T00:00:00Z",
        "lastModifiedTime": "2026-08-01T00:00:00Z",
    }
    expected = {"provisionedModelId": THROUGHPUT}
    aws.stub("bedrock").add_response("get_provisioned_model_throughput", answer | changes, expected)


def pointer_leads_to(aws: FakeAws, value: str) -> None:
    expected = {"Name": "/distillation/dev/greetings/champion"}
    aws.stub("ssm").add_response("get_parameter", {"Parameter": {"Value": value}}, expected)


def line(call: Call) -> dict[str, Any]:
    said = call("--json", "champions")
    assert said.exit_code == 0, said.output
    document: dict[str, Any] = json.loads(said.output)
    return document


def test_an_endpoint_that_is_as_the_registry_says_has_its_status_and_nothing_is_wrong(aws: FakeAws, call: Call) -> None:
    registry_has_a_champion(aws)
    bedrock_has(aws)
    pointer_leads_to(aws, json.dumps({"endpoint_arn": THROUGHPUT}))

    found = line(call)

    assert (found["endpoint_status"], found["wrong"], found["usd_per_hour"]) == ("InService", [], 20.5)


def test_an_endpoint_that_was_deleted_by_hand_is_missing_and_costs_nothing(aws: FakeAws, call: Call) -> None:
    registry_has_a_champion(aws)
    aws.stub("bedrock").add_client_error("get_provisioned_model_throughput", "ResourceNotFoundException", "gone", 404)
    pointer_leads_to(aws, json.dumps({"endpoint_arn": THROUGHPUT}))

    found = line(call)

    assert (found["endpoint_status"], found["usd_per_hour"]) == ("missing", 0.0)
    assert "does not exist" in found["wrong"][0]


def test_a_renamed_endpoint_with_another_model_and_an_edited_pointer_are_said(aws: FakeAws, call: Call) -> None:
    registry_has_a_champion(aws)
    bedrock_has(aws, provisionedModelName="my-favourite", modelArn=OTHER_MODEL, status="Updating")
    pointer_leads_to(aws, json.dumps({"endpoint_arn": "arn:elsewhere"}))

    said = call("champions").output

    assert "Updat" in said
    for wrong in ("is called my-favourite now", f"serves another model: {OTHER_MODEL}", "led to arn:elsewhere"):
        assert wrong in said


@pytest.mark.parametrize("value", ["no JSON", "[]"])
def test_what_cannot_be_asked_or_read_is_said_and_hides_nothing(aws: FakeAws, call: Call, value: str) -> None:
    registry_has_a_champion(aws)
    aws.stub("bedrock").add_client_error("get_provisioned_model_throughput", "AccessDeniedException", "no", 403)
    pointer_leads_to(aws, value)

    found = line(call)

    assert (found["run_id"], found["endpoint_status"]) == ("greetings-1", None)
    assert "AccessDeniedException" in found["wrong"][0]
    assert "nothing that can be read" in found["wrong"][1]


def test_a_pointer_that_may_not_be_read_or_is_gone_is_said(aws: FakeAws, call: Call) -> None:
    for code, expected in (("ParameterNotFound", "no pointer leads"), ("AccessDeniedException", "could not be read")):
        registry_has_a_champion(aws)
        bedrock_has(aws)
        aws.stub("ssm").add_client_error("get_parameter", code, "no", 400)

        assert any(expected in wrong for wrong in line(call)["wrong"])
