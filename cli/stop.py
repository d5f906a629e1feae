"""Stop a run, and stay until what it made is released."""

from __future__ import annotations

import click

from cli.errors import INTERRUPTED, CliError
from cli.run_ids import resolve
from cli.screen import SIMULATED
from cli.session import Session, pass_session, run_argument, why_option
from cli.watching import watch_run
from lambdas.domain.outcomes import STOPPED

PATIENCE_SECONDS = 1_800.0
"""How long the end is waited for: a Lambda that works while its execution is stopped may go on for 15 minutes."""


@click.command()
@run_argument
@why_option
@pass_session
def stop(session: Session, run: str, why: str) -> None:
    """Stop a run: its execution ends, what it made is released, its report is written.

    A trained model is kept for a retry: 'retry RUN' goes on without paying twice. A student that serves already goes
    on serving: 'rollback' and 'reap' are about those.
    """
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
        session.screen.print(f"Go on with it: {session.command} retry {ended.run_id}", soft_wrap=True)
    session.screen.print(f"Report: {session.command} report {ended.run_id}", soft_wrap=True)
    if deployment.local:
        session.screen.print(SIMULATED)
