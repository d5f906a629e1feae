"""Look at everything that exists and at every champion, judge it, and do what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lambdas.domain.errors import PipelineError, RetryLater
from lambdas.domain.serving.idle_rules import (
    END_OF_LIFE,
    REVIEW_DUE,
    ROUTING_OFF,
    UNUSED,
    Finding,
    Thing,
    Use,
    judge_thing,
    may_act,
    review_due,
    usd_per_hour,
)
from lambdas.domain.serving.live_share import counted_since, leaves_bounds
from lambdas.domain.serving.serving_policy import BY_CASCADE
from lambdas.domain.task.model_choice import ModelFacts
from lambdas.gateways.aws.caller_metrics import read_live
from lambdas.gateways.aws.service_errors import AWS_ERRORS, in_words, passes
from lambdas.gateways.registry.champions import Champion, TaskState
from lambdas.gateways.registry.resources import (
    CREATED,
    CUSTOM_MODEL,
    DEPLOYMENT,
    ENDPOINTS,
    JOBS,
    KEPT,
    PLANNED,
    THROUGHPUT,
    Resource,
)
from lambdas.gateways.registry.runs import ENDED
from lambdas.operations.reap_idle_throughput.move_on_demand import MOVED, move_on_demand
from lambdas.operations.reap_idle_throughput.outside_changes import OutsideChanges
from lambdas.workflow.model_catalog import lifecycle_facts
from lambdas.workflow.serving.deleter import Deleter
from lambdas.workflow.serving.pointer import read_pointer
from lambdas.workflow.stage import Pipeline, Result, iso, logger

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

    from lambdas.gateways.aws.endpoint_metrics import Usage
    from lambdas.gateways.registry.inventory import Inventory

RELEASE_DECIDES_FOR = timedelta(hours=1)
"""So long after its run's end, ReleaseResources alone decides about a model that the registry holds open.

