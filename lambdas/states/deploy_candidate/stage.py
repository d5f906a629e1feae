"""Create the candidate's on-demand deployment, or find it again, and wait until it answers."""

from __future__ import annotations

from datetime import datetime, timedelta

from lambdas.domain.bedrock_names import CANDIDATE, client_token, content_name, resource_tags
from lambdas.domain.errors import DeploymentFailed, QuotaTooLow
from lambdas.domain.identity import digest
from lambdas.gateways.aws.bedrock import DEAD
from lambdas.gateways.registry.resources import DEPLOYMENT, Resource
from lambdas.workflow.serving.endpoints import closed_when_refused
from lambdas.workflow.serving.pinned_champion import pin_champion
from lambdas.workflow.stage import Result, Stage, waits_for_quota

SEEN_WITHIN = timedelta(minutes=5)
"""How long Bedrock may not know a deployment that it has just created, before it counts as gone."""


def execute(stage: Stage) -> Result:
    """Bring the candidate's deployment one step further.

    Returns
    -------
    dict
        ``status`` IN_PROGRESS or COMPLETED, and the ``deployment_arn``, or what it ``waits_for``.

    Raises
    ------
    DeploymentFailed
        With the service's reason.
    """
    model_arn = str(stage.run.facts["custom_model_arn"])
    resource = stage.pipeline.resources.plan(_candidate(stage, model_arn))
    try:
        arn = resource.arn or _create(stage, resource, model_arn)
    except QuotaTooLow as full:  # deployments of others are being created; the training is paid
        return waits_for_quota(stage, full, deployment=resource.name)
    found = stage.pipeline.bedrock.find_deployment(arn)
    if found is None and stage.pipeline.now() - datetime.fromisoformat(resource.created_at) <= SEEN_WITHIN:
        stage.progress(deployment=resource.name, status="Creating")
        return {"status": "IN_PROGRESS", "deployment_arn": arn}
    if found is None or found.status == DEAD:
        reason = found.failure if found else "it is gone"
        raise DeploymentFailed(f"deployment {resource.name} of the candidate failed: {reason or 'no reason given'}")
    done = found.status == "Active"
    if done:
        pin_champion(stage)
        stage.pipeline.registry.record_facts(stage.run.run_id, deployment_arn=arn)
    stage.progress(deployment=resource.name, status=found.status)
    return {"status": "COMPLETED" if done else "IN_PROGRESS", "deployment_arn": arn}


def _candidate(stage: Stage, model_arn: str) -> Resource:
    content = digest(model_arn, stage.run.run_id, stage.attempt, length=16)
    name = content_name(stage.pipeline.environment.name, stage.run.task, content, CANDIDATE)
    return stage.resource(DEPLOYMENT, name)


def _create(stage: Stage, resource: Resource, model_arn: str) -> str:
    environment = stage.pipeline.environment
    request = {
        "modelDeploymentName": resource.name,
        "modelArn": model_arn,
        "description": f"Candidate of run {stage.run.run_id}, for its evaluation",
        "tags": resource_tags(environment.name, stage.run.task, stage.run.run_id, stage.name),
        "clientRequestToken": client_token(resource.name),
    }
    with closed_when_refused(stage, resource):
        arn = stage.pipeline.bedrock.create_deployment(request)
    stage.pipeline.resources.created(resource, arn)
    return arn
