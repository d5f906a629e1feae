"""Delete what runs made in Bedrock, before the stacks go: CloudFormation knows nothing of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cli.errors import CHECK_FAILED, CliError
from cli.screen import SIMULATED
from cli.session import Session, pass_session, yes_option
from lambdas.domain.identity import execution_name
from lambdas.domain.serving.idle_rules import Thing
from lambdas.gateways.aws.bedrock import BedrockControl
from lambdas.gateways.registry.foreign_resources import ForeignResources
from lambdas.gateways.registry.intake import Intake
from lambdas.gateways.registry.inventory import Inventory
from lambdas.gateways.registry.resources import BATCH_JOB, CUSTOM_MODEL, CUSTOMIZATION_JOB, Resource, ResourceBook
from lambdas.gateways.registry.runs import QUEUED, RUNNING, Run
from lambdas.gateways.registry.tasks import TaskBook
from lambdas.workflow.serving.deleter import Deleter
from lambdas.workflow.stage import iso, utc_now

if TYPE_CHECKING:
    from cli.deployment import Deployment

PATIENCE_SECONDS, PAUSE_SECONDS = 1_800.0, 10.0
"""How long a deletion is tried: what is being created must be ready before it can be deleted."""

_ORDER = {CUSTOMIZATION_JOB: -1, BATCH_JOB: -1, CUSTOM_MODEL: 1}
"""Jobs first, so that nothing new is made; endpoints before the models that they hold."""


@click.command()
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
@click.option("--reopen", is_flag=True, help="Take runs again after a teardown whose stacks were not destroyed.")
@yes_option
@pass_session
def teardown(session: Session, dry_run: bool, reopen: bool, yes: bool) -> None:
    """Delete every Bedrock resource of this environment: stop runs and jobs, delete endpoints, models, pointers.

    'cdk destroy' cannot: runs made them. First the intake is closed, so that nothing new begins meanwhile: uploads wait
    until the environment is deployed again. What a commitment binds stays and is named; then the exit code is 1.
    """
    deployment = session.deployment
    intake = Intake(deployment.table)
    if reopen:
        intake.open_again()
        session.show({"open": True}, f"Environment {deployment.environment} takes runs again; what waited starts soon.")
        return
    demolition = _Demolition(deployment, say=session.aside.say)
    plan = demolition.plan()
    if session.as_json and dry_run:
        session.show(plan.to_document())
        return
    if not session.as_json:
        for line in plan.lines():
            session.screen.say(line)
        if deployment.local:
            session.screen.say(SIMULATED)
    if dry_run:
        return
    if not yes:
        _ask(deployment.environment)
    intake.close(deployment.output("pipeline", "StateMachineArn"), iso(utc_now()))
    left = demolition.carry_out()
    _say_end(session, plan, left)


def _ask(environment: str) -> None:
    text = f"Write the environment's name to delete all of this ({environment})"
    if click.prompt(text, err=True, default="", show_default=False) != environment:
        raise CliError("Nothing was deleted.", CHECK_FAILED)


@dataclass(frozen=True)
class _Plan:
    """What there is to stop and to delete, as a person sees it before the answer."""

    runs: list[Run]
    executions: list[str]
    things: list[Thing]
    pointers: list[str]

    def is_empty(self) -> bool:
        return not (self.runs or self.executions or self.things or self.pointers)

    def to_document(self) -> dict[str, Any]:
        return {
            "runs": [run.run_id for run in self.runs],
            "executions": self.executions,
            "resources": [_document(thing) for thing in self.things],
            "pointers": self.pointers,
        }

    def lines(self) -> list[str]:
        lines = [f"Stop   run {run.run_id} ({run.state})" for run in self.runs]
        lines += [f"Stop   execution {arn.rsplit(':', 1)[-1]}" for arn in self.executions]
        lines += [_line(thing) for thing in self.things]
        lines += [f"Delete pointer {name}" for name in self.pointers]
        return lines or ["There is nothing of this environment in Bedrock."]


class _Demolition:
    """Stops and deletes until nothing is left, then looks once more: what was seen before the answer is old by then.

    Parameters
    ----------
    deployment : Deployment
    say : callable
        Told what is done.
    """

    def __init__(self, deployment: Deployment, *, say: Callable[[str], None]) -> None:
        settings = deployment.settings
        self._deployment, self._say = deployment, say
        self._tasks, self._resources = TaskBook(deployment.table), ResourceBook(deployment.table)
        self._deleter = Deleter(
            BedrockControl(deployment.client("bedrock")),
            deployment.environment,
            deleted_model=lambda name: self._resources.note_deleted_model(name, iso(utc_now())),
        )
        self._inventory = Inventory(
            deployment.client("bedrock"),
            deployment.environment,
            settings.price_book(),
            settings.student_model,
            ForeignResources(utc_now),
        )

    def plan(self) -> _Plan:
        """Look at everything that is there now."""
        runs = [run for state in (QUEUED, RUNNING) for run in self._deployment.registry.in_state(state)]
        known = {execution_name(run.run_id, run.attempt) for run in runs}
        executions = [arn for arn in self._running_executions() if arn.rpartition(":")[2] not in known]
        found = [*self._inventory.jobs(), *self._inventory.things()]
        things = sorted(found, key=lambda thing: (_ORDER.get(thing.kind, 0), thing.name))
        return _Plan(runs, executions, things, self._pointers())

    def carry_out(self) -> list[Thing | Resource]:
        """Stop and delete; what runs made meanwhile is found too.

        Returns
        -------
        list
            What is still there: bound by a commitment, refused until the patience was over, or planned by a Lambda that
            may still create it.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        stopped: set[str] = set()
        while True:
            plan = self.plan()
            self._stop(plan, stopped)
            bound = [thing for thing in plan.things if thing.committed_until and thing.committed_until > utc_now()]
            self._tear_down_tasks({thing.arn for thing in bound})
            pending = [thing for thing in plan.things if thing not in bound and not self._deleted(thing)]
            if not pending and not bound:
                for name in plan.pointers:
                    self._deployment.client("ssm").delete_parameter(Name=name)
            late = self._late()
            done = not (pending or plan.runs or plan.executions) and (bound or plan.is_empty())
            if done or time.monotonic() > deadline:
                return [*bound, *pending, *late]
            time.sleep(0.5 if self._deployment.local else PAUSE_SECONDS)

    def _stop(self, plan: _Plan, stopped: set[str]) -> None:
        fresh = [run for run in plan.runs if execution_name(run.run_id, run.attempt) not in stopped]
        for run in fresh:
            self._reconcile({"stop": run.run_id, "why": "teardown"})
            stopped.add(execution_name(run.run_id, run.attempt))
            self._say(f"stopped run {run.run_id}")
        if plan.runs and not fresh:
            self._reconcile({})  # should neither the event of its end nor the schedule come
        for arn in plan.executions:
            self._deployment.client("stepfunctions").stop_execution(executionArn=arn, cause="teardown")

    def _reconcile(self, payload: dict[str, Any]) -> None:
        """Let the pipeline's own function do it; what it refuses is looked at again in the next round."""
        try:
            self._deployment.invoke("ReconcileFunction", payload)
        except CliError as problem:
            self._say(problem.message)

    def _tear_down_tasks(self, bound: set[str]) -> None:
        """Write down that nothing serves a task any more, except where a commitment keeps its endpoint."""
        for task in list(self._tasks.all_tasks()):
            champion = self._tasks.state(task).champion
            if champion is not None and champion.endpoint_arn not in bound:
                self._tasks.tear_down(task, iso(utc_now()))

    def _deleted(self, thing: Thing) -> bool:
        gone = self._deleter.delete(thing)
        done = "stopped" if _ORDER.get(thing.kind) == _ORDER[BATCH_JOB] else "deleted"
        self._say(f"{done if gone else 'waiting for'} {thing.kind} {thing.name}")
        return gone

    def _late(self) -> list[Resource]:
        """List what a Lambda that outlives its execution may still create; it can plan nothing new."""
        planned = ((item, item.may_still_come_until()) for item in self._resources.open())
        return [item for item, until in planned if until is not None and until > utc_now()]

    def _running_executions(self) -> list[str]:
        machine = self._deployment.output("pipeline", "StateMachineArn")
        pages = self._deployment.client("stepfunctions").get_paginator("list_executions")
        found = pages.paginate(stateMachineArn=machine, statusFilter="RUNNING")
        return [execution["executionArn"] for page in found for execution in page["executions"]]

    def _pointers(self) -> list[str]:
        pages = self._deployment.client("ssm").get_paginator("get_parameters_by_path")
        found = pages.paginate(Path=f"/distillation/{self._deployment.environment}/", Recursive=True)
        return [parameter["Name"] for page in found for parameter in page["Parameters"]]


