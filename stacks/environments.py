"""Environments: read from the CDK context; each is three stacks of its own, and a fourth where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Environment, Tags
from aws_cdk import aws_iam as iam

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG
from stacks.data_stack import DataStack
from stacks.operations_stack import OperationsStack
from stacks.pipeline_stack import PipelineStack

if TYPE_CHECKING:
    from aws_cdk import App, Stack

    from lambdas.domain.task.settings import Settings


def add_environment(app: App, name: str, settings: Settings) -> None:
    """Add the three stacks of one environment, and the fourth where its settings ask for discovery.

    Plain stacks, no Stage: ``cdk deploy --all`` finds them, and their names are those that the command line looks up.

    Parameters
    ----------
    app : App
        The construct tree that gets the stacks.
    name : str
        Environment name, a part of stack, model and parameter names.
    settings : Settings
        What this environment is set to.
    """
    target = Environment(account=settings.account, region=settings.region)
    prefix = f"distillation-{name}"
    data = DataStack(app, f"{prefix}-data", settings=settings, env=target)
    pipeline = PipelineStack(app, f"{prefix}-pipeline", environment=name, settings=settings, data=data, env=target)
    operations = OperationsStack(
        app, f"{prefix}-operations", environment=name, settings=settings, pipeline=pipeline, env=target
    )
    made: list[Stack] = [data, pipeline, operations]
    if settings.discovered():
        from stacks.discovery_stack import (  # noqa: PLC0415 - two more parts of the library, and most need none of them
            DiscoveryStack,
        )

        made.append(
            DiscoveryStack(
                app,
                f"{prefix}-discovery",
                environment=name,
                settings=settings,
                data=data,
                pipeline=pipeline,
                env=target,
            )
        )
    for stack in made:
        Tags.of(stack).add(ENVIRONMENT_TAG, name)
        if settings.permissions_boundary:
            boundary = iam.ManagedPolicy.from_managed_policy_arn(stack, "Boundary", settings.permissions_boundary)
            iam.PermissionsBoundary.of(stack).apply(boundary)
