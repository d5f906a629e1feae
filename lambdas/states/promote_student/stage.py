"""Promote: lease first, then the endpoint, a smoke test, the registry's word, and the pointer that callers read."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import cast

from lambdas.domain.bedrock_names import content_name
from lambdas.domain.errors import PromotionFailed, QuotaTooLow
from lambdas.domain.identity import digest
from lambdas.domain.run_facts import PointedEndpoint, answerer
from lambdas.gateways.aws.bedrock import DEAD, Found
from lambdas.gateways.registry.champions import Champion
from lambdas.gateways.registry.resources import CUSTOM_MODEL, DEPLOYMENT, IN_USE, THROUGHPUT, Resource
from lambdas.workflow.serving.endpoints import (
    MODE_KIND,
    READY,
    believe,
    create_endpoint,
    endpoint_resource,
    find_endpoint,
    why_not_moved,
)
from lambdas.workflow.serving.published import publish_champion
from lambdas.workflow.stage import Result, Stage, iso


def execute(stage: Stage) -> Result:
    """Bring the promotion one step further.

    Returns
    -------
    dict
        ``status`` IN_PROGRESS or COMPLETED, and the ``endpoint_arn``.

    Raises
    ------
    LeaseTaken, ChampionChanged, QuotaTooLow, HourlyLimitExceeded, PriceMissing, PromotionFailed
        The previous champion, if any, goes on serving.
    """
    evaluation = stage.evaluation()
    before = Champion.from_item(evaluation["champion_before"]) if evaluation["champion_before"] else None
    champion = stage.pipeline.tasks.state(stage.run.task).champion
    if champion is None or champion.run_id != stage.run.run_id:
        _take_lease(stage, before)
        model_arn = str(stage.run.facts["custom_model_arn"])
        resource = _endpoint(stage, before, model_arn)
        found = find_endpoint(stage, resource)
        if found is None or found.status != READY[resource.kind] or found.model_arn != model_arn:
            _check_failed(resource, found, before)
            status = found.status if found else "gone"
            stage.progress(endpoint=str(resource.arn), status=status)
            return {"status": "IN_PROGRESS", "endpoint_arn": str(resource.arn)}
        champion = _crown(stage, resource, found)
    publish_champion(stage, champion)
    stage.pipeline.registry.record_facts(stage.run.run_id, endpoint_arn=champion.endpoint_arn)
    stage.pipeline.tasks.drop_lease(stage.run.task, stage.owner)
    stage.progress(endpoint=champion.endpoint_arn, status="serving")
    return {"status": "COMPLETED", "endpoint_arn": champion.endpoint_arn}


def _take_lease(stage: Stage, before: Champion | None) -> None:
    now = stage.pipeline.now()
    expires = now + timedelta(minutes=2 * stage.pipeline.environment.settings.endpoint_deadline_minutes)
    expected = before.run_id if before else None
    stage.pipeline.tasks.take_lease(stage.run.task, stage.owner, expected, iso(now), iso(expires))


def _endpoint(stage: Stage, before: Champion | None, model_arn: str) -> Resource:
    """Create the endpoint, or point the champion's own at the new model so that callers keep their ARN.

    A champion's endpoint that has failed, by itself or in the move to the new model, serves nobody and cannot be
    moved: then another one is created, and the pointer tells callers.
    """
    mode, base, dead = stage.task.serving.mode, _base_model(stage), False
    kind = MODE_KIND[mode]
    if before is not None and before.mode == mode and before.base_model == base:
        resource = endpoint_resource(stage, kind, before.endpoint_name, arn=before.endpoint_arn)
        found = find_endpoint(stage, resource)
        dead = found is not None and found.status == DEAD
        if found is not None and not dead and _sells_what_was_approved(stage, found):
            _point(stage, before, found, model_arn, throughput=kind == THROUGHPUT)
            return resource
    content = digest(model_arn, stage.run.run_id, stage.attempt, length=16)
    name = content_name(stage.pipeline.environment.name, stage.run.task, content, "champion")
    resource = stage.pipeline.resources.plan(endpoint_resource(stage, kind, name))
    if resource.arn:
        return resource
    if stage.task.serving.commitment != "none":
        # A commitment cannot be given back: the candidate's deployment serves the same model, and is asked first.
        believe(stage, str(stage.run.facts["deployment_arn"]))
    try:
        arn = create_endpoint(stage, resource, model_arn)
    except QuotaTooLow as problem:
        if not dead or before is None:
            raise
        message = f"{problem}. Endpoint {before.endpoint_name} of the champion has failed and still holds its units"
        raise QuotaTooLow(
            f"{message}: ask for more, or delete it (runbook, 'A champion's endpoint has failed')"
        ) from None
    stage.pipeline.resources.created(resource, arn)
    return endpoint_resource(stage, kind, name, arn=arn)


def _point(stage: Stage, before: Champion, found: Found, model_arn: str, *, throughput: bool) -> None:
    """Ask Bedrock once an attempt to move the champion's endpoint, and notice at once when it went back.

    The registry is told before, so that a release knows what to put back, and after, so that a refusal of the service
    is not taken for a request that was never made. In between stands since when the request is being made: a release
    beside it waits until this process cannot be alive any more, and one that came before has taken the lease.
    """
    pointed = stage.run.facts.get("pointed_endpoint")
    asked = pointed is not None and pointed.get("attempt") == stage.attempt and pointed.get("asked")
    if found.status != READY[THROUGHPUT if throughput else DEPLOYMENT] or found.model_arn == model_arn:
        return
    if asked:
        message = f"Bedrock did not move endpoint {found.name} to the new student: {why_not_moved(found)}"
        raise PromotionFailed(f"{message}. The champion of run {before.run_id} goes on serving; retry the run")
    fact = cast("PointedEndpoint", {**before.to_document(), "attempt": stage.attempt, "asked": False})
    record = partial(stage.pipeline.registry.record_facts, stage.run.run_id)
    record(pointed_endpoint={**fact, "asking_since": stage.now()})
    try:
        stage.pipeline.tasks.check_lease(stage.run.task, stage.owner)
        stage.pipeline.bedrock.point_endpoint(found.arn, model_arn, throughput=throughput)
    except Exception:
        record(pointed_endpoint=fact)
        raise
    fact["asked"] = True
    record(pointed_endpoint=fact)


def _sells_what_was_approved(stage: Stage, found: Found) -> bool:
    """Tell whether a champion's endpoint has the units and the commitment that gate and approval were about.

    Neither can be changed on a throughput that exists (UpdateProvisionedModelThroughput takes name and model only).
    """
    serving = stage.task.serving
    units = found.details.get("modelUnits", serving.model_units)
    return (units, found.details.get("commitmentDuration", "none")) == (serving.model_units, serving.commitment)


def _check_failed(resource: Resource, found: Found | None, before: Champion | None) -> None:
    """Fail over an endpoint that serves nobody, except the champion's own: the next step creates another one for that.

    It may end between the look that chose it and this one, and when it ended must not decide over the run.
    """
    if before is not None and resource.arn == before.endpoint_arn:
        return
    if found is None:
        message = f"endpoint {resource.arn} was deleted while it was being promoted"
        raise PromotionFailed(f"{message}; retry the run: it makes another one")
    if found.status == DEAD:
        raise PromotionFailed(f"endpoint {resource.name} failed: {found.failure or 'Bedrock gives no reason'}")


def _crown(stage: Stage, resource: Resource, found: Found) -> Champion:
    """Believe the endpoint only after it has answered; then the registry decides who is champion."""
    believe(stage, found.arn)
    champion = Champion(
        run_id=stage.run.run_id,
        model_arn=str(stage.run.facts["custom_model_arn"]),
        base_model=_base_model(stage),
        endpoint_arn=found.arn,
        endpoint_name=found.name,
        mode=stage.task.serving.mode,
        promoted_at=stage.now(),
        limits=stage.evaluation().get("limits"),
    )
    keep = stage.pipeline.environment.settings.keep_champions
    approval = stage.pipeline.registry.run(stage.run.run_id).facts.get("approval", {})
    stage.pipeline.tasks.crown(
        stage.run.task,
        stage.owner,
        champion,
        stage.now(),
        keep=keep,
        why=str(approval.get("why") or ""),
        who=answerer(approval),
    )
    for item in stage.pipeline.resources.of_run(stage.run.run_id):
        if item.name == resource.name or (item.kind == CUSTOM_MODEL and item.arn == champion.model_arn):
            stage.pipeline.resources.mark(item, IN_USE)
    return champion


def _base_model(stage: Stage) -> str:
    return stage.plan.models.student_customization
