"""Environments: read from the CDK context, each built as three stacks of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_cdk import Environment, Tags
from aws_cdk import aws_iam as iam

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG
from lambdas.domain.documents import InvalidDocument, parse_document
from lambdas.domain.errors import InvalidSettings
from lambdas.domain.task.settings import Settings
from stacks.data_stack import DataStack
from stacks.operations_stack import OperationsStack
from stacks.pipeline_stack import PipelineStack

if TYPE_CHECKING:
    from aws_cdk import App

CONTEXT_KEY = "environments"

_NAME = re.compile(r"(?=.{2,12}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""It begins the names of what is made in Bedrock, which refuses two hyphens in a row: so none stands at the end."""


def read_environments(context: object) -> dict[str, Settings]:
    """Read every environment of the context.

    Parameters
    ----------
    context : object
        A mapping from name to settings document, as ``cdk.json`` has it, or the same as JSON text, as
        ``cdk -c environments='{"dev": {}}'`` hands it over.

    Raises
    ------
    InvalidSettings
        Names the environment, the key and what is allowed.
    """
    document = _parsed(context)
    if not isinstance(document, dict) or not document:
        raise InvalidSettings(
            f"context '{CONTEXT_KEY}' must name at least one environment, for example {{'dev': {{}}}}"
        )
    return {name: _checked(name, settings) for name, settings in document.items()}


def add_environment(app: App, name: str, settings: Settings) -> None:
    """Add the three stacks of one environment.

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
    for stack in (data, pipeline, operations):
        Tags.of(stack).add(ENVIRONMENT_TAG, name)
        if settings.permissions_boundary:
            boundary = iam.ManagedPolicy.from_managed_policy_arn(stack, "Boundary", settings.permissions_boundary)
            iam.PermissionsBoundary.of(stack).apply(boundary)


def _parsed(context: object) -> object:
    if not isinstance(context, str):
        return context
    try:
        parsed: object = parse_document(context, "it is ")
    except InvalidDocument as problem:
        raise InvalidSettings(f"context '{CONTEXT_KEY}' is no JSON to build from: {problem}") from None
    return parsed


def read_context_file(file: Path) -> dict[str, Any]:
    """Read the context of ``cdk.json``, so that ``python app.py`` has it too; what the CDK hands over goes before it.

    Returns
    -------
    dict
        Empty where there is no file.

    Raises
    ------
    InvalidSettings
        When the CDK would read it otherwise than its author meant, as of a key that stands twice the last; names it.
    """
    if not file.is_file():
        return {}
    try:
        document = parse_document(file.read_bytes(), f"{file.name} is ")
    except InvalidDocument as problem:
        raise InvalidSettings(str(problem)) from None
    context = document.get("context", {}) if isinstance(document, dict) else None
    if not isinstance(context, dict):
        raise InvalidSettings(f"{file.name} must be an object whose 'context' is one")
    return context


def _checked(name: str, document: object) -> Settings:
    if not _NAME.fullmatch(name):
        raise InvalidSettings(
            f"environment '{name}': a name is 2 to 12 characters of [a-z0-9-]; it begins with a letter, "
            "does not end in '-' and has no '--'"
        )
    try:
        return Settings.from_mapping(document)
    except InvalidSettings as problem:
        raise InvalidSettings(f"environment '{name}': {problem}") from None
