"""Write the registry again from the reports in S3, where its table was lost."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from botocore.exceptions import ClientError

from cli.lost_registry import Rebuilt, Report, Served, kept_until, rebuild
from cli.reports import parsed_report
from cli.screen import SIMULATED
from cli.session import Session, pass_session
from lambdas.domain.serving.idle_rules import Thing
from lambdas.domain.serving.serving_policy import ServingChoice, choice_in
from lambdas.gateways.aws.bedrock import BedrockControl
from lambdas.gateways.registry.foreign_resources import ForeignResources
from lambdas.gateways.registry.inventory import Inventory
from lambdas.gateways.registry.resources import CUSTOM_MODEL, THROUGHPUT, ResourceBook
from lambdas.gateways.registry.runs import Registry
from lambdas.gateways.registry.tasks import TaskBook
from lambdas.workflow.stage import iso, utc_now

if TYPE_CHECKING:
    from cli.deployment import Deployment

_REPORT = re.compile(r"runs/(?P<task>[^/]+)/(?P<run>[^/]+)/attempts/(?P<attempt>\d+)/report/report\.json")


@click.command(name="rebuild-registry")
@click.option("--write", is_flag=True, help="Write what is missing; without it nothing is changed.")
@pass_session
def rebuild_registry(session: Session, write: bool) -> None:
    """Write runs and champions again from the reports in S3, where the registry's table was lost.

    What the table has is never changed. An endpoint becomes a champion's only where Bedrock has it, under this
    environment's tags, serving the model of a promoted run. A run that was in progress becomes FAILED: retry it.
    """
    rebuilt = rebuilt_registry(session.deployment)
    written = write_missing(session.deployment, rebuilt) if write else None
    document = {
        "written": written,
        "runs": [{"run_id": run.run_id, "outcome": run.outcome} for run in rebuilt.runs],
        "champions": {task: champion.to_document() for task, champion in rebuilt.champions.items()},
        "former": {task: [one.run_id for one in some] for task, some in rebuilt.former.items() if some},
        "resources": [item.to_document() for item in rebuilt.resources],
        "doubts": rebuilt.doubts,
    }
    session.show(document, *_lines(session, rebuilt, written))


def rebuilt_registry(deployment: Deployment) -> Rebuilt:
    """Read the reports, ask Bedrock what there is, and work out what belongs into the table."""
    settings, bedrock = deployment.settings, deployment.client("bedrock")
    inventory = Inventory(
        bedrock, deployment.environment, settings.price_book(), settings.student_model, ForeignResources(utc_now)
    )
    things = list(inventory.things())
    return rebuild(
        _newest(deployment),
        _served(BedrockControl(bedrock), things),
        [thing for thing in things if thing.kind == CUSTOM_MODEL],
        pointers=_pointers(deployment),
        keep_champions=settings.keep_champions,
        keep_models_until=kept_until(utc_now(), settings.keep_unused_models_days),
    )


def _newest(deployment: Deployment) -> Iterator[Report]:
    """Read the report of each run's last attempt."""
    attempts: dict[tuple[str, str], int] = {}
    for key in deployment.runs.keys("runs/"):
        found = _REPORT.fullmatch(key)
        if found:
            of = found["task"], found["run"]
            attempts[of] = max(attempts.get(of, 0), int(found["attempt"]))
    for (task, run), attempt in attempts.items():
        folder = f"runs/{task}/{run}/attempts/{attempt}/report"
        text = deployment.runs.read(f"{folder}/report.json")
        yield Report(
            document=parsed_report(text, run),
            page_key=f"{folder}/report.html",
            sha256=hashlib.sha256(text).hexdigest(),
            written_at=iso(utc_now()),
        )


def _served(bedrock: BedrockControl, things: list[Thing]) -> Iterator[Served]:
    for thing in things:
        if thing.kind == CUSTOM_MODEL:
            continue
        found = bedrock.find_endpoint(thing.arn, throughput=thing.kind == THROUGHPUT)
        if found and found.model_arn:
            yield Served(thing=thing, model_arn=found.model_arn)


def _pointers(deployment: Deployment) -> dict[str, str]:
    """Read which run callers are led to, task by task."""
    root = f"/distillation/{deployment.environment}/"
    pages = deployment.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=root, Recursive=True)
    found: dict[str, str] = {}
    for page in pages:
        for parameter in page["Parameters"]:
            task, _, name = parameter["Name"].removeprefix(root).partition("/")
            if name == "champion":
                found[task] = str(json.loads(parameter["Value"]).get("run_id"))
    return found


def write_missing(deployment: Deployment, rebuilt: Rebuilt) -> dict[str, int]:
    """Write what is missing: resources first, so that a run that can be retried is never without them."""
    registry, tasks = Registry(deployment.table), TaskBook(deployment.table)
    resources, now = ResourceBook(deployment.table), iso(utc_now())
    for resource in rebuilt.resources:
        resources.plan(resource)
    chosen = {task: _chosen(deployment, task, champion.run_id) for task, champion in rebuilt.champions.items()}
    champions = sum(
        tasks.restore(task, champion, rebuilt.former.get(task, []), now, chosen[task])
        for task, champion in rebuilt.champions.items()
    )
    missing = [run for run in rebuilt.runs if registry.find(run.run_id) is None]
    for run in missing:
        for entry in rebuilt.ledger.get(run.run_id, []):  # a run that is known has its own lines
            registry.record_cost(run.run_id, entry)
        registry.restore(run)
    return {"runs": len(missing), "champions": champions}


def _chosen(deployment: Deployment, task: str, run_id: str) -> ServingChoice | None:
    """Read from the policy what a person decided of who answers callers, where it was for this champion."""
    try:
        name = f"/distillation/{deployment.environment}/{task}/policy"
        found = json.loads(deployment.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    except (ClientError, ValueError):  # nothing was decided that could be known
        return None
    choice = choice_in(found) if isinstance(found, dict) else None
    return choice if choice and choice.for_run == run_id else None


def _lines(session: Session, rebuilt: Rebuilt, written: dict[str, int] | None) -> list[str]:
    outcomes: dict[str, int] = {}
    for run in rebuilt.runs:
        outcomes[str(run.outcome)] = outcomes.get(str(run.outcome), 0) + 1
    counted = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
    lines = [f"{len(rebuilt.runs)} runs in the reports{f' ({counted})' if counted else ''}"]
    lines += [f"Champion of {task}: run {one.run_id} at {one.endpoint_arn}" for task, one in rebuilt.champions.items()]
    lines += [f"In doubt: {doubt}." for doubt in rebuilt.doubts]
    lines.append(_last(session, rebuilt, written))
    return lines + ([SIMULATED] if session.deployment.local else [])


def _last(session: Session, rebuilt: Rebuilt, written: dict[str, Any] | None) -> str:
    if written is not None:
        return f"Written, because they were missing: {written['runs']} runs, {written['champions']} champions."
    registry, tasks = Registry(session.deployment.table), TaskBook(session.deployment.table)
    runs = sum(registry.find(run.run_id) is None for run in rebuilt.runs)
    champions = sum(tasks.state(task).champion is None for task in rebuilt.champions)
    if not runs and not champions:
        return "The registry lacks nothing of this: there is nothing to write."
    missing = f"The registry lacks {runs} runs and {champions} champions; nothing was written."
    return f"{missing} Write them: {session.command} rebuild-registry --write"