The schedule repeats it every five minutes: it may still wait for the model's job, which is being stopped, and it keeps
what was trained and paid for a retry. An endpoint is never kept, so it is deleted by whoever comes first.
"""


class Reaper:
    """One look at an environment.

    Parameters
    ----------
    pipeline : Pipeline
    inventory : Inventory
    usage : Usage
    bedrock : Bedrock client
        Tells when a base model's life ends.
    runtime : callable
        Makes the bedrock-runtime client, which only a champion that moves on demand needs.
        Tries a deployment before a champion is moved to it.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        inventory: Inventory,
        usage: Usage,
        bedrock: BedrockClient,
        runtime: Callable[[], BedrockRuntimeClient],
    ) -> None:
        self._pipeline, self._inventory, self._usage = pipeline, inventory, usage
        self._bedrock, self._runtime = bedrock, runtime
        self._settings = pipeline.environment.settings

    def reap(self, reap: str, *, look_only: bool = False) -> Result:
        """Judge everything and act.

        Parameters
        ----------
        reap : {"report", "delete_unused", "delete_idle"}
            What may be done about what idles.
        look_only : bool
            Nothing is done, not even about a champion whose review is due.

        Returns
        -------
        dict
            ``findings`` and what they still bill, ``usd_per_hour``.
        """
        # Bedrock first: who is crowned after it was listed is seen as a champion then, and not taken for a leftover.
        things = [*self._inventory.jobs(), *self._inventory.things()]
        tasks = {task: self._pipeline.tasks.state(task) for task in self._pipeline.tasks.all_tasks()}
        due = list(self._due(things, tasks))
        # Who is due for review is not found twice for being idle besides.
        findings = [*(item for item in self._idle(things, tasks) if item.arn not in {one.arn for one in due}), *due]
        if not look_only:
            findings = [self._tried(finding, tasks, reap) for finding in findings]
        changes = OutsideChanges(self._pipeline, things)
        findings += [finding for task in tasks for finding in changes.find(task, mend=not look_only)]
        findings += self._aging(tasks)
        findings += self._routing(tasks)
        return {
            "findings": [finding.to_document() for finding in findings],
            "usd_per_hour": round(usd_per_hour(findings), 4),
            "reap": reap,
        }

    # Finding

    def _routing(self, tasks: dict[str, TaskState]) -> Iterator[Finding]:
        """Hold what callers met in the last day against what was foreseen when their routing was adopted."""
        now = self._pipeline.now()
        for task, state in tasks.items():
            champion, choice = state.champion, state.choice
            if not champion or not choice or (choice.mode, choice.for_run) != (BY_CASCADE, champion.run_id):
                continue
            since = counted_since(now, choice.at)
            live = read_live(self._usage.client, self._pipeline.environment.name, task, since, now)
            said = leaves_bounds(choice.expected, live)
            if said is not None:
                yield Finding(
                    reason=ROUTING_OFF,
                    kind=THROUGHPUT if champion.on_throughput else DEPLOYMENT,
                    name=champion.endpoint_name,
                    arn=champion.endpoint_arn,
                    task=task,
                    run_id=champion.run_id,
                    usd_per_hour=None,
                    explanation=f"task {task}: {said}; 'python -m cli route {task} --status' has the reasons",
                    deletable=False,
                )

    def _idle(self, things: list[Thing], tasks: dict[str, TaskState]) -> list[Finding]:
        now, hours = self._pipeline.now(), self._settings.idle_hours
        callable_arns = [thing.arn for thing in things if thing.kind in ENDPOINTS]
        calls = self._usage.invocations(callable_arns, now, hours)
        written_down = list(self._pipeline.resources.open())
        judged = (
            judge_thing(
                _priced(thing, written_down), self._use(thing, tasks, written_down, calls), now=now, idle_hours=hours
            )
            for thing in things
        )
        return [finding for finding in judged if finding is not None]

    def _use(
        self, thing: Thing, tasks: dict[str, TaskState], written_down: list[Resource], calls: dict[str, float]
    ) -> Use:
        now = self._pipeline.now()
        # Whoever serves with it has it, whatever its own tag says of the task: a tag may have been lost.
        served = (one for one in tasks.values() if one.champion and thing.arn == one.champion.endpoint_arn)
        task = next(served, None) or tasks.get(thing.task or "", TaskState())
        serving = task.champion is not None and thing.arn == task.champion.endpoint_arn
        # Another run may have adopted what this one made: the registry, not the tag alone, knows all of them.
        namesakes = [item for item in written_down if _is_about(item, thing)]
        runs = {thing.run_id} | {item.run_id for item in namesakes}
        kept = any(item.kind == thing.kind and _is_kept(item, now) for item in namesakes)
        under_way = any(self._is_under_way(run_id) for run_id in runs if run_id)
        return Use(
            by_champion=serving,
            by_run=under_way or bool(self._in_release(thing, namesakes)),
            kept=kept or any(one.uses(thing.arn, now, name=thing.name) for one in tasks.values()),
            invocations=calls.get(thing.arn),
            champion_run=task.champion.run_id if task.champion else None,
        )

    def _is_under_way(self, run_id: str) -> bool:
        run = self._pipeline.registry.find(run_id)
        return run is not None and run.state != ENDED

    def _in_release(self, thing: Thing | Finding, namesakes: list[Resource]) -> list[str]:
        """Name the runs that have just ended and whose release has not decided about a model yet."""
        if thing.kind != CUSTOM_MODEL:
            return []
        since = iso(self._pipeline.now() - RELEASE_DECIDES_FOR)
        undecided = {item.run_id for item in namesakes if item.state in (PLANNED, CREATED)}
        runs = (self._pipeline.registry.find(run_id) for run_id in sorted(undecided))
        return [run.run_id for run in runs if run is not None and str(run.ended_at or "") > since]

    def _due(self, things: list[Thing], tasks: dict[str, TaskState]) -> Iterator[Finding]:
        now = self._pipeline.now()
        bound = {thing.arn for thing in things if thing.committed_until and thing.committed_until > now}
        days = self._settings.review_after_days
        for name, task in tasks.items():
            champion = task.champion
            if champion is None or not champion.on_throughput:
                continue
            if task.moving_to or review_due(champion.promoted_at, champion.confirmed_at, now, days):
                since = champion.confirmed_at or champion.promoted_at
                text = (
                    f"nobody has confirmed the champion of task {name} since {since[:10]} ('review_after_days' {days})"
                )
                finding = self._about_champion(REVIEW_DUE, name, champion, text)
                yield replace(finding, deletable=champion.endpoint_arn not in bound)

    def _aging(self, tasks: dict[str, TaskState]) -> Iterator[Finding]:
        now = self._pipeline.now()
        soon = now + timedelta(days=self._settings.end_of_life_notice_days)
        lives: dict[str, ModelFacts | None] = {}
        for name, task in tasks.items():
            if task.champion is None:
                continue
            base = task.champion.base_model
            if base not in lives:
                lives[base] = self._life(base)
            life = lives[base]
            if life is None:
                continue
            # A Legacy phase may last 45 days only (Bedrock's lifecycle policy of 2026-09): that is told at once.
            if life.lifecycle != "ACTIVE" or (life.end_of_life is not None and life.end_of_life <= soon):
                said = f"task {name}: its base model {base} {life.aging(now)}"
                if life.lifecycle != "ACTIVE":
                    said += "; Bedrock starts no new training and sells no new throughput of it"
                text = f"{said}; distil on its successor before"
                yield self._about_champion(END_OF_LIFE, name, task.champion, text)

    def _life(self, model: str) -> ModelFacts | None:
        try:
            details = self._bedrock.get_foundation_model(modelIdentifier=model)["modelDetails"]
        except AWS_ERRORS:
            logger.exception("the lifecycle of a base model could not be read")
            return None
        return ModelFacts(model=model, **lifecycle_facts(dict(details)))

    def _about_champion(self, reason: str, task: str, champion: Champion, explanation: str) -> Finding:
        # The run that made the endpoint may be an earlier one than the champion's.
        known = (item.usd_per_hour for item in self._pipeline.resources.open() if item.arn == champion.endpoint_arn)
        price = next(known, None)
        return Finding(
            reason=reason,
            kind=THROUGHPUT if champion.on_throughput else DEPLOYMENT,
            name=champion.endpoint_name,
            arn=champion.endpoint_arn,
            task=task,
            run_id=champion.run_id,
            usd_per_hour=price,
            explanation=explanation,
            deletable=True,
        )

    # Acting

    def _tried(self, finding: Finding, tasks: dict[str, TaskState], reap: str) -> Finding:
        """Deal with one finding; where a service refuses or does not answer, the others must not wait for it."""
        try:
            return self._dealt_with(finding, tasks, reap)
        except AWS_ERRORS as problem:
            if not passes(problem):
                logger.exception("one finding could not be dealt with", extra={"arn": finding.arn})
            return replace(finding, explanation=f"{finding.explanation}; left to the next look: {in_words(problem)}")

    def _dealt_with(self, finding: Finding, tasks: dict[str, TaskState], reap: str) -> Finding:
        if not may_act(finding, reap):
            return finding
        if finding.reason == UNUSED:
            return self._deleted(finding)
        task = tasks.get(finding.task or "")
        champion = task.champion if task else None
        if champion is None or not champion.on_throughput:
            return finding  # a deployment bills by the token: idle, it costs nothing
        return self._moved(finding, champion)

    def _deleted(self, finding: Finding) -> Finding:
        if needed := self._needed_now(finding):
            return replace(finding, explanation=f"{finding.explanation}; it stays: {needed}", deletable=False)
        resources, now = self._pipeline.resources, iso(self._pipeline.now())
        deleter = Deleter(
            self._pipeline.bedrock,
            self._pipeline.environment.name,
            deleted_model=lambda name: resources.note_deleted_model(name, now),
        )
        gone = deleter.delete(finding)
        if deleter.left_alone:
            return replace(finding, explanation=f"{finding.explanation}; it stays: its tags changed", deletable=False)
        if not gone:
            why = "it is being stopped" if finding.kind in JOBS else "the service refuses to delete it for now"
            return replace(finding, explanation=f"{finding.explanation}; {why}")
        for item in list(self._pipeline.resources.open()):
            if item.kind == finding.kind and _is_about(item, finding):
                self._pipeline.resources.released(item, iso(self._pipeline.now()))
        return replace(finding, done="stopped" if finding.kind in JOBS else "deleted")

    def _needed_now(self, finding: Finding) -> str:
        """Read registry and pointer again at the last moment: the list that was judged is minutes old.

        Returns
        -------
        str
            Who needs it; empty where nobody does.
        """
        now, task = self._pipeline.now(), finding.task or ""
        for known in {task, *self._pipeline.tasks.all_tasks()}:
            if self._pipeline.tasks.state(known).uses(finding.arn, now, name=finding.name):
                return f"the registry says that task {known} uses it"
        namesakes = [item for item in self._pipeline.resources.open() if _is_about(item, finding)]
        if any(item.kind == finding.kind and _is_kept(item, now) for item in namesakes):
            return "it is kept for a retry"
        runs = {finding.run_id, *(item.run_id for item in namesakes)}
        if at_work := sorted(run_id for run_id in runs if run_id and self._is_under_way(run_id)):
            return f"run {at_work[0]} has not ended"
        if in_release := self._in_release(finding, namesakes):
            return f"run {in_release[0]} has just ended, and its release decides about it"
        pointer = read_pointer(self._pipeline, task) if task else None
        if pointer and finding.arn in (pointer.get("endpoint_arn"), pointer.get("model_arn")):
            return (
                f"callers of task {task} are led to it, and the registry knows no champion there. Bring the registry "
                "in order first ('python -m cli rebuild-registry'), or delete the pointer"
            )
        return ""

    def _moved(self, finding: Finding, champion: Champion) -> Finding:
        try:
            status = move_on_demand(self._pipeline, self._runtime(), str(finding.task), champion, finding.explanation)
        except (PipelineError, RetryLater) as problem:
            return replace(finding, explanation=f"{finding.explanation}; it could not be moved: {problem}")
        done = "moved to an on-demand deployment" if status == MOVED else ""
        note = "" if done else "; it is being moved to an on-demand deployment"
        return replace(finding, done=done, explanation=f"{finding.explanation}{note}")


def _is_about(item: Resource, thing: Thing | Finding) -> bool:
    """Tell whether an entry of the registry is about a thing: by its ARN, for a person may have renamed it."""
    return thing.arn == item.arn or item.name == thing.name


def _is_kept(item: Resource, now: datetime) -> bool:
    return item.state == KEPT and str(item.keep_until) > iso(now)


def _priced(thing: Thing, written_down: list[Resource]) -> Thing:
    """Add the price of an hour that only the registry knows: no price book has it, a person stated it once."""
    if thing.usd_per_hour is not None:
        return thing
    known = (item.usd_per_hour for item in written_down if item.kind == thing.kind and _is_about(item, thing))
    return replace(thing, usd_per_hour=next(known, None))
