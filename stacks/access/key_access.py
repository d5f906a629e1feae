"""The data key for the roles of Lambdas: as far as their other permissions touch what is encrypted with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacks.access.permissions import Permission, allow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ENCRYPTING = {"s3:PutObject": "s3", "sns:Publish": "sns", "sqs:SendMessage": "sqs"}
"""Actions for which their service asks for a new data key in the caller's name."""

OWN_STUDENTS = (":custom-model-deployment/", ":provisioned-model/")

CUSTOMIZING = "bedrock:CreateModelCustomizationJob"
SERVING = (
    "bedrock:CreateCustomModelDeployment",
    "bedrock:UpdateCustomModelDeployment",
    "bedrock:CreateProvisionedModelThroughput",
    "bedrock:UpdateProvisionedModelThroughput",
)
"""Actions for which Bedrock checks that the caller may use the key of a custom model (guides: :func:`data_key`)."""


def data_key(permissions: Iterable[Permission], *, key: str, region: str) -> list[Permission]:
    """Allow the key through the services that hold encrypted things of ours, and for what is done with them only.

    DynamoDB, SNS and SQS decrypt and make data keys in the caller's name, whatever is called (their developer guides,
    key management). S3 decrypts what is read; it makes a data key for what is written, and looks at the old one while
    the bucket's key is in use (S3 user guide, S3 Bucket Keys).

    Bedrock holds the caller's rights against the key of a custom model: it makes a data key for the check when a model
    is made, and decrypts it when the model is used (Amazon Bedrock user guide, "Encryption of custom models"). Whoever
    customizes needs both. Whoever asks needs Decrypt there, and for a Nova model GenerateDataKey too (Amazon Nova user
    guide, "Encryption of model customization jobs and artifacts"): the stricter page is followed. Whoever deploys a
    model or buys throughput for it needs what asking it takes (Bedrock user guide, prerequisites of both).

    Parameters
    ----------
    permissions : iterable of Permission
        All others of the role.
    key : str
        ARN of the key.
    region : str
    """
    encrypting, decrypting = set(), set()
    for permission in permissions:
        for service, encrypts in _touched(permission):
            decrypting.add(service)
            if encrypts:
                encrypting.add(service)

    def through(services: set[str], *actions: str, to: str) -> Permission:
        named = [f"{service}.{region}.amazonaws.com" for service in sorted(services)]
        return allow(*actions, on=[key], to=to, when={"StringEquals": {"kms:ViaService": named}})

    found = []
    if encrypting:
        found.append(
            through(
                encrypting, "kms:Decrypt", "kms:GenerateDataKey", to="read and write encrypted data of the pipeline"
            )
        )
    if decrypting - encrypting:
        found.append(through(decrypting - encrypting, "kms:Decrypt", to="read encrypted data of the pipeline"))
    return found


def _touched(permission: Permission) -> Iterator[tuple[str, bool]]:
    """Give each service through which a permission needs the key, and whether to encrypt."""
    for action in permission.actions:
        if action.startswith("dynamodb:"):
            yield "dynamodb", True
        elif action in ENCRYPTING:
            yield ENCRYPTING[action], True
        elif action.startswith("s3:GetObject"):
            yield "s3", False
        elif action in (CUSTOMIZING, *SERVING) or (action == "bedrock:InvokeModel" and _asks_students(permission)):
            yield "bedrock", True


def _asks_students(permission: Permission) -> bool:
    return any(kind in resource for resource in permission.resources for kind in OWN_STUDENTS)
