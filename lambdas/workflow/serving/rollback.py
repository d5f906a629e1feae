"""Bring a former champion back, one converging step a call, under the task's lease.

What is to be done is written into the task's item first, so that whoever calls next (the command line, the schedule)
goes on where a crash left it. The registry decides at the end, as in a promotion: until the former champion has
answered its smoke test, the present one is champion, and it is put back if the former one cannot serve.

An endpoint whose status is Failed serves nobody and cannot be moved. A rollback creates another one then; where it is
the champion itself that is to serve again, only its endpoint is replaced.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from lambdas.domain.bedrock_names import content_name
from lambdas.domain.errors import PipelineError, PromotionFailed, RetryLater, RollbackRefused
from lambdas.domain.identity import digest
from lambdas.gateways.aws.bedrock import DEAD, Found
from lambdas.gateways.aws.service_errors import AWS_ERRORS, in_words, passes
from lambdas.gateways.registry.champions import Champion, RollbackOrder, TaskState, rollback_owner
from lambdas.gateways.registry.resources import IN_USE, THROUGHPUT, Resource
from lambdas.gateways.registry.tasks import HISTORY_RESTORED, HISTORY_ROLLED_BACK
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
from lambdas.workflow.stage import Pipeline, Result, Stage, iso, logger

IN_PROGRESS, COMPLETED, ROLLBACK_FAILED = "IN_PROGRESS", "COMPLETED", "FAILED"


def roll_back(
    pipeline: Pipeline, task: str, to_run: str | None, why: str, owner: str | None = None, ordered_by: str | None = None
) -> Result:
    """Bring a rollback one step further, beginning it where none is in progress.

    Parameters
    ----------
    pipeline : Pipeline
    task : str
        Task slug.
    to_run : str or None
        Run of the former champion to return to; ``None``: the one before the present that no rollback has moved away
        from. The present champion's own run: nothing to do, unless its endpoint has failed.
    why : str
        For the task's history.
    owner : str, optional
        Who holds the lease; a run that watches its own promotion gives itself.
    ordered_by : str, optional
        ARN of the person whose order it is.

    Returns
    -------
    dict
        ``status`` IN_PROGRESS, COMPLETED, or FAILED with a ``reason`` (then the present champion is back and serving);
        ``from_run``, ``to_run`` and, when completed, ``endpoint_arn``.

    Raises
    ------
    RollbackRefused, LeaseTaken
        Nothing was changed.
    """
    if since := pipeline.intake.closed_since():
        raise RollbackRefused(f"this environment is being torn down since {since}; deploy it again first")
    state = pipeline.tasks.state(task)
    if state.rollback is None and state.champion is not None and state.champion.run_id == to_run:
        # Asked again after the answer was lost: it must not roll forward.
        endpoint = state.champion.endpoint_arn
        if _serves(pipeline, state.champion):
            return {"status": COMPLETED, "from_run": None, "to_run": to_run, "endpoint_arn": endpoint}
    order = state.rollback or _begin(pipeline, task, state, to_run, why, owner or rollback_owner(task), ordered_by)
    if to_run and to_run != order.to_run:
        raise RollbackRefused(f"task '{task}' is being rolled back to run {order.to_run}; wait until that has ended")
    state = pipeline.tasks.state(task)
    if state.champion is not None and order.is_done(state.champion):
        return _end(pipeline, task, order, state.champion)  # a crash came after the registry's word
    known = [*([state.champion] if state.champion and order.restores else []), *state.former]
    target = next((one for one in known if one.run_id == order.to_run), None)
    if state.champion is None or state.champion.run_id != order.from_run or target is None:
        pipeline.tasks.end_rollback(task, order.owner)
        message = (
            f"task '{task}' has another champion than when the rollback to run {order.to_run} was ordered; order again"
        )
        raise RollbackRefused(message)
    _hold_lease(pipeline, task, order.owner, order.from_run)
    return _Rollback(pipeline, task, order, state.champion, target).step()


def _begin(
    pipeline: Pipeline,
    task: str,
    state: TaskState,
    to_run: str | None,
    why: str,
    owner: str,
    ordered_by: str | None,
) -> RollbackOrder:
    if state.champion is None:
        raise RollbackRefused(f"task '{task}' has no champion, so there is nothing to roll back")
    target = _target(task, state.champion, state, to_run)
    _hold_lease(pipeline, task, owner, state.champion.run_id)
    now = iso(pipeline.now())
    order = RollbackOrder(
        to_run=target, from_run=state.champion.run_id, why=why, at=now, owner=owner, ordered_by=ordered_by
    )
    pipeline.tasks.order_rollback(task, order)
    return order


def _target(task: str, champion: Champion, state: TaskState, to_run: str | None) -> str:
    """Choose the run to return to.

    Raises
    ------
    RollbackRefused
        Nothing is kept, the run is none of those, or every one was rolled back from: to return to such a one is a
        decision of a person, who names it.
    """
    possible = [one.run_id for one in state.former]
    if to_run is not None:
        if to_run in (*possible, champion.run_id):
            return to_run
        among = ", ".join(possible) or "none"
        raise RollbackRefused(f"run {to_run} is no former champion of task '{task}'; possible are {among}")
    if not possible:
        message = f"task '{task}' has no former champion whose model is kept; run {champion.run_id} is its first"
        raise RollbackRefused(message)
    if state.previous is None:
        message = (
            f"task '{task}' is served by run {champion.run_id}, and every other champion whose model is kept was "
            f"rolled back from: {', '.join(possible)}. To serve one of them again name it with --to"
        )
        raise RollbackRefused(message)
    return state.previous.run_id


def _serves(pipeline: Pipeline, champion: Champion) -> bool:
    found = pipeline.bedrock.find_endpoint(champion.endpoint_arn, throughput=champion.on_throughput)
    return found is not None and found.status != DEAD


def _hold_lease(pipeline: Pipeline, task: str, owner: str, champion_run: str) -> None:
    now = pipeline.now()
    expires = now + timedelta(minutes=2 * pipeline.environment.settings.endpoint_deadline_minutes)
    pipeline.tasks.take_lease(task, owner, champion_run, iso(now), iso(expires))


def _end(pipeline: Pipeline, task: str, order: RollbackOrder, champion: Champion) -> Result:
    publish_champion(_stage_of(pipeline, order.to_run), champion)
    pipeline.tasks.end_rollback(task, order.owner)
    ended = {"from_run": order.from_run, "to_run": order.to_run, "endpoint_arn": champion.endpoint_arn}
    if order.gave_up:
        reason = f"{order.gave_up}; the champion of run {order.from_run} goes on serving, at {champion.endpoint_arn}"
        return {**ended, "status": ROLLBACK_FAILED, "reason": reason}
    return {**ended, "status": COMPLETED}


def _stage_of(pipeline: Pipeline, run_id: str) -> Stage:
    """Frame the run whose student comes back: its prompt, its holdout, its evaluation."""
    run = pipeline.registry.run(run_id)
    return Stage(name="RollBackChampion", pipeline=pipeline, run=run, attempt=run.attempt)


class _Rollback:
    def __init__(
        self, pipeline: Pipeline, task: str, order: RollbackOrder, serving: Champion, target: Champion
    ) -> None:
        self._pipeline, self._task, self._order, self._serving, self._target = pipeline, task, order, serving, target
        self._stage = _stage_of(pipeline, target.run_id)

    def step(self) -> Result:
        if self._order.failed is not None:
            return self._put_back()
        try:
            resource = self._endpoint()
            found = find_endpoint(self._stage, resource)
            if resource.arn == self._serving.endpoint_arn and (found is None or found.status == DEAD):
                # It ended since it was chosen, a moment ago: the next step chooses another one, as it would have now.
                return self._under_way()
            if found is None:
                raise PromotionFailed(f"endpoint {resource.name} is gone")
            if found.status == DEAD:
                raise PromotionFailed(f"endpoint {resource.name} failed: {found.failure or 'Bedrock gives no reason'}")
            if found.status != READY[resource.kind] or not self._serves_target(found, resource):
                return self._under_way()
            believe(self._stage, found.arn)
        except PipelineError as problem:
            self._note(failed=f"{type(problem).__name__}: {problem}")
            return self._under_way()
        except (RetryLater, *AWS_ERRORS) as problem:
            if not (isinstance(problem, RetryLater) or passes(problem)):
                raise
            logger.warning("a step of a rollback is left to the next call", extra={"why": in_words(problem)})
            return self._under_way()
        return self._crown(resource, found)

    def _endpoint(self) -> Resource:
        """Take the present champion's endpoint where it can serve the former one's model, else create one."""
        kind, arn = MODE_KIND[self._target.mode], self._shared_endpoint()
        if arn is not None:
            return self._stage.resource(kind, self._serving.endpoint_name, arn=arn)
        content = digest(self._target.model_arn, self._order.at, length=16)
        name = content_name(self._pipeline.environment.name, self._task, content, "rollback")
        if self._order.endpoint_name != name:
            self._note(endpoint_name=name)
        resource = self._pipeline.resources.plan(endpoint_resource(self._stage, kind, name))
        if resource.arn is None:
            if self._stage.task.serving.commitment != "none":
                message = "the former champion's throughput had a commitment, which nobody approved again"
                raise PromotionFailed(f"{message}; retry its run to ask for approval")
            made = create_endpoint(self._stage, resource, self._target.model_arn)
            self._pipeline.resources.created(resource, made)
            resource = endpoint_resource(self._stage, kind, name, arn=made)
        return resource

    def _shared_endpoint(self) -> str | None:
        same = (self._serving.mode, self._serving.base_model) == (self._target.mode, self._target.base_model)
        if same and self._order.endpoint_name is None and _serves(self._pipeline, self._serving):
            return self._serving.endpoint_arn
        return None

    def _serves_target(self, found: Found, resource: Resource) -> bool:
        """Ask Bedrock once to move a ready endpoint; notice when it went back."""
        if found.model_arn == self._target.model_arn:
            return True
        if self._order.asked:
            raise PromotionFailed(f"Bedrock did not move endpoint {found.name}: {why_not_moved(found)}")
        throughput = resource.kind == THROUGHPUT
        self._pipeline.bedrock.point_endpoint(found.arn, self._target.model_arn, throughput=throughput)
        self._note(asked=True)
        return False

    def _crown(self, resource: Resource, found: Found) -> Result:
        champion = replace(
            self._target,
            endpoint_arn=found.arn,
            endpoint_name=found.name,
            promoted_at=self._target.promoted_at if self._order.restores else iso(self._pipeline.now()),
            rolled_back_at=None,
        )
        self._pipeline.tasks.crown(
            self._task,
            self._order.owner,
            champion,
            iso(self._pipeline.now()),
            keep=self._pipeline.environment.settings.keep_champions,
            action=HISTORY_RESTORED if self._order.restores else HISTORY_ROLLED_BACK,
            why=self._order.why,
            who={"answered_by": self._order.ordered_by or ""},
        )
        for item in self._pipeline.resources.of_run(self._target.run_id):
            if item.name == resource.name:
                self._pipeline.resources.mark(item, IN_USE)
        return _end(self._pipeline, self._task, self._order, champion)

    def _put_back(self) -> Result:
        """Point the present champion's endpoint at its own model again; what was created goes by the next release.

        Where that endpoint has failed under the move, the order becomes one to serve the champion by another.
        """
        throughput = self._serving.on_throughput
        found = self._pipeline.bedrock.find_endpoint(self._serving.endpoint_arn, throughput=throughput)
        if found is not None and found.status in ("Updating", "Creating"):
            return self._under_way()
        dead = found is None or found.status == DEAD
        if dead and not self._order.restores:
            run, why = self._order.from_run, f"its endpoint failed in the rollback to run {self._order.to_run}"
            at, owner, gave_up = iso(self._pipeline.now()), self._order.owner, self._order.failed
            order = RollbackOrder(to_run=run, from_run=run, why=why, at=at, owner=owner, gave_up=gave_up)
            self._pipeline.tasks.order_rollback(self._task, order)
            return {"status": IN_PROGRESS, "from_run": run, "to_run": run}
        if not dead and found is not None and found.model_arn != self._serving.model_arn:
            self._pipeline.bedrock.point_endpoint(found.arn, self._serving.model_arn, throughput=throughput)
            return self._under_way()
        self._pipeline.tasks.end_rollback(self._task, self._order.owner)
        reason = f"{self._order.failed}; the champion of run {self._order.from_run} goes on serving"
        if dead:
            reason = (
                f"{self._order.failed}; the endpoint {self._serving.endpoint_name} of run {self._order.from_run} has "
                "failed and serves nobody: remove the cause, then order again"
            )
        return {**self._under_way(), "status": ROLLBACK_FAILED, "reason": reason}

    def _note(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the order
        self._order = replace(self._order, **changes)
        self._pipeline.tasks.order_rollback(self._task, self._order)

    def _under_way(self) -> Result:
        return {"status": IN_PROGRESS, "from_run": self._order.from_run, "to_run": self._order.to_run}
