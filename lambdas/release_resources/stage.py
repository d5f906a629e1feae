"""Give back what a run made and nobody uses. The same call serves the state machine, the schedule and a killed run."""

from __future__ import annotations

from datetime import timedelta

from lambdas.gateways.resource_book import CUSTOM_MODEL, IN_USE, KEPT, RELEASED, Resource
from lambdas.gateways.task_book import TaskState
from lambdas.pipeline import Result, Stage, iso
from lambdas.release_resources.deleter import Deleter


def execute(stage: Stage) -> Result:
    """Release; to be called again while something is pending.

    Returns
    -------
    dict
        ``status`` IN_PROGRESS while the service refuses to delete something for now, else COMPLETED; the counts
        ``released`` and ``pending``.
    """
    outcome = stage.run.outcome or str(stage.payload["outcome"])
    task = stage.pipeline.tasks.state(stage.run.task)
    champion_is_back = _champion_is_back(stage, task)
    pending = [] if champion_is_back else ["the previous champion's endpoint"]
    if champion_is_back:  # until then nobody else may point the endpoint anywhere
        stage.pipeline.tasks.drop_lease(stage.run.task, stage.owner)
    deleter = Deleter(stage.pipeline.bedrock)
    released = 0
    for resource in stage.pipeline.resources.of_run(stage.run.run_id):
        if resource.state == RELEASED:
            continue
        if task.uses(resource.arn, stage.pipeline.now()):
            stage.pipeline.resources.mark(resource, IN_USE)
            continue
        if resource.kind == CUSTOM_MODEL and not champion_is_back:
            # The endpoint may still serve it. While it is neither kept nor gone, the schedule comes back to this run.
            pending.append(f"{resource.kind} {resource.name}")
            continue
        if _is_kept(stage, resource, outcome):
            continue
        shared = resource.kind == CUSTOM_MODEL and not stage.pipeline.resources.let_go(resource)
        if shared or deleter.delete(resource):  # a shared model is deleted by the last run that lets go of it
            stage.pipeline.resources.released(resource, stage.now())
            released += 1
        else:
            pending.append(f"{resource.kind} {resource.name}")
    stage.progress(released=released, pending=pending)
    return {"status": "IN_PROGRESS" if pending else "COMPLETED", "released": released, "pending": len(pending)}


def _is_kept(stage: Stage, resource: Resource, outcome: str) -> bool:
    """Keep a trained model for the retry of a failed attempt: it was paid for, and its storage costs little."""
    if resource.kind != CUSTOM_MODEL or outcome not in ("FAILED", "EXPIRED"):
        return False
    found = stage.pipeline.bedrock.find_model(resource.name)
    days = stage.pipeline.environment.settings.keep_unused_models_days
    if found is None or days == 0:
        return False
    if resource.state != KEPT:
        stage.pipeline.resources.created(resource, found.arn)
        stage.pipeline.resources.mark(resource, KEPT, iso(stage.pipeline.now() + timedelta(days=days)))
        return True
    return str(resource.keep_until) > stage.now()


def _champion_is_back(stage: Stage, task: TaskState) -> bool:
    """Point a champion's endpoint back at its model where this run pointed it away and was not promoted.

    Where another attempt holds the lease the endpoint is left to it: that attempt, or its release, decides.
    """
    pointed, champion = stage.run.facts.get("pointed_endpoint"), task.champion
    if pointed is None or champion is None or champion.endpoint_arn != pointed["endpoint_arn"]:
        return True
    if task.lease_owner not in (None, stage.owner) and str(task.lease_expires) > stage.now():
        return True
    bedrock = stage.pipeline.bedrock
    throughput = champion.mode == "provisioned_throughput"
    found = bedrock.find_endpoint(champion.endpoint_arn, throughput=throughput)
    if found is None:
        return True
    if found.status in ("Updating", "Creating"):
        return False
    if found.model_arn == champion.model_arn:
        return True
    bedrock.point_endpoint(champion.endpoint_arn, champion.model_arn, throughput=throughput)
    return False
