"""Verbs about what serves: who is champion, what bills for nobody, and who shall go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cli.ceilings import champion_beyond
from cli.errors import CHECK_FAILED, CliError
from cli.fitting_table import TableColumn, print_table
from cli.identity_proof import signed_proof
from cli.screen import SIMULATED
from cli.serving_now import MISSING, ServingNow, look
from cli.session import Session, pass_session, why_option
from lambdas.domain.identity import task_slug
from lambdas.domain.report.figures import moment
from lambdas.domain.serving.idle_rules import DELETE_IDLE, DELETE_UNUSED, REPORT
from lambdas.domain.text.plain_text import one_line
from lambdas.gateways.aws.service_errors import AWS_ERRORS, in_words
from lambdas.gateways.registry.champions import Champion, TaskState
from lambdas.gateways.registry.resources import ResourceBook
from lambdas.gateways.registry.tasks import TaskBook

if TYPE_CHECKING:
    from cli.deployment import Deployment


_COLUMNS = (
    TableColumn("Task"),
    TableColumn("Run"),
    TableColumn("Served by", rank=2),
    TableColumn("Status", rank=1),
    TableColumn("$/hour", right=True),
    TableColumn("Since", rank=3),
    TableColumn("Confirmed", rank=4),
    TableColumn("Endpoint", rank=5),
)


_HISTORY = (
    TableColumn("When", rank=1),
    TableColumn("What"),
    TableColumn("Run"),
    TableColumn("By", rank=2),
    TableColumn("Accepted explicitly", rank=3),
    TableColumn("Why", rank=4, least=16),
)


@click.command()
@click.option("--history", "history_of", metavar="TASK", help="Instead: what happened to a task, who said so and why.")
@pass_session
def champions(session: Session, history_of: str | None) -> None:
    """List the student that serves each task, on what, since when, and for how much an hour.

    The registry says who; Bedrock is asked for the status of each endpoint, and SSM where callers are led.
    """
    deployment = session.deployment
    tasks = TaskBook(deployment.table)
    if history_of is not None:
        _show_history(session, tasks.history(task_slug(history_of)), history_of)
        return
    states = {task: tasks.state(task) for task in sorted(tasks.all_tasks())}
    torn_down = {task: state for task, state in states.items() if not state.champion and state.torn_down_at}
    rows = list(_rows(deployment, states))
    if session.as_json:
        for row in rows:
            session.show(row.to_document())
        for task, state in torn_down.items():
            gone = {"run_id": None, "torn_down_at": state.torn_down_at, "torn_down_run": state.torn_down_run}
            session.show({"task": task, **gone})
        return
    for task, state in torn_down.items():
        at = moment(str(state.torn_down_at))
        session.screen.say(f"Nothing serves {task}: run {state.torn_down_run} was torn down {at}.")
    if rows:
        _print(session, rows)
    elif not torn_down:
        session.screen.say("No task has a champion yet. 'python -m cli submit TASK_DIR' starts a run.")


def _show_history(session: Session, lines: list[dict[str, Any]], task: str) -> None:
    if session.as_json:
        for line in lines:
            session.show(line)
        return
    if not lines:
        session.screen.say(f"Nothing has happened to task {task} yet.")
        return
    print_table(session.screen, _HISTORY, [_history_cells(line) for line in lines])


def _history_cells(line: dict[str, Any]) -> tuple[str, ...]:
    accepted = ", ".join(map(str, line.get("accepted", [])))
    cells = (line["action"], line["run_id"], line.get("answered_by", ""), accepted, line.get("why", ""))
    return moment(str(line["at"])), *(one_line(str(cell)) for cell in cells)


@dataclass(frozen=True, slots=True)
class _Row:
    """A champion as the registry knows it, and what is seen of it now."""

    task: str
    champion: Champion
    state: TaskState
    now: ServingNow
    usd_per_hour: float | None
    beyond: list[str]

    def to_document(self) -> dict[str, Any]:
        previous = self.state.previous
        return {
            "task": self.task,
            **self.champion.to_document(),
            "previous_run_id": previous.run_id if previous else None,
            "former_runs": [one.run_id for one in self.state.former],
            "usd_per_hour": self.usd_per_hour,
            "endpoint_status": self.now.status,
            "wrong": list(self.now.wrong),
            "beyond_settings": self.beyond,
        }

    def cells(self) -> tuple[str, ...]:
        champion = self.champion
        confirmed = moment(champion.confirmed_at) if champion.confirmed_at else "never"
        mode, price = champion.mode.replace("_", " "), _price(champion, self.usd_per_hour)
        status, since = self.now.status or "unknown", moment(champion.promoted_at)
        return self.task, champion.run_id, mode, status, price, since, confirmed, champion.endpoint_arn


def _rows(deployment: Deployment, states: dict[str, TaskState]) -> Iterator[_Row]:
    known: dict[str | None, float | None] | None = None
    for task, state in states.items():
        if state.champion is None:
            continue
        if known is None:  # the run that made an endpoint may be an earlier one than the champion's
            known = {item.arn: item.usd_per_hour for item in ResourceBook(deployment.table).open()}
        now = look(deployment, task, state.champion)
        usd = 0.0 if now.status == MISSING else _usd_per_hour(known, state.champion)
        yield _Row(task, state.champion, state, now, usd, _beyond(deployment, task, state.champion))


def _beyond(deployment: Deployment, task: str, champion: Champion) -> list[str]:
    """Hold what a champion was promoted under against the settings of today."""
    try:
        return champion_beyond(deployment, deployment.settings, task, champion)
    except AWS_ERRORS as problem:
        return [f"what the settings allow could not be read: {in_words(problem)}"]


def _print(session: Session, rows: list[_Row]) -> None:
    print_table(session.screen, _COLUMNS, [row.cells() for row in rows])
    for row in rows:
        for wrong in (*row.now.wrong, *row.beyond):
            session.screen.say(f"{row.task}: {wrong}.")
    if session.deployment.local:
        session.screen.say(SIMULATED)


@click.command()
@click.argument("task")
@why_option
@pass_session
def confirm(session: Session, task: str, why: str) -> None:
    """Say that a task's champion shall go on: its review starts anew."""
    task = task_slug(task)
    champion = TaskBook(session.deployment.table).state(task).champion
    if champion is None:
        raise CliError(f"Task '{task}' has no champion. 'python -m cli champions' lists them.", CHECK_FAILED)
    payload: dict[str, Any] = {"confirm": task, "run_id": champion.run_id, "why": why}
    payload["proof"] = signed_proof(session.deployment, "confirm", champion.run_id)
    given = session.deployment.invoke("ReapFunction", payload)
    session.show(given, f"The champion of {task}, run {champion.run_id}, is confirmed.")


