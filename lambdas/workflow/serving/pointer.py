"""The SSM parameter that tells callers where and how to ask a task's student: a projection of the registry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.questions.prompts import inference_parameters
from lambdas.domain.serving.serving_policy import CLIENT_REQUIREMENT
from lambdas.domain.stored import DOCUMENT_VERSION
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.service_errors import refusal
from lambdas.workflow.stage import logger

if TYPE_CHECKING:
    from lambdas.domain.task.task_definition import TaskDefinition
    from lambdas.gateways.registry.champions import Champion
    from lambdas.workflow.stage import Pipeline, Stage

MAX_BYTES = 8_192
"""Longest value of an advanced parameter (Systems Manager quotas)."""

LONGEST_ARN = 150
"""Room for the ARN of an endpoint or a custom model: patterns of the service model, with names as long as ours."""


def read_pointer(pipeline: Pipeline, task: str) -> dict[str, Any] | None:
    """Read where callers of a task are led; ``None`` where nothing is published or it is not a JSON object."""
    return read_parameter(pipeline.environment.champion_parameter(task))


def read_parameter(name: str) -> dict[str, Any] | None:
    """Read a parameter for callers; ``None`` where it is not there or not a JSON object."""
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
    write_parameter(
        stage,
        stage.pipeline.environment.champion_parameter(stage.run.task),
        f"Where the champion of task {stage.run.task} is served and how it is asked",
        pointer_text(
            stage.task,
            endpoint_arn=champion.endpoint_arn,
            model_arn=champion.model_arn,
            run_id=champion.run_id,
            promoted_at=champion.promoted_at,
        ),
    )


def write_parameter(stage: Stage, name: str, about: str, text: str) -> None:
    """Write a parameter for callers; nothing where the task was torn down since its champion was read.

    ``teardown`` takes the champion from the registry first. It looks for parameters once more after a pause of ten
    seconds, so that it finds what is written right after this look.
    """
    task = stage.run.task
    if stage.pipeline.tasks.state(task).champion is None:
        logger.warning("nothing is published: the task has been torn down", extra={"task": task, "parameter": name})
        return
    clients.ssm().put_parameter(
        Name=name, Description=about, Value=text, Type="String", Tier="Intelligent-Tiering", Overwrite=True
    )


def pointer_text(task: TaskDefinition, **champion: object) -> str:
    """Write the pointer as SSM gets it."""
    document = {
        "schema_version": DOCUMENT_VERSION,
        "client": CLIENT_REQUIREMENT,
        "system_prompt": task.student_system_prompt,
        "inference_parameters": inference_parameters(task),
        "output_schema": task.output_schema,
        **champion,
    }
    return parameter_text(document)


def parameter_text(document: Mapping[str, Any]) -> str:
    """Write JSON without two opening braces in a row.

    SSM refuses those as a reference (PutParameter, ``Value``). JSON has them only inside strings, for example in a
    prompt with a placeholder, where the escape means the same.
    """
    return json.dumps(document, ensure_ascii=False, sort_keys=True).replace("{{", "{\\u007b")


def longest_pointer(task: TaskDefinition, run_id: str) -> int:
    """Count the bytes of a task's pointer as it would be written at a promotion, before its ARNs are known."""
    arn = "x" * LONGEST_ARN
    text = pointer_text(task, endpoint_arn=arn, model_arn=arn, run_id=run_id, promoted_at="x" * 32)
    return len(text.encode())
