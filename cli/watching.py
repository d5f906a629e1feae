"""Show a run while it goes on: a live line on a terminal, a line a change elsewhere, JSON lines for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from cli.clean_console import CleanConsole
from cli.deployment import Deployment
from cli.errors import CHECK_FAILED, OK, CliError
from cli.fitting_table import cut
from cli.progress import Step, age, describe, follow
from cli.screen import SIMULATED, print_json, run_document
from lambdas.domain.outcomes import PROMOTED
from lambdas.domain.text.plain_text import one_line
from lambdas.gateways.registry.runs import ENDED, Run

_EVERY_SECONDS, _EVERY_SECONDS_LOCAL = 3.0, 0.25
_UNCLAIMED = "UPLOADED"
_ASKS = "RequestApproval"

_SPINNER = 3
"""Cells of what turns before a line, and one that stays free."""

_HANG = 10
"""Cells of the time of a progress line: what goes on begins below the stage."""


def watch_run(
    deployment: Deployment, run_id: str, screen: CleanConsole, *, as_json: bool, deadline_seconds: float = math.inf
) -> Run:
    """Show a run until it has ended.

    Returns
    -------
    Run
        As it ended.

    Raises
    ------
    CliError
        When the run does not appear, or has not ended at the deadline.
    """
    every = _EVERY_SECONDS_LOCAL if deployment.local else _EVERY_SECONDS
    looks = follow(deployment.registry, run_id, every=every, deadline_seconds=deadline_seconds)
    if as_json:
        return _as_json(looks)
    if screen.is_terminal:
        return _live(looks, screen, simulated=deployment.local)
    return _lines(looks, screen, simulated=deployment.local)


def exit_code(run: Run) -> int:
    """Give the exit code of a run that has ended."""
    return OK if run.outcome == PROMOTED else CHECK_FAILED


def print_outcome(screen: CleanConsole, run: Run, command: str, *, simulated: bool) -> None:
    """Say where a run's student and report are; ``command`` begins the next command."""
    if run.endpoint_arn:
        screen.say(f"The student is served at {run.endpoint_arn}")
    screen.say(f"Report: {command} report {run.run_id}")
    if simulated:
        screen.say(SIMULATED)


def _steps(looks: Iterator[Run | None], *, simulated: bool) -> Iterator[tuple[Step, Run | None]]:
    uploaded = Step(_UNCLAIMED, "waits for the upload's event", datetime.now(UTC).isoformat())
    for run in looks:
        yield (uploaded if run is None else describe(run, simulated=simulated)), run


def _as_json(looks: Iterator[Run | None]) -> Run:
    shown: object = None
    last: Run | None = None
    for last in looks:
        document = run_document(last) if last else {"state": _UNCLAIMED}
        if document != shown:
            print_json(document)
            shown = document
    return _ended(last)


def _lines(looks: Iterator[Run | None], screen: CleanConsole, *, simulated: bool) -> Run:
    shown: tuple[str, str] | None = None
    last: Run | None = None
    for step, run in _steps(looks, simulated=simulated):
        last = run
        if (step.stage, step.text) != shown:
            screen.say(_line(step))
            shown = (step.stage, step.text)
    return _ended(last)


def _live(looks: Iterator[Run | None], screen: CleanConsole, *, simulated: bool) -> Run:
    previous: Step | None = None
    last: Run | None = None
    with Live(console=screen, refresh_per_second=8, transient=True) as live:
        for step, run in _steps(looks, simulated=simulated):
            last = run
            if previous is None or previous.stage != step.stage:
                if previous is not None and previous.stage != _ASKS:
                    screen.say(f"✓ {_line(previous)}", style="green", hang=_HANG)
                if step.stage == _ASKS:  # a person must act, so it is told while it waits and not when that is over
                    screen.say(_line(step), style="bold", hang=_HANG)
            if step.stage != ENDED:
                live.update(_spinning(step, screen.width))
            previous = step
    ended = _ended(last)
    # The reason may be long; all of it is in the report, whose command follows.
    screen.say(cut(_line(describe(ended, simulated=simulated)), screen.width))
    return ended


def _spinning(step: Step, width: int) -> RenderableType:
    waited = f", for {age(step.since)}"
    return Spinner("dots", text=Text(cut(_line(step), width - len(waited) - _SPINNER) + waited))


def _line(step: Step) -> str:
    clock = step.since[11:19] if step.since else "--:--:--"
    return f"{clock}  {step.stage:<20} {one_line(step.text)}"


def _ended(run: Run | None) -> Run:
    if run is None or run.state != ENDED:
        raise CliError("The run can no longer be read.", CHECK_FAILED)
    return run
