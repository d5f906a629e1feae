"""The SSM parameter that tells callers where and how to ask a task's student: a projection of the registry."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from lambdas.domain.questions.prompts import INFERENCE_PARAMETERS
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.service_errors import refusal
from lambdas.gateways.registry.champions import Champion
from lambdas.workflow.stage import Pipeline, Stage


def read_pointer(pipeline: Pipeline, task: str) -> dict[str, Any] | None:
    """Read where callers of a task are led; ``None`` where nothing is published or it is not a JSON object."""
    name = pipeline.environment.champion_parameter(task)
    try:
        value = clients.ssm().get_parameter(Name=name)["Parameter"]["Value"]
    except ClientError as problem:
        if refusal(problem) == "ParameterNotFound":
            return None
        raise
    try:
        document = json.loads(value)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def publish_pointer(stage: Stage, champion: Champion) -> None:
    """Write everything that a caller needs: endpoint, system prompt, inference parameters and output schema."""
    document = {
        "endpoint_arn": champion.endpoint_arn,
        "system_prompt": stage.task.student_system_prompt,
        "inference_parameters": INFERENCE_PARAMETERS,
        "output_schema": stage.task.output_schema,
        "run_id": champion.run_id,
        "model_arn": champion.model_arn,
        "promoted_at": champion.promoted_at,
    }
    clients.ssm().put_parameter(
        Name=stage.pipeline.environment.champion_parameter(stage.run.task),
        Description=f"Where the champion of task {stage.run.task} is served and how it is asked",
        Value=_parameter_text(document),
        Type="String",
        Tier="Intelligent-Tiering",
        Overwrite=True,
    )


def _parameter_text(document: dict[str, Any]) -> str:
    """Write JSON without two opening braces in a row, which SSM refuses as a reference (PutParameter, ``Value``).

    JSON has them only inside strings, for example in a prompt with a placeholder, where the escape means the same.
    """
    return json.dumps(document, ensure_ascii=False, sort_keys=True).replace("{{", "{\\u007b")
