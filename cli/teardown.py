"""Delete what runs made in Bedrock, before the stacks go: CloudFormation knows nothing of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cli.errors import CHECK_FAILED, CliError
from cli.screen import SIMULATED
from cli.session import Session, pass_session, yes_option
from lambdas.domain.serving.idle_rules import Thing
from lambdas.gateways.aws.bedrock import BedrockControl
from lambdas.gateways.registry.inventory import Inventory
from lambdas.gateways.registry.resources import BATCH_JOB, CUSTOM_MODEL, CUSTOMIZATION_JOB
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
@yes_option
@pass_session
def teardown(session: Session, dry_run: bool, yes: bool) -> None:
    """Delete every Bedrock resource of this environment: stop runs and jobs, delete endpoints, models, pointers.

    'cdk destroy' cannot: runs made them. What a commitment binds stays and is named; then the exit code is 1.
    """
    deployment = session.deployment
    settings = deployment.settings
    inventory = Inventory(
        deployment.client("bedrock"), deployment.environment, settings.price_book(), settings.student_model
    )
    things = _things(inventory)
    executions = _running_executions(deployment)
    pointers = _pointers(deployment)
    plan = {
        "executions": executions,
        "resources": [_document(thing) for thing in things],
        "pointers": pointers,
    }
    if session.as_json and dry_run:
        session.show(plan)
        return
    if not session.as_json:
        for line in _plan_lines(things, executions, pointers):
            session.screen.print(line, soft_wrap=True)
        if deployment.local:
            session.screen.print(SIMULATED)
    if dry_run:
        return
    if not yes:
        _ask(deployment.environment)
    for arn in executions:
        deployment.client("stepfunctions").stop_execution(executionArn=arn, cause="teardown")
    left = _delete(deployment, inventory, say=lambda text: click.echo(text, err=True))
    if pointers and not left:
        for name in pointers:
            deployment.client("ssm").delete_parameter(Name=name)
    _say_end(session, plan, left)


def _ask(environment: str) -> None:
    text = f"Write the environment's name to delete all of this ({environment})"
    if click.prompt(text, err=True, default="", show_default=False) != environment:
        raise CliError("Nothing was deleted.", CHECK_FAILED)


def _things(inventory: Inventory) -> list[Thing]:
    found = [*inventory.jobs(), *inventory.things()]
    return sorted(found, key=lambda thing: (_ORDER.get(thing.kind, 0), thing.name))


def _delete(deployment: Deployment, inventory: Inventory, *, say: Callable[[str], None]) -> list[Thing]:
    """Delete until nothing is left but what a commitment binds; what runs made meanwhile is found too."""
    deleter = Deleter(BedrockControl(deployment.client("bedrock")), deployment.environment)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        now = utc_now()
        things = _things(inventory)
        bound = [thing for thing in things if thing.committed_until and thing.committed_until > now]
        pending = [thing for thing in things if thing not in bound and not _deleted(deleter, thing, say)]
        if not pending or time.monotonic() > deadline:
            return [*bound, *pending]
        time.sleep(0.5 if deployment.local else PAUSE_SECONDS)


def _deleted(deleter: Deleter, thing: Thing, say: Callable[[str], None]) -> bool:
    gone = deleter.delete(thing)
    done = "stopped" if _ORDER.get(thing.kind) == _ORDER[BATCH_JOB] else "deleted"
    say(f"{done if gone else 'waiting for'} {thing.kind} {thing.name}")
    return gone


def _running_executions(deployment: Deployment) -> list[str]:
    machine = deployment.output("pipeline", "StateMachineArn")
    pages = deployment.client("stepfunctions").get_paginator("list_executions")
    found = pages.paginate(stateMachineArn=machine, statusFilter="RUNNING")
    return [execution["executionArn"] for page in found for execution in page["executions"]]


def _pointers(deployment: Deployment) -> list[str]:
    pages = deployment.client("ssm").get_paginator("get_parameters_by_path")
    found = pages.paginate(Path=f"/distillation/{deployment.environment}/", Recursive=True)
    return [parameter["Name"] for page in found for parameter in page["Parameters"]]


def _document(thing: Thing) -> dict[str, Any]:
    until = iso(thing.committed_until) if thing.committed_until else None
    fields = {"kind": thing.kind, "name": thing.name, "arn": thing.arn, "task": thing.task}
    return {**fields, "usd_per_hour": thing.usd_per_hour, "committed_until": until}


def _plan_lines(things: list[Thing], executions: list[str], pointers: list[str]) -> list[str]:
    lines = [f"Stop   execution {arn.rsplit(':', 1)[-1]}" for arn in executions]
    for thing in things:
        price = "" if thing.usd_per_hour is None else f" (${thing.usd_per_hour:,.4f}/h)"
        if thing.committed_until and thing.committed_until > utc_now():
            lines.append(f"Keep   {thing.kind} {thing.name}{price}: committed until {thing.committed_until:%Y-%m-%d}")
        else:
            verb = "Stop  " if _ORDER.get(thing.kind) == _ORDER[BATCH_JOB] else "Delete"
            lines.append(f"{verb} {thing.kind} {thing.name}{price}")
    lines += [f"Delete pointer {name}" for name in pointers]
    return lines or ["There is nothing of this environment in Bedrock."]


def _say_end(session: Session, plan: dict[str, Any], left: list[Thing]) -> None:
    environment = session.deployment.environment
    document = {**plan, "left": [_document(thing) for thing in left]}
    names = ", ".join(f"{thing.kind} {thing.name}" for thing in left)
    if left:
        session.show(document, f"Still there: {names}. Try again later; a commitment ends by itself only at its date.")
        raise click.exceptions.Exit(CHECK_FAILED)
    stacks = f"distillation-{environment}-operations distillation-{environment}-pipeline"
    session.show(
        document,
        f"Nothing of environment {environment} bills in Bedrock any more. Now the stacks: cdk destroy {stacks}",
        f"distillation-{environment}-data is retained and protected: it has every report and ledger.",
    )
