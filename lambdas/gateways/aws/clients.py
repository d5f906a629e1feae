"""boto3 clients with explicit retries and time-outs. Each is made once a process, at first use."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from botocore import UNSIGNED
from botocore.config import Config

from lambdas.gateways.aws import service_models

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

CONTROL = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=30)
"""For control planes. The pinned botocore would default to the mode ``legacy``, so mode and attempts are said."""

LONGEST_CALL_S = 125
"""Seconds after which a model call has answered or failed: connecting and reading."""

RUNTIME = Config(
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=5,
    read_timeout=LONGEST_CALL_S - 5,
    max_pool_connections=128,
)
"""For model calls: one attempt a call, because the caller counts throttles and keeps them out of the latency."""


@cache
def session() -> boto3.session.Session:
    """Give the one session of the process."""
    return service_models.session()


@cache
def bedrock() -> BedrockClient:
    """Give the Bedrock control plane."""
    return session().client("bedrock", config=CONTROL)


@cache
def bedrock_runtime() -> BedrockRuntimeClient:
    """Give the Bedrock runtime."""
    return session().client("bedrock-runtime", config=RUNTIME)


@cache
def cloudwatch() -> CloudWatchClient:
    """Give CloudWatch."""
    return session().client("cloudwatch", config=CONTROL)


@cache
def dynamodb() -> DynamoDBClient:
    """Give DynamoDB."""
    return session().client("dynamodb", config=CONTROL)


@cache
def lambdas() -> LambdaClient:
    """Give Lambda; an invocation waits for the function's answer, so reading may take as long as the function."""
    config = CONTROL.merge(Config(read_timeout=310, retries={"mode": "standard", "total_max_attempts": 1}))
    return session().client("lambda", config=config)


@cache
def s3() -> S3Client:
    """Give S3."""
    return session().client("s3", config=CONTROL)


@cache
def service_quotas() -> ServiceQuotasClient:
    """Give Service Quotas."""
    return session().client("service-quotas", config=CONTROL)


@cache
def sns() -> SNSClient:
    """Give SNS."""
    return session().client("sns", config=CONTROL)


@cache
def ssm() -> SSMClient:
    """Give Systems Manager."""
    return session().client("ssm", config=CONTROL)


@cache
def sts() -> Any:  # noqa: ANN401 - no stubs of STS are installed for one call
    """Give STS as it is asked about proofs of identity: it signs nothing, and answers within a Lambda's patience."""
    config = CONTROL.merge(
        Config(signature_version=UNSIGNED, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
    )
    return session().client("sts", config=config)


@cache
def step_functions() -> SFNClient:
    """Give Step Functions."""
    return session().client("stepfunctions", config=CONTROL)
