"""The customer-managed key, and which services may use it for what."""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

ENCRYPT_AND_DECRYPT = ["kms:Decrypt", "kms:GenerateDataKey"]


class DataKey(Construct):
    """One rotated key for buckets, tables, logs, notifications and custom models.

    The account's own principals get their rights by IAM policies; the key policy names only services that act without
    a role of ours.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.key = kms.Key(
            self,
            "Key",
            description="Distillation: uploads, runs, registry, logs, notifications and custom models",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        stack = Stack.of(self)
        same_account = {"StringEquals": {"aws:SourceAccount": stack.account}}
        self._allow(
            "EncryptLogs",
            f"logs.{stack.region}.amazonaws.com",
            ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            {
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": (
                        f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:*"
                    )
                }
            },
        )
        # Without these two, alarms and undeliverable events are dropped and nobody is told.
        self._allow("PublishAlarms", "cloudwatch.amazonaws.com", ENCRYPT_AND_DECRYPT, same_account)
        self._allow("KeepUndeliveredEvents", "events.amazonaws.com", ENCRYPT_AND_DECRYPT, same_account)
        # Amazon Nova user guide, "Encryption of model customization jobs": throughput on an encrypted custom model.
        self._allow(
            "ServeCustomModels",
            "bedrock.amazonaws.com",
            ENCRYPT_AND_DECRYPT,
            {
                "ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "aws:bedrock:custom-model"},
                # The guide's statement has no account. Whether Bedrock names one here is not documented: where it does,
                # it must be ours, and where it does not, a student must still be served.
                "StringEqualsIfExists": {"aws:SourceAccount": stack.account},
            },
        )

    def _allow(self, sid: str, service: str, actions: list[str], conditions: dict[str, dict[str, str]]) -> None:
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                principals=[iam.ServicePrincipal(service)],
                actions=actions,
                resources=["*"],
                conditions=conditions,
            )
        )
