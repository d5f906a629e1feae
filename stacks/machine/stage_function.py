"""One Lambda of the pipeline with everything that belongs to it: role, log group, version, tracing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Duration, IgnoreMode, RemovalPolicy, Tags
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from lambdas.domain.bedrock_names import STAGE_TAG
from lambdas.domain.metrics import NAMESPACE
from stacks.access.acknowledgements import acknowledge, acknowledge_wildcards
from stacks.access.key_access import data_key
from stacks.access.permissions import Permission, allow, keep_reasons, policy_document
from stacks.machine.dependency_layer import DependencyLayer
from stacks.monitoring.log_groups import log_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_sqs as sqs

    from lambdas.domain.task.settings import Settings
    from stacks.access.network import Network

REPOSITORY = Path(__file__).resolve().parents[2]
ONLY_ASKED = (
    "Invoked by callers that wait and get the error themselves; Lambda uses a dead letter queue for events alone."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """What all Lambdas of an environment share, read once: each property of a construct is a call across languages.

    Attributes
    ----------
    layers : sequence of ILayerVersion
        What they import beside their code, and the settings where no variable holds them.
    undelivered : Queue
        Receives events whose Lambda failed for good.
    environment : mapping
        Variables that every Lambda gets.
    tracing : ManagedPolicy
        Lets a role write traces.
    network : Network or None
        Where the Lambdas run; ``None`` outside of any VPC.
    """

    settings: Settings
    code: lambda_.Code
    layers: Sequence[lambda_.ILayerVersion]
    key: kms.IKey
    key_arn: str
    account: str
    region: str
    python: lambda_.Runtime
    architecture: lambda_.Architecture
    undelivered: sqs.IQueue
    environment: Mapping[str, str]
    tracing: iam.IManagedPolicy
    network: Network | None


def shared_code() -> lambda_.Code:
    """Package ``lambdas/`` so that ``import lambdas.domain`` works: the asset's root is the repository's root."""
    return lambda_.Code.from_asset(
        str(REPOSITORY),
        ignore_mode=IgnoreMode.GIT,
        exclude=["/*", "!/lambdas", "__pycache__", "*.pyc", "/lambdas/requirements.*"],
    )


def shared_layer(scope: Construct) -> lambda_.ILayerVersion:
    """Make the dependency layer of a stack."""
    return DependencyLayer(scope, "Dependencies").layer


class StageFunction(Construct):
    """A Lambda whose code is one folder under ``lambdas/states`` or ``lambdas/operations``.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    folder : str
        Name of its folder.
    layer : str
        Folder of that folder under ``lambdas/``: ``states``, or ``operations`` for what events and people invoke.
    runtime : Runtime
        What all Lambdas share.
    permissions : list of Permission
        Everything that this Lambda may do beside logging and tracing.
    timeout : Duration
        Of one invocation.
    memory : int
        MB; processor time grows with it.
    environment : mapping, optional
        Variables beside the shared ones.
    asynchronous : bool
        Whether events invoke it: then an event that fails for good is kept in the queue of undelivered events.
    """

    def __init__(  # noqa: PLR0913 - keyword only, each a property of the Lambda
        self,
        scope: Construct,
        construct_id: str,
        *,
        folder: str,
        layer: str,
        runtime: Runtime,
        permissions: list[Permission],
        timeout: Duration,
        memory: int = 512,
        environment: Mapping[str, str] | None = None,
        asynchronous: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self.timeout = timeout
        # As what the stage makes in Bedrock is tagged, and so that a bill can be told apart by stage.
        Tags.of(self).add(STAGE_TAG, folder.title().replace("_", ""))
        self._log_group = log_group(self, key=runtime.key, retention_days=runtime.settings.log_retention_days)
        if asynchronous:
            permissions = [
                *permissions,
                allow("sqs:SendMessage", on=[runtime.undelivered.queue_arn], to="keep an event that failed for good"),
            ]
        key = data_key(permissions, key=runtime.key_arn, region=runtime.region)
        self.role = self._make_role(runtime, [*permissions, *key])
        self.function = lambda_.Function(
            self,
            "Function",
            description=f"Distillation: {folder}",
            runtime=runtime.python,
            architecture=runtime.architecture,
            handler=f"lambdas.{layer}.{folder}.handler.handler",
            code=runtime.code,
            layers=list(runtime.layers),
            # Every statement is written here; nothing may add its own to the role.
            role=self.role.without_policy_updates(),
            log_group=self._log_group,
            timeout=timeout,
            memory_size=memory,
            tracing=lambda_.Tracing.ACTIVE,
            dead_letter_queue=runtime.undelivered if asynchronous else None,
            environment={
                **runtime.environment,
                **(environment or {}),
                "POWERTOOLS_SERVICE_NAME": folder,
                "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
                "POWERTOOLS_LOG_LEVEL": "INFO",
            },
            # A run in progress keeps the version with which it was started.
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
        )
        if runtime.network:
            runtime.network.put_inside(self.function)
        if not asynchronous:
            acknowledge(self.function, "Serverless-LambdaDLQ", ONLY_ASKED)

    def published_version(self) -> str:
        """Publish the present code and configuration, and give the version's ARN."""
        return self.function.current_version.function_arn

    def _make_role(self, runtime: Runtime, permissions: list[Permission]) -> iam.Role:
        write_logs = allow(
            "logs:CreateLogStream", "logs:PutLogEvents", on=[self._log_group.log_group_arn], to="write its own log"
        )
        statements = [write_logs, *permissions]
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "lambda.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": runtime.account}},
            ),
            managed_policies=[runtime.tracing, *([runtime.network.joining] if runtime.network else [])],
            inline_policies={"Stage": policy_document(statements)},
        )
        keep_reasons(role, statements)
        acknowledge_wildcards(role, permissions, of_lambda=True)
        return role
