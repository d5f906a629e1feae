"""Give back what a run made and nobody uses. The same call serves the state machine, the schedule and a killed run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from lambdas.domain.bedrock_names import RUN_TAG
from lambdas.domain.errors import ChampionChanged, LeaseTaken
from lambdas.gateways.aws.bedrock import DEAD
from lambdas.gateways.registry.champions import Champion, RollbackOrder, TaskState, rollback_owner
from lambdas.gateways.registry.resources import CUSTOM_MODEL, IN_USE, KEPT, PLANNED, RELEASED, Resource
from lambdas.gateways.registry.runs import ENDED
from lambdas.states.release_resources.abandoned_jobs import record_job_cost
from lambdas.workflow.serving.deleter import Deleter
from lambdas.workflow.stage import Result, Stage, iso
from lambdas.workflow.training.customization_job import model_may_come

_PENDING, _LEFT = "PENDING", "LEFT"


def execute(stage: Stage) -> Result:
    """Release; to be called again while something is pending.

    Returns
    -------
    dict
        ``status`` IN_PROGRESS while the service refuses to delete something for now, else COMPLETED; the counts
        ``released`` and ``pending``.
    """
    stage.progress()
    outcome = stage.run.outcome or str(stage.payload["outcome"])
    task = stage.pipeline.tasks.state(stage.run.task)
    champion_is_back = _champion_is_back(stage, task)
    if champion_is_back:  # until then nobody else may point the endpoint anywhere
        stage.pipeline.tasks.drop_lease(stage.run.task, _owner(stage, task))
        # A Lambda that outlived its execution may have begun to point it until this moment, and no later: it asks for
        # its lease once more.
        champion_is_back = _champion_is_back(_as_it_is_now(stage), task)
    pending = [] if champion_is_back else ["the previous champion's endpoint"]
    release = _Release(stage, task, outcome, champion_is_back=champion_is_back)
    released = 0
    for resource in _models_last(stage.pipeline.resources.of_run(stage.run.run_id)):
        fate = _LEFT if resource.state == RELEASED else release.of(resource)
        if fate == _PENDING:
            pending.append(f"{resource.kind} {resource.name}")
        released += fate == RELEASED
    stage.progress(released=released, pending=pending)
    return {"status": "IN_PROGRESS" if pending else "COMPLETED", "released": released, "pending": len(pending)}


class _Release:
    """One call's release of a run's resources, one after the other."""

    def __init__(self, stage: Stage, task: TaskState, outcome: str, *, champion_is_back: bool) -> None:
        self._stage, self._task, self._outcome, self._champion_is_back = stage, task, outcome, champion_is_back
        self._fates: dict[str, str] = {}
        self._deleter = Deleter(
            stage.pipeline.bedrock,
            stage.pipeline.environment.name,
            spares=partial(_is_anothers, stage),
            deleted_model=lambda name: stage.pipeline.resources.note_deleted_model(name, stage.now()),
        )

    def of(self, resource: Resource) -> str:
        """Release a resource where nobody uses it.

        Returns
        -------
        str
            RELEASED, ``_PENDING`` where the release must be called again for it, or ``_LEFT`` as it is.
        """
        if self._task.uses(resource.arn, self._stage.pipeline.now(), name=resource.name):
            self._stage.pipeline.resources.mark(resource, IN_USE)
            return _LEFT
        fate = self._of_model(resource) if resource.kind == CUSTOM_MODEL else self._of_other(resource)
        self._fates[resource.name] = fate
        return fate

    def _of_model(self, model: Resource) -> str:
        if not self._champion_is_back:
            # The endpoint may still serve it. While it is neither kept nor gone, the schedule comes back to this run.
            return _PENDING
        awaited = self._awaited(model)
        if awaited is not None:
            return awaited
        if _is_kept(self._stage, model, self._outcome):
            return _LEFT
        # A shared model is deleted by the last run that lets go of it.
        return self._closed(model, gone=not self._stage.pipeline.resources.let_go(model) or self._deleter.delete(model))

    def _awaited(self, model: Resource) -> str | None:
        """Give the fate of a model that its job may still make; ``None`` where there is nothing to wait for.

        A job may complete while it is being stopped. Were the model closed before its job, one that came after all
        would be stored and paid, and nobody's.
        """
        if model.state != PLANNED:
            return None
        of_job = self._fates.get(model.name, RELEASED)
        if of_job != RELEASED:
            return of_job
        job = self._stage.pipeline.bedrock.find_job(model.name)
        if job is None or job.status != "Completed" or self._deleter.finds(model):
            return None
        return _PENDING if model_may_come(self._stage, job) else None

    def _of_other(self, resource: Resource) -> str:
        if _may_still_come(self._stage, resource) and not self._deleter.finds(resource):
            return _LEFT  # it stays open, so that the schedule looks its name up again
        return self._closed(resource, gone=self._deleter.delete(resource))

    def _closed(self, resource: Resource, *, gone: bool) -> str:
        if gone and record_job_cost(self._stage, resource):
            self._stage.pipeline.resources.released(resource, self._stage.now())
            return RELEASED
        return _PENDING


def _models_last(resources: Iterable[Resource]) -> list[Resource]:
    """Order what is released: whether a model exists is known only after the job that may make it has ended."""
    return sorted(resources, key=lambda resource: resource.kind == CUSTOM_MODEL)


def _may_still_come(stage: Stage, resource: Resource) -> bool:
    """Tell whether a planned thing may still be created: StopExecution does not stop a Lambda in progress.

    Were it closed now, and the Lambda killed after its create call, nobody would know of what bills.
    """
    return _is_to_come(stage, resource.may_still_come_until())


def _is_to_come(stage: Stage, until: datetime | None) -> bool:
    return until is not None and stage.pipeline.now() < until


def _as_it_is_now(stage: Stage) -> Stage:
    return replace(stage, run=stage.pipeline.registry.run(stage.run.run_id))


def _is_anothers(stage: Stage, tags: Mapping[str, str]) -> bool:
    """Tell whether a job or an endpoint is that of another run that has not ended: its own release decides about it.

    A run that adopted the job and was killed before it saw whose it is has it in its own book. Where the tags' run is
    over or unknown nobody else would stop the job.
    """
    owner = tags.get(RUN_TAG)
    if owner in (None, stage.run.run_id):
        return False
    run = stage.pipeline.registry.find(str(owner))
    return run is not None and run.state != ENDED


def _is_kept(stage: Stage, resource: Resource, outcome: str) -> bool:
    """Keep a trained model for the retry of an attempt: it was paid for, and its storage costs little."""
    if resource.kind != CUSTOM_MODEL or not stage.run.may_be_retried(outcome):
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


def _owner(stage: Stage, task: TaskState) -> str:
    """Name this attempt as holder of the lease, or an earlier one of this run that never gave it back."""
    return str(task.lease_owner) if task.is_held_by(stage.run.run_id) else stage.owner


def _champion_is_back(stage: Stage, task: TaskState) -> bool:
    """Point a champion's endpoint back at its model where this run pointed it away and was not promoted.

    Where another attempt holds the lease the endpoint is left to it: that attempt, or its release, decides.
    """
    pointed, champion = stage.run.facts.get("pointed_endpoint"), task.champion
    if pointed is None or champion is None or champion.endpoint_arn != pointed["endpoint_arn"]:
        return True
    if task.lease_owner not in (None, _owner(stage, task)) and str(task.lease_expires) > stage.now():
        return True
    bedrock = stage.pipeline.bedrock
    found = bedrock.find_endpoint(champion.endpoint_arn, throughput=champion.on_throughput)
    if found is None or found.status == DEAD:
        if found is not None:
            _order_another_endpoint(stage, champion)
        return True
    if found.status in ("Updating", "Creating"):
        return False
    if found.model_arn == champion.model_arn:
        return not _is_to_come(stage, stage.run.may_still_point_until())
    bedrock.point_endpoint(champion.endpoint_arn, champion.model_arn, throughput=champion.on_throughput)
    return False


def _order_another_endpoint(stage: Stage, champion: Champion) -> None:
    """Let the schedule give the champion another endpoint: its own failed when this run moved it, and serves nobody."""
    tasks, now = stage.pipeline.tasks, stage.pipeline.now()
    if tasks.state(stage.run.task).rollback is not None:
        return
    owner = rollback_owner(stage.run.task)
    tasks.drop_lease(stage.run.task, stage.owner)
    expires = now + timedelta(minutes=2 * stage.pipeline.environment.settings.endpoint_deadline_minutes)
    try:
        tasks.take_lease(stage.run.task, owner, champion.run_id, iso(now), iso(expires))
    except (LeaseTaken, ChampionChanged):
        return  # another promotion has begun: it sees the failed endpoint itself
    run = champion.run_id
    why = f"its endpoint failed when run {stage.run.run_id} moved it"
    tasks.order_rollback(stage.run.task, RollbackOrder(to_run=run, from_run=run, why=why, at=iso(now), owner=owner))
