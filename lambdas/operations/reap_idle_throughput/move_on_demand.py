"""Move a champion from its throughput to an on-demand deployment: callers are served on, and the hours stop billing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from lambdas.domain.bedrock_names import client_token, content_name, resource_tags
from lambdas.domain.dataset.records import from_json_lines
from lambdas.domain.errors import PromotionFailed
from lambdas.domain.identity import digest
from lambdas.gateways.aws.bedrock import DEAD
from lambdas.gateways.registry.resources import DEPLOYMENT, IN_USE, Resource
from lambdas.workflow.serving.published import publish_champion, read_policy_document
from lambdas.workflow.serving.smoke_test import smoke_test
from lambdas.workflow.stage import Pipeline, Stage, iso

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

    from lambdas.gateways.registry.champions import Champion

MOVING, MOVED = "MOVING", "MOVED"

LEASE = timedelta(hours=2)
"""A deployment is active after minutes; the schedule comes back at least every hour where nothing is in the way."""

ON_DEMAND_MODE = "on_demand"


def move_on_demand(pipeline: Pipeline, runtime: BedrockRuntimeClient, task: str, champion: Champion, why: str) -> str:
    """Bring the move one step further; called again until it is done.

    Parameters
    ----------
    pipeline : Pipeline
    runtime : bedrock-runtime client
    task : str
    champion : Champion
        On provisioned throughput.
    why : str
        Kept in the task's history.

    Returns
    -------
    str
        MOVING while the deployment is being made, then MOVED.

    Raises
    ------
    LeaseTaken, ChampionChanged
        A run is promoting, or has promoted, another student: nothing is changed.
    PromotionFailed
        The deployment failed or does not answer well: the throughput goes on serving.
    """
    run = pipeline.registry.run(champion.run_id)
    stage = Stage(name="ReapIdleThroughput", pipeline=pipeline, run=run, attempt=run.attempt)
    owner, now = f"reap-{champion.run_id}", pipeline.now()
    pipeline.tasks.take_lease(task, owner, champion.run_id, iso(now), iso(now + LEASE))
    deployment = _deployment(stage, champion)
    arn = str(deployment.arn)
    pipeline.tasks.begin_move(task, owner, arn)
    if not _is_active(stage, deployment):
        return MOVING
    records = from_json_lines(pipeline.runs.read(run.files.dataset("holdout.jsonl")))
    smoke_test(runtime, arn, records, stage.task)
    moved = replace(champion, endpoint_arn=arn, endpoint_name=deployment.name, mode=ON_DEMAND_MODE)
    # The pointer goes first: a crash before the registry's word leaves callers on an endpoint that exists and is tried
    # again, while the other way round the old endpoint could go with callers still on it.
    publish_champion(stage, moved, read_policy_document(pipeline, task))
    pipeline.resources.mark(deployment, IN_USE)
    pipeline.tasks.finish_move(task, owner, moved, champion.endpoint_arn, stage.now(), why)
    pipeline.tasks.drop_lease(task, owner)
    return MOVED


def _deployment(stage: Stage, champion: Champion) -> Resource:
    environment, task = stage.pipeline.environment, stage.run.task
    content = digest(champion.model_arn, champion.endpoint_arn, champion.promoted_at, length=16)
    name = content_name(environment.name, task, content, "moved")
    resource = stage.pipeline.resources.plan(stage.resource(DEPLOYMENT, name))
    if resource.arn:
        return resource
    arn = stage.pipeline.bedrock.create_deployment(
        {
            "modelDeploymentName": name,
            "modelArn": champion.model_arn,
            "description": f"Champion of task {task}",
            "tags": resource_tags(environment.name, task, champion.run_id, stage.name),
            "clientRequestToken": client_token(name),
        }
    )
    stage.pipeline.resources.created(resource, arn)
    return stage.resource(DEPLOYMENT, name, arn=arn)


def _is_active(stage: Stage, deployment: Resource) -> bool:
    found = stage.pipeline.bedrock.find_deployment(str(deployment.arn))
    if found is not None and found.status != DEAD:
        return found.status == "Active"
    if found is not None:
        stage.pipeline.bedrock.delete_deployment(found.arn)
    stage.pipeline.resources.released(deployment, stage.now())
    said = found.failure if found else "it was deleted"
    raise PromotionFailed(f"deployment {deployment.name} failed: {said or 'Bedrock gives no reason'}")
