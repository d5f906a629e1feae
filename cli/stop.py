"""Stop a run, and stay until what it made is released."""

from __future__ import annotations

import click

from cli.errors import CHECK_FAILED, INTERRUPTED, CliError
from cli.run_ids import resolve
from cli.screen import SIMULATED
from cli.session import Session, pass_session, why_option, yes_option
from cli.watching import watch_run
from lambdas.domain.outcomes import STOPPED
from lambdas.gateways.registry.runs import QUEUED, RUNNING

PATIENCE_SECONDS = 1_800.0
"""How long the end is waited for: a Lambda that works while its execution is stopped may go on for 15 minutes."""


@click.command()
@click.argument("run", metavar="RUN", required=False)
@click.option("--all", "everything", is_flag=True, help="Every run that is queued or in progress.")
@why_option
@yes_option
@pass_session
def stop(session: Session, run: str | None, *, everything: bool, why: str, yes: bool) -> None:
    """Stop a run: its execution ends, what it made is released, its report is written.

    A trained model is kept for a retry: 'retry RUN' goes on without paying twice. A student that serves already goes
    on serving: 'rollback' and 'reap' are about those. With --all it stops every run, asks before that, and does not
    wait for their ends.
    """
    if everything == (run is not None):
        raise click.UsageError("Give either RUN or --all.")
    if run is None:
        _stop_all(session, why, yes=yes)
    else:
        _stop_one(session, run, why)


def _stop_all(session: Session, why: str, *, yes: bool) -> None:
    """Stop what waits before what runs: a slot that becomes free starts the oldest of the queue."""
    registry = session.deployment.registry
    found = [run for state in (QUEUED, RUNNING) for run in registry.in_state(state)]
    if found and not yes:
        names = "".join(f"\n  {run.run_id} ({run.state})" for run in found)
        session.aside.say(f"These runs would be stopped:{names}")
        click.confirm(f"Stop {len(found)} runs of environment {session.deployment.environment}?", abort=True, err=True)
    refused: dict[str, str] = {}
    for run in found:
        try:
            session.deployment.invoke("ReconcileFunction", {"stop": run.run_id, "why": why})
        except CliError as problem:  # it may have ended meanwhile; the others are stopped all the same
            refused[run.run_id] = str(problem.message)
    stopped = [run.run_id for run in found if run.run_id not in refused]
    session.show(
        {"stopped": stopped, "refused": refused},
        *([f"{len(stopped)} runs are being stopped: '{session.command} runs' shows their ends."] if found else []),
        *([] if found else ["No run is queued or in progress."]),
        *(f"Not stopped: {run_id}: {reason}" for run_id, reason in refused.items()),
        *([SIMULATED] if session.deployment.local else []),
    )
    if refused:
        raise click.exceptions.Exit(CHECK_FAILED)


def _stop_one(session: Session, run: str, why: str) -> None:
    deployment = session.deployment
    found = resolve(deployment.registry, run)
    deployment.invoke("ReconcileFunction", {"stop": found.run_id, "why": why})
    try:
        ended = watch_run(
            deployment, found.run_id, session.screen, as_json=session.as_json, deadline_seconds=PATIENCE_SECONDS
        )
    except KeyboardInterrupt:
        message = f"Stopped waiting; the run is being stopped all the same: {session.command} watch {found.run_id}"
        raise CliError(message, INTERRUPTED) from None
    if session.as_json:
        return
    if ended.outcome == STOPPED:
        session.screen.say(f"Go on with it: {session.command} retry {ended.run_id}")
    session.screen.say(f"Report: {session.command} report {ended.run_id}")
    if deployment.local:
        session.screen.say(SIMULATED)
