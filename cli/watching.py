"""Show a run while it goes on: a live line on a terminal, a line a change elsewhere, JSON lines for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from cli.deployment import Deployment
from cli.errors import CHECK_FAILED, OK, CliError
from cli.progress import Step, age, describe, follow
from cli.screen import SIMULATED, print_json, run_document
from lambdas.domain.outcomes import PROMOTED
from lambdas.domain.text.plain_text import one_line
from lambdas.gateways.registry.runs import ENDED, Run

_EVERY_SECONDS, _EVERY_SECONDS_LOCAL = 3.0, 0.25
_UNCLAIMED = Step("UPLOADED", "waits for the upload's event", None)


def watch_run(
    deployment: Deployment, run_id: str, screen: Console, *, as_json: bool, deadline_seconds: float = math.inf
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


def print_outcome(screen: Console, run: Run, command: str, *, simulated: bool) -> None:
    """Say where a run's student and report are; ``command`` begins the next command."""
    if run.endpoint_arn:
        screen.print(f"The student is served at {run.endpoint_arn}", soft_wrap=True)
    screen.print(f"Report: {command} report {run.run_id}", soft_wrap=True)
    if simulated:
        screen.print(SIMULATED)


def _steps(looks: Iterator[Run | None], *, simulated: bool) -> Iterator[tuple[Step, Run | None]]:
    for run in looks:
        yield (_UNCLAIMED if run is None else describe(run, simulated=simulated)), run


def _as_json(looks: Iterator[Run | None]) -> Run:
    shown: object = None
    last: Run | None = None
    for last in looks:
        document = run_document(last) if last else {"state": _UNCLAIMED.stage}
        if document != shown:
            print_json(document)
            shown = document
    return _ended(last)


def _lines(looks: Iterator[Run | None], screen: Console, *, simulated: bool) -> Run:
    shown: tuple[str, str] | None = None
    last: Run | None = None
    for step, run in _steps(looks, simulated=simulated):
        last = run
        if (step.stage, step.text) != shown:
            screen.print(_line(step), soft_wrap=True)
            shown = (step.stage, step.text)
    return _ended(last)


def _live(looks: Iterator[Run | None], screen: Console, *, simulated: bool) -> Run:
    previous: Step | None = None
    last: Run | None = None
    with Live(console=screen, refresh_per_second=8, transient=True) as live:
        for step, run in _steps(looks, simulated=simulated):
            last = run
            if previous is not None and previous.stage != step.stage:
                live.console.print(Text(f"✓ {_line(previous)}", style="green"), soft_wrap=True)
            live.update(_spinning(step))
            previous = step
    ended = _ended(last)
    screen.print(_line(describe(ended, simulated=simulated)), soft_wrap=True)
    return ended


def _spinning(step: Step) -> RenderableType:
    return Spinner("dots", text=Text(f"{_line(step)}, for {age(step.since)}"))


def _line(step: Step) -> str:
    clock = step.since[11:19] if step.since else "--:--:--"
    return f"{clock}  {step.stage:<20} {one_line(step.text)}"


def _ended(run: Run | None) -> Run:
    if run is None or run.state != ENDED:
        raise CliError("The run can no longer be read.", CHECK_FAILED)
    return run
