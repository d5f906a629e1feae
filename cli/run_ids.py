"""Find the run that a person means: by id, by the beginning of an id, or as ``latest``."""

from __future__ import annotations

from collections.abc import Iterator

from cli.errors import UNKNOWN_RUN, CliError
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING, Registry, Run

LATEST = "latest"
_SHOWN = 5
_READ_AT_ONCE = 300
"""Runs of a state that one query reads: about 600 KB, of the 1 MB of a page."""


def all_runs(registry: Registry) -> list[Run]:
    """Read every run, newest first."""
    return sorted(_each(registry), key=_newest_first, reverse=True)


def newest_runs(registry: Registry, number: int) -> list[Run]:
    """Read the runs that were created last, newest first, in one query a state as a rule.

    The index knows since when a run is in its state, which is never before its creation: once the last of so many runs
    was created after everything unread entered its state, no unread one is newer.

    Parameters
    ----------
    registry : Registry
    number : int
        At most so many.
    """
    found: list[Run] = []
    for state in (QUEUED, RUNNING, ENDED):
        for since, run in registry.latest_in_state(state, at_once=max(number, _READ_AT_ONCE)):
            if len(found) >= number and since < found[number - 1].created_at:
                break
            found.append(run)
            if len(found) >= number:
                found.sort(key=_newest_first, reverse=True)
    return sorted({run.run_id: run for run in found}.values(), key=_newest_first, reverse=True)[:number]


def _newest_first(run: Run) -> tuple[str, str]:
    return run.created_at, run.run_id


def resolve(registry: Registry, wanted: str) -> Run:
    """Find one run.

    Parameters
    ----------
    registry : Registry
    wanted : str
        A run's id, an unambiguous beginning of it, or ``latest``.

    Raises
    ------
    CliError
        When no run or more than one fits.
    """
    if wanted == LATEST:
        return _latest(registry)
    exact = registry.find(wanted) if wanted else None
    if exact is not None:
        return exact
    fitting = {run.run_id: run for run in _each(registry) if wanted and run.run_id.startswith(wanted)}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    if not fitting:
        raise CliError(f"No run is called or begins with '{wanted}'. 'python -m cli runs' lists them.", UNKNOWN_RUN)
    names = sorted(fitting)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    message = f"'{wanted}' is the beginning of {len(names)} runs: {', '.join(names[:_SHOWN])}{more}. Write more of it."
    raise CliError(message, UNKNOWN_RUN)


def _latest(registry: Registry) -> Run:
    runs = newest_runs(registry, 1)
    if not runs:
        raise CliError("There is no run yet. 'python -m cli submit TASK_DIR' starts one.", UNKNOWN_RUN)
    return runs[0]


def _each(registry: Registry) -> Iterator[Run]:
    for state in (QUEUED, RUNNING, ENDED):
        yield from registry.in_state(state)
