"""A Bedrock call that does not know the simulator gets no answer, and certainly no mock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.embedded_aws.lifecycle import REGION, EmbeddedAws

MODEL = "amazon.nova-pro-v1:0"
MESSAGES = [{"role": "user", "content": [{"text": "red cats"}]}]


@pytest.mark.parametrize(
    ("service", "call"),
    [
        pytest.param("bedrock-runtime", lambda c: c.converse(modelId=MODEL, messages=MESSAGES), id="Converse"),
        pytest.param(
            "bedrock-runtime", lambda c: c.converse_stream(modelId=MODEL, messages=MESSAGES), id="ConverseStream"
        ),
        pytest.param("bedrock-runtime", lambda c: c.invoke_model(modelId=MODEL, body=b"{}"), id="InvokeModel"),
        pytest.param("bedrock", lambda c: c.list_foundation_models(), id="ListFoundationModels"),
        pytest.param("bedrock", lambda c: c.get_custom_model(modelIdentifier="student"), id="GetCustomModel"),
    ],
)
def test_the_emulator_refuses_it_and_says_where_it_belongs(
    aws: EmbeddedAws, service: Any, call: Callable[[Any], object]
) -> None:
    # Given a client of which only the emulator's address is known
    client = boto3.client(
        service,
        endpoint_url=aws.endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )

    # When / Then
    with pytest.raises(ClientError) as refused:
        call(client)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert "AWS_ENDPOINT_URL_BEDROCK_RUNTIME" in refused.value.response["Error"]["Message"]
