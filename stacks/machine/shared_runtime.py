"""What the Lambdas of one stack share: code, layers, settings, traces, network, and the queue of undelivered events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from stacks.access.acknowledgements import acknowledge, acknowledge_wildcards
from stacks.access.permissions import allow, keep_reasons, policy_document
from stacks.machine.settings_layer import PipelineSettings
from stacks.machine.stage_function import Runtime, shared_code, shared_layer

if TYPE_CHECKING:
    from aws_cdk import Stack
    from aws_cdk import aws_kms as kms

    from lambdas.domain.task.settings import Settings
    from stacks.access.network import Network
    from stacks.data_stack import DataExports


def shared_runtime(
    stack: Stack, *, environment: str, settings: Settings, data: DataExports, key: kms.IKey, undelivered: sqs.IQueue
) -> Runtime:
    """Make what the Lambdas of a stack share.

    Parameters
    ----------
    stack : Stack
        That gets the layers, the policy for traces and, in a VPC, the security group.
    environment : str
        Environment name.
    settings : Settings
        Handed to every Lambda.
    data : DataExports
        Names of buckets and tables, and the ARN of the key.
    key : IKey
        That key.
    undelivered : IQueue
        Receives events whose Lambda failed for good.
    """
    told = PipelineSettings(stack, "Settings", settings=settings)
    return Runtime(
        settings=settings,
        code=shared_code(),
        layers=[shared_layer(stack), *told.layers],
        key=key,
        key_arn=data.key_arn,
        account=stack.account,
        region=stack.region,
        python=lambda_.Runtime.PYTHON_3_14,
        architecture=lambda_.Architecture.ARM_64,
        undelivered=undelivered,
        tracing=_tracing_policy(stack),
        network=_network(stack, settings),
        environment={
            "ENVIRONMENT": environment,
            "PIPELINE_SETTINGS": told.variable,
            "UPLOADS_BUCKET": data.uploads_bucket,
            "RUNS_BUCKET": data.runs_bucket,
            "REGISTRY_TABLE": data.registry_table,
        },
    )


def undelivered_queue(stack: Stack, key: kms.IKey) -> sqs.Queue:
    """Make the queue of events that could not be delivered."""
    queue = sqs.Queue(
        stack,
        "Undelivered",
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=key,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    acknowledge(
        queue,
        "Serverless-SQSRedrivePolicy",
        "It is the dead letter queue itself: people read it, no consumer does.",
    )
    return queue


def _network(stack: Stack, settings: Settings) -> Network | None:
    vpc = settings.network()
    if vpc is None:
        return None
    from stacks.access.network import Network  # noqa: PLC0415 - the library's EC2 part is large, and most need none of it

    return Network(stack, "Network", vpc=vpc)


def _tracing_policy(stack: Stack) -> iam.ManagedPolicy:
    permissions = [
        allow(
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            on=["*"],
            to="write traces",
            because="X-Ray knows no resource for writing traces (service authorization reference).",
        )
    ]
    policy = iam.ManagedPolicy(
        stack,
        "WriteTraces",
        description="Distillation: write X-Ray traces",
        document=policy_document(permissions),
    )
    keep_reasons(policy, permissions)
    acknowledge_wildcards(policy, permissions)
    return policy
