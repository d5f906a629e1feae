"""What serves a task at this moment: its endpoint asked from Bedrock, and where callers are led."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.gateways.aws.bedrock import BedrockControl
from lambdas.gateways.aws.service_errors import AWS_ERRORS, in_words, refusal
from lambdas.gateways.registry.champions import Champion

if TYPE_CHECKING:
    from cli.deployment import Deployment

MISSING = "missing"


@dataclass(frozen=True, slots=True)
class ServingNow:
    """What was found.

    Attributes
    ----------
    status : str or None
        Bedrock's own word for the endpoint, ``missing`` where it does not exist, ``None`` where nobody answered.
    wrong : tuple of str
        What is not as the registry says, in words; what could not be asked too.
    """

    status: str | None
    wrong: tuple[str, ...]


def look(deployment: Deployment, task: str, champion: Champion) -> ServingNow:
    """Ask Bedrock about a champion's endpoint, and the pointer about who callers get."""
    try:
        status, wrong = _endpoint(BedrockControl(deployment.client("bedrock")), champion)
    except AWS_ERRORS as problem:
        status, wrong = None, [f"its endpoint could not be asked for: {in_words(problem)}"]
    try:
        led_to = _pointer(deployment, task)
    except AWS_ERRORS as problem:
        return ServingNow(status, (*wrong, f"its pointer could not be read: {in_words(problem)}"))
    if led_to != champion.endpoint_arn:
        wrong.append(f"callers are led to {led_to}" if led_to else "no pointer leads callers to it")
    return ServingNow(status, tuple(wrong))


def _endpoint(bedrock: BedrockControl, champion: Champion) -> tuple[str, list[str]]:
    found = bedrock.find_endpoint(champion.endpoint_arn, throughput=champion.on_throughput)
    if found is None:
        return MISSING, ["its endpoint does not exist: nobody can call it, and it bills nothing"]
    wrong = []
    if found.name != champion.endpoint_name:
        wrong.append(f"its endpoint is called {found.name} now")
    if found.model_arn and found.model_arn != champion.model_arn:
        wrong.append(f"its endpoint serves another model: {found.model_arn}")
    return found.status, wrong


def _pointer(deployment: Deployment, task: str) -> str | None:
    name = f"/distillation/{deployment.environment}/{task}/champion"
    try:
        document = json.loads(deployment.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    except ClientError as problem:
        if refusal(problem) == "ParameterNotFound":
            return None
        raise
    except ValueError:
        return "nothing that can be read"
    return str(document.get("endpoint_arn")) if isinstance(document, dict) else "nothing that can be read"