def _document(thing: Thing) -> dict[str, Any]:
    until = iso(thing.committed_until) if thing.committed_until else None
    fields = {"kind": thing.kind, "name": thing.name, "arn": thing.arn, "task": thing.task}
    return {**fields, "usd_per_hour": thing.usd_per_hour, "committed_until": until}


def _line(thing: Thing) -> str:
    price = "" if thing.usd_per_hour is None else f" (${thing.usd_per_hour:,.4f}/h)"
    if thing.committed_until and thing.committed_until > utc_now():
        return f"Keep   {thing.kind} {thing.name}{price}: committed until {thing.committed_until:%Y-%m-%d}"
    verb = "Stop  " if _ORDER.get(thing.kind) == _ORDER[BATCH_JOB] else "Delete"
    return f"{verb} {thing.kind} {thing.name}{price}"


def _say_end(session: Session, plan: _Plan, left: list[Thing | Resource]) -> None:
    environment = session.deployment.environment
    names = ", ".join(_named(thing) for thing in left)
    document = {**plan.to_document(), "left": [{"kind": thing.kind, "name": thing.name} for thing in left]}
    if left:
        session.show(document, f"Still there: {names}. Call it again then; a commitment ends only at its date.")
        raise click.exceptions.Exit(CHECK_FAILED)
    deployment = session.deployment
    asked = deployment.settings.discovery is not None
    stacks = " ".join(map(deployment.stack_name, (*(("discovery",) if asked else ()), "operations", "pipeline")))
    forgotten = not asked and deployment.has_stack("discovery")
    session.show(
        document,
        f"Nothing of environment {environment} bills in Bedrock any more. Now the stacks: cdk destroy {stacks}",
        *([f"And one that the settings do not name any more: {deployment.how_to_delete('discovery')}"] * forgotten),
        f"distillation-{environment}-data is retained and protected: it has every report and ledger. Deploying again "
        f"opens the environment; without destroying the stacks, '{session.command} teardown --reopen' does.",
    )


def _named(thing: Thing | Resource) -> str:
    name = f"{thing.kind} {thing.name}"
    if isinstance(thing, Resource):
        return f"{name} (a Lambda may still create it until {thing.may_still_come_until():%H:%M:%S} UTC)"
    bound = thing.committed_until and thing.committed_until > utc_now()
    return f"{name} (committed until {thing.committed_until:%Y-%m-%d})" if bound else name
