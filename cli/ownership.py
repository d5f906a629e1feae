"""Do the resources of champions carry the tag by which roles may use them? What older versions made may lack it."""

from __future__ import annotations

from collections.abc import Iterator

from cli.deployment import Deployment
from lambdas.domain.bedrock_names import ENVIRONMENT_TAG
from lambdas.gateways.aws.bedrock import BedrockControl
from lambdas.gateways.registry.tasks import TaskBook


def untagged(deployment: Deployment) -> list[str]:
    """Give the ARNs of champions and former ones, and of what serves them, without this environment's tag."""
    bedrock, name = BedrockControl(deployment.client("bedrock")), deployment.environment
    return [arn for arn in sorted(set(_used(deployment))) if bedrock.tags(arn).get(ENVIRONMENT_TAG) != name]


def tagging_commands(arns: list[str], environment: str) -> str:
    """Give the commands that claim resources for an environment."""
    tag = f"key={ENVIRONMENT_TAG},value={environment}"
    return "; ".join(f"aws bedrock tag-resource --resource-arn {arn} --tags {tag}" for arn in arns)


def _used(deployment: Deployment) -> Iterator[str]:
    book = TaskBook(deployment.table)
    for task in book.all_tasks():
        state = book.state(task)
        if state.champion is not None:
            yield state.champion.endpoint_arn
        for champion in filter(None, [state.champion, *state.former]):
            yield champion.model_arn
