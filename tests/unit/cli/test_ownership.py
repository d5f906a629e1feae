"""What serves and lacks the environment's tag is told with the command that adds it."""

from __future__ import annotations

from typing import Any

import pytest

from cli.doctor import OK, PROBLEM, _tags
from lambdas.gateways.registry.items import to_values
from tests.unit.cli.conftest import FakeAws

ENDPOINT = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc"
MODEL, FORMER = (f"arn:aws:bedrock:us-east-1:123456789012:custom-model/m/{name}" for name in ("new", "old"))


def champion(model: str) -> dict[str, Any]:
    return {
        "run_id": "greetings-1",
        "model_arn": model,
        "base_model": "amazon.nova-micro-v1:0",
        "endpoint_arn": ENDPOINT,
        "endpoint_name": "dev-greetings",
        "mode": "provisioned_throughput",
        "promoted_at": "2026-11-01T00:00:00.000Z",
    }


def tags_are(aws: FakeAws, by_arn: dict[str, dict[str, str]]) -> None:
    item = {"pk": "TASK#greetings", "sk": "TASK", "champion": champion(MODEL), "former": [champion(FORMER)]}
    aws.stub("dynamodb").add_response("query", {"Items": [to_values(item)]})
    aws.stub("dynamodb").add_response("get_item", {"Item": to_values(item)})
    for arn in sorted(by_arn):
        found = [{"key": key, "value": value} for key, value in by_arn[arn].items()]
        aws.stub("bedrock").add_response("list_tags_for_resource", {"tags": found}, {"resourceARN": arn})


def test_what_carries_the_tag_is_well(aws: FakeAws) -> None:
    tags_are(aws, {arn: {"distillation:environment": "dev"} for arn in (ENDPOINT, MODEL, FORMER)})
    assert _tags(aws.deployment()).state == OK


@pytest.mark.parametrize("tags", [{}, {"distillation:environment": "prod"}, {"environment": "dev"}])
def test_what_lacks_it_is_told_with_the_command(aws: FakeAws, tags: dict[str, str]) -> None:
    # Given
    tags_are(aws, {ENDPOINT: tags, MODEL: {"distillation:environment": "dev"}, FORMER: tags})
    # When
    check = _tags(aws.deployment())
    # Then
    assert check.state == PROBLEM
    for arn in (ENDPOINT, FORMER):
        command = f"aws bedrock tag-resource --resource-arn {arn} --tags key=distillation:environment,value=dev"
        assert command in check.fix
    assert MODEL not in check.fix
