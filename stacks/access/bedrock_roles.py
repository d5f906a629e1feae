"""Roles that Amazon Bedrock itself takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.access.acknowledgements import acknowledge_wildcards
from stacks.access.data_key import ENCRYPT_AND_DECRYPT
from stacks.access.model_access import ModelAccess
from stacks.access.permissions import Permission, allow, keep_reasons, policy_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.domain.task.settings import Settings
    from stacks.data_stack import DataExports


class _BedrockRole(Construct):
    """A role for Bedrock's jobs of one kind, with one inline policy."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job: str,
        description: str,
        policy: str,
        permissions: list[Permission],
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            description=f"Taken by Amazon Bedrock for {description} of this environment",
            assumed_by=_bedrock_for(Stack.of(self), job),
            inline_policies={policy: policy_document(permissions)},
        )
        keep_reasons(self.role, permissions)
        acknowledge_wildcards(self.role, permissions)


class CustomizationRole(_BedrockRole):
    """What a customization job may do: read its training file, write its output, ask the teacher.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    settings : Settings
        Names the teachers.
    data : DataExports
        Where training files lie.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, data: DataExports) -> None:
        super().__init__(
            scope,
            construct_id,
            job="model-customization-job",
            description="model customization jobs",
            policy="Customization",
            permissions=self._permissions(Stack.of(scope), settings, data),
        )

    @staticmethod
    def _permissions(stack: Stack, settings: Settings, data: DataExports) -> list[Permission]:
        training, output = (
            f"{data.runs_bucket_arn}/runs/*/teacher_data/*",
            f"{data.runs_bucket_arn}/runs/*/distillation/*",
        )
        run_keys = "The run's key is made at run time; the wildcard covers this one folder of runs."
        return [
            allow("s3:GetObject", on=[training], to="read the training file", because=run_keys),
            allow(
                "s3:GetObject",
                "s3:PutObject",
                on=[output],
                to="read earlier output of the job's run and write its own",
                because=run_keys,
            ),
            # Bedrock lists without a prefix that we could name; names of keys are not secrets.
            allow("s3:ListBucket", on=[data.runs_bucket_arn], to="look its input and output up"),
            # The teacher of a distillation may be no application inference profile (user guide, model distillation).
            *ModelAccess(stack).invoke(settings.teacher_models),
            _encrypt_and_decrypt(stack, data, "bedrock", "s3"),
            allow(
                "kms:DescribeKey",
                "kms:CreateGrant",
                on=[data.key_arn],
                to="encrypt the custom model, by a grant that Bedrock makes for it",
                when={"StringEquals": {"kms:ViaService": f"bedrock.{stack.region}.amazonaws.com"}},
            ),
        ]


class BatchRole(_BedrockRole):
    """What a batch inference job may do: read its input file, write its output, ask the teacher.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    settings : Settings
        Names the teachers.
    data : DataExports
        Where input and output lie.
    profiles : mapping
        ARN of the application inference profile by model.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataExports,
        profiles: Mapping[str, str],
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            job="model-invocation-job",
            description="batch inference jobs",
            policy="Batch",
            permissions=self._permissions(Stack.of(scope), settings, data, profiles),
        )

    @staticmethod
    def _permissions(
        stack: Stack, settings: Settings, data: DataExports, profiles: Mapping[str, str]
    ) -> list[Permission]:
        folder = f"{data.runs_bucket_arn}/runs/*/teacher_batch/*"
        run_keys = "Keys of runs and jobs are made at run time; the wildcard covers this one folder of runs."
        return [
            allow("s3:GetObject", on=[f"{folder}/input.jsonl"], to="read the job's input file", because=run_keys),
            allow("s3:PutObject", on=[f"{folder}/output/*"], to="write the job's answers", because=run_keys),
            # Bedrock lists the prefix of the input.
            allow(
                "s3:ListBucket",
                on=[data.runs_bucket_arn],
                to="look its input up",
                when={"StringLike": {"s3:prefix": "runs/*"}},
            ),
            *ModelAccess(stack, profiles).ask(settings.teacher_models),
            _encrypt_and_decrypt(stack, data, "s3"),
        ]


def _encrypt_and_decrypt(stack: Stack, data: DataExports, *services: str) -> Permission:
    """Allow the data key for what Bedrock reads and writes through services."""
    through = [f"{service}.{stack.region}.amazonaws.com" for service in services]
    return allow(
        *ENCRYPT_AND_DECRYPT,
        on=[data.key_arn],
        to="read and write encrypted files",
        when={"StringEquals": {"kms:ViaService": through}},
    )


def _bedrock_for(stack: Stack, job: str) -> iam.ServicePrincipal:
    """Trust Bedrock only for jobs of one kind in this account and Region."""
    return iam.ServicePrincipal(
        "bedrock.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnEquals": {"aws:SourceArn": f"arn:{stack.partition}:bedrock:{stack.region}:{stack.account}:{job}/*"},
        },
    )
