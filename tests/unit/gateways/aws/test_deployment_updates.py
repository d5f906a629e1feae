"""A deployment that changes models says so beside its status."""

from __future__ import annotations

from typing import Any, cast

import pytest

from lambdas.gateways.aws.bedrock import BedrockControl
from tests.unit.support.fake_bedrock import START, FakeBedrock


@pytest.mark.parametrize(
    ("update", "status"), [("Updating", "Updating"), ("UpdateCompleted", "Active"), ("UpdateFailed", "Active")]
)
def test_an_active_deployment_that_is_being_updated_is_not_ready(update: str, status: str) -> None:
    # Given the answer of GetCustomModelDeployment in the shape of the service model
    client = FakeBedrock(START)
    arn = client.add_deployment("dev-video-1", client.add_model("old"))
    client.endpoints[arn]["updateDetails"] = {"modelArn": client.add_model("new"), "updateStatus": update}

    # When
    found = BedrockControl(cast("Any", client)).find_deployment(arn)

    # Then
    assert found is not None
    assert found.status == status
