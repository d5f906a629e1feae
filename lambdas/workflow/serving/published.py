"""Publish a champion: first the policy, which is ignored until its run serves, then the pointer that callers follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lambdas.domain.model_ids import custom_model_of
from lambdas.domain.questions.prompts import inference_parameters
from lambdas.domain.serving.serving_policy import FallbackModel, policy_document, prices_of, prompt_key
from lambdas.workflow.serving.pointer import parameter_text, publish_pointer, read_parameter, write_parameter
from lambdas.workflow.stage import logger

if TYPE_CHECKING:
    from lambdas.gateways.registry.champions import Champion
    from lambdas.workflow.stage import Pipeline, Stage


def publish_champion(stage: Stage, champion: Champion, before: Mapping[str, Any] | None = None) -> None:
    """Write policy and pointer anew from the registry; for ``before`` see :func:`publish_policy`."""
    publish_policy(stage, champion, before)
    publish_pointer(stage, champion)


def publish_policy(stage: Stage, champion: Champion, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write the policy that goes with a champion, and the prompt of its fallback where callers can read it.

    Parameters
    ----------
    stage : Stage
    champion : Champion
    before : mapping, optional
        The policy as it is published, from whoever may read it: where the run's plan has expired its fallback is kept.

    Returns
    -------
    dict
        The policy.
    """
    pipeline, task = stage.pipeline, stage.run.task
    fallback = fallback_of(stage)
    if fallback is not None and fallback.prompt:
        key = prompt_key(task, champion.run_id, fallback.prompt_sha256)
        pipeline.runs.write(key, fallback.prompt.encode(), "text/plain; charset=utf-8")
    document = policy_of(stage, champion, fallback, before)
    about = f"Who answers callers of task {task} where its champion does not"
    write_parameter(stage, pipeline.environment.policy_parameter(task), about, parameter_text(document))
    return document


def policy_of(
    stage: Stage, champion: Champion, fallback: FallbackModel | None, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Make a champion's policy of what the registry says."""
    pipeline, task = stage.pipeline, stage.run.task
    per_token = prices_of(pipeline.prices, custom_model_of(champion.base_model))
    return policy_document(
        task,
        champion.run_id,
        pipeline.runs.name,
        fallback,
        {"input": 0.0, "output": 0.0} if champion.on_throughput else per_token,
        pipeline.tasks.state(task).choice,
        before,
    )


def fallback_of(stage: Stage, role: str | None = None) -> FallbackModel | None:
    """Give the model that the gate compared the student with; ``None`` where the attempt's plan is not there any more.

    ``role`` asks for ``teacher`` or ``baseline``, whichever the gate compared with. A promotion that is long over may
    be published again, by a rollback or the janitor: then callers keep the fallback that they had, or have none.
    """
    plan = stage.find_plan()
    if plan is None:
        logger.warning(
            "the fallback is not known any more: the plan of the run has expired", extra={"run": stage.run.run_id}
        )
        return None
    role = role or stage.task.gate.reference
    model = plan.models.teacher if role == "teacher" else plan.models.baseline
    prices = stage.pipeline.prices.at_extended_access(plan.models.extended_access)
    return FallbackModel(
        model=model,
        role=role,
        prompt=stage.task.teacher_system_prompt or "",
        parameters=inference_parameters(stage.task),
        usd_per_million_tokens=prices_of(prices, model),
    )


def read_policy_document(pipeline: Pipeline, task: str) -> dict[str, Any] | None:
    """Read the policy as callers get it; ``None`` where nothing is published or it is not a JSON object."""
    return read_parameter(pipeline.environment.policy_parameter(task))
