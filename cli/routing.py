"""Who answers a task's callers: show and adopt routing, and choose between student, cascade and fallback."""

from __future__ import annotations

from typing import Any

import click

from cli.errors import CHECK_FAILED, CliError
from cli.fitting_table import TableColumn, print_table
from cli.identity_proof import signed_proof
from cli.live_shares import live_status
from cli.run_ids import resolve
from cli.screen import SIMULATED
from cli.session import Session, pass_session, why_option
from lambdas.domain.caller_proof import serving_subject
from lambdas.domain.gate.routing import RoutingTest
from lambdas.domain.identity import task_slug
from lambdas.domain.serving.serving_policy import SERVING_MODES
from lambdas.gateways.registry.champions import TaskState
from lambdas.gateways.registry.tasks import TaskBook

share = click.FloatRange(0, 1, min_open=True)

_COLUMNS = (
    TableColumn("Passed on where the answer"),
    TableColumn("Share", right=True),
    TableColumn("Gain", right=True),
    TableColumn("Score", rank=1, right=True),
    TableColumn("$ per 1,000", rank=2, right=True),
)


@click.command()
@click.argument("task", metavar="TASK")
@click.option("--mode", type=click.Choice(SERVING_MODES), required=True, help="Who answers.")
@why_option
@pass_session
def serve(session: Session, task: str, mode: str, why: str) -> None:
    """Let the student, the cascade or the fallback alone answer a task's callers; clients notice within a minute.

    The choice holds for the run that serves now. cascade needs routing that 'route --adopt' has tested.
    """
    task = task_slug(task)
    run_id = _serving(session, task)
    payload: dict[str, Any] = {"serve": mode, "task": task, "run_id": run_id, "why": why}
    payload["proof"] = signed_proof(session.deployment, "serve", serving_subject(task, run_id, mode))
    given = session.deployment.invoke("RollbackFunction", payload)
    session.show(given, f"Callers of {task} are answered by the {mode} of run {given['run_id']} from now on.")


@click.command()
@click.argument("task", metavar="TASK")
@click.option("--max-share", type=share, default=0.2, show_default=True, help="Most answers that may be escalated.")
@click.option("--adopt", is_flag=True, help="Test the proposal on the records that did not choose it, and adopt it.")
@click.option(
    "--min-gain", type=click.FloatRange(0), default=0.05, show_default=True, help="Judge points over the student."
)
@click.option("--max-cost-share", type=share, default=0.5, show_default=True, help="Dollars against the fallback's.")
@click.option("--fresh", metavar="RUN", help="Test on what a later run measured, not on a half of the holdout.")
@click.option("--status", is_flag=True, help="Show what callers really meet beside what was foreseen.")
@why_option
@pass_session
def route(
    session: Session,
    /,
    *,
    task: str,
    max_share: float,
    adopt: bool,
    fresh: str | None,
    status: bool,
    why: str,
    **limits: float,
) -> None:
    """Show which of the student's answers would better go to the fallback; with --adopt test and adopt that.

    What is proposed is chosen on one half of the holdout and tested on the other, once a run. With --fresh it is chosen
    on the whole holdout and tested on records of a later upload that the champion has not seen. Exit code 1 when it is
    not adopted.
    """
    task = task_slug(task)
    if status:
        if adopt or fresh:
            raise click.UsageError("--status excludes --adopt and --fresh.")
        live_status(session, task, _state(session, task))
        return
    payload: dict[str, Any] = {"route": max_share, "task": task, "run_id": _serving(session, task), "why": why}
    if fresh:
        payload["fresh"] = resolve(session.deployment.registry, fresh).run_id
    if adopt:
        payload |= {"adopt": True, **limits}
        subject = serving_subject(task, str(payload["run_id"]), RoutingTest.of(payload).proven)
        payload["proof"] = signed_proof(session.deployment, "route", subject)
    given = session.deployment.invoke("RollbackFunction", payload)
    if session.as_json:
        session.show(given)
    else:
        _print(session, given, max_share)
    if adopt and not given["adopted"]:
        raise click.exceptions.Exit(CHECK_FAILED)


def _state(session: Session, task: str) -> TaskState:
    state = TaskBook(session.deployment.table).state(task)
    if state.champion is None:
        raise CliError(f"Task '{task}' has no champion. 'python -m cli champions' lists them.", CHECK_FAILED)
    return state


def _serving(session: Session, task: str) -> str:
    champion = _state(session, task).champion
    return champion.run_id if champion else ""


def _print(session: Session, given: dict[str, Any], max_share: float) -> None:
    screen, records = session.screen, given["records"]
    rows = [
        (
            _rule(one),
            f"{one['share']:.1%}",
            f"{one['gain']:+.3f}",
            f"{one['score']:.2f}",
            f"{one['usd_per_1k_requests']:.4f}",
        )
        for one in given["candidates"]
    ]
    fallback = given["fallback"]
    screen.print(f"Fallback: the {fallback['role']}, {fallback['model']}", soft_wrap=True)
    print_table(screen, _COLUMNS, rows)
    groups = given["groups"]
    whose = "others" if given["tested_on"] == given["run_id"] else f"of run {given['tested_on']}"
    screen.print(
        f"On {records['proposing']} records of the holdout in {groups['proposing']} independent groups; "
        f"{records['testing']} {whose}, in {groups['testing']}, test.",
        soft_wrap=True,
    )
    best = given["proposal"]
    if best is None:
        screen.print(f"No rule gains anything within {max_share:.0%} of the answers.", soft_wrap=True)
    elif "lines" not in given:
        screen.print(f"Proposed: pass on what {_rule(best)}.", soft_wrap=True)
        fresh = "" if given["tested_on"] == given["run_id"] else f" --fresh {given['tested_on']}"
        adopt = f"route {given['task']} --max-share {max_share:g}{fresh} --adopt --why TEXT"
        screen.print(f"Test and adopt it: {session.command} {adopt}", soft_wrap=True)
    for line in given.get("lines", []):
        measured = "not known" if line["measured"] is None else f"{line['measured']:.3f}"
        word = "passed" if line["passed"] else "FAILED"
        screen.print(
            f"{word} {line['name']}: {measured} (limit {line['limit']:g}); {line['explanation']}", soft_wrap=True
        )
    if "lines" in given:
        said = (
            "Adopted: callers are answered so from now on." if given["adopted"] else "Not adopted; nothing was changed."
        )
        screen.print(said)
    if session.deployment.local:
        screen.print(SIMULATED)


_WORDS = {"truncated": "is cut off", "breaks_schema": "breaks the output schema"}


def _rule(one: dict[str, Any]) -> str:
    parts = [_WORDS[reason] for reason in one["on"] if reason in _WORDS]
    if one["confidence_field"]:
        parts.append(f"says {one['confidence_field']} below {one['below']:g}")
    return " or ".join(parts)