@click.command()
@click.option("--delete", "deleting", is_flag=True, help="Delete what no champion uses.")
@click.option("--idle", is_flag=True, help="With --delete: also move champions that nobody calls off their throughput.")
@pass_session
def reap(session: Session, deleting: bool, idle: bool) -> None:
    """Look for throughput, deployments and models that bill for nobody.

    Without --delete nothing is changed. Exit code 1 when something is left that bills for nobody.
    """
    if idle and not deleting:
        raise click.UsageError("--idle has a meaning only with --delete.")
    what = (DELETE_IDLE if idle else DELETE_UNUSED) if deleting else REPORT
    result = session.deployment.invoke("ReapFunction", {"reap": what})
    findings: list[dict[str, Any]] = result["findings"]
    if session.as_json:
        session.show(result)
    else:
        for line in _lines(findings, float(result["usd_per_hour"]), deleting=deleting):
            session.screen.say(line)
        if session.deployment.local:
            session.screen.say(SIMULATED)
    if any(not finding["done"] for finding in findings):
        raise click.exceptions.Exit(CHECK_FAILED)


def _lines(findings: list[dict[str, Any]], usd: float, *, deleting: bool) -> list[str]:
    if not findings:
        return ["Nothing bills for nobody."]
    lines = []
    for finding in findings:
        price = "unknown price" if finding["usd_per_hour"] is None else f"${finding['usd_per_hour']:,.4f}/h"
        done = f" -> {finding['done']}" if finding["done"] else ""
        lines.append(f"{finding['reason']:<11} {finding['kind']} {finding['name']} ({price}){done}")
        lines.append(f"{'':<11} {finding['explanation']}")
    lines.append(f"Still billing: ${usd:,.2f} an hour, as far as prices are known.")
    if not deleting:
        lines.append("Take it away: python -m cli reap --delete [--idle]")
    return lines


def _usd_per_hour(known: dict[str | None, float | None], champion: Champion) -> float | None:
    return 0.0 if champion.mode == "on_demand" else known.get(champion.endpoint_arn)


def _price(champion: Champion, usd: float | None) -> str:
    if champion.mode == "on_demand":
        return "by token"
    return "unknown" if usd is None else f"{usd:,.2f}"
