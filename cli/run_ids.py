"""Find the run that a person means: by id, by the beginning of an id, or as ``latest``."""

from __future__ import annotations

from collections.abc import Iterator

from cli.errors import UNKNOWN_RUN, CliError
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING, Registry, Run

LATEST = "latest"
_SHOWN = 5
READ_AT_ONCE = 300
"""Runs of a state that one query reads: about 600 KB, of the 1 MB of a page."""

_MOST_AT_ONCE = 2_000
"""More than a page of 1 MB holds: for whoever wants all."""

_NAMED_AT_ONCE = 1_000
"""Ids of the list that one query reads: a message names five, and says how many more there are."""


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
        for since, run in registry.latest_in_state(state, at_once=max(number, READ_AT_ONCE)):
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
    names = run_ids(registry, wanted, _NAMED_AT_ONCE) if wanted else []
    found = registry.find(names[0]) if len(names) == 1 else None
    if found is not None:
        return found
    if len(names) <= 1:
        raise CliError(f"No run is called or begins with '{wanted}'. 'python -m cli runs' lists them.", UNKNOWN_RUN)
    more = f" and {_number(len(names) - _SHOWN, names)} more" if len(names) > _SHOWN else ""
    beginning = f"'{wanted}' is the beginning of {_number(len(names), names)} runs"
    raise CliError(f"{beginning}: {', '.join(names[:_SHOWN])}{more}. Write more of it.", UNKNOWN_RUN)


def run_ids(registry: Registry, beginning: str, at_most: int) -> list[str]:
    """Name the runs whose id begins with a text, sorted: in one query, once the list of runs is complete.

    Until the schedule has entered the runs of versions before 0.2.0, all runs are read.
    """
    if registry.listed.is_complete():
        return registry.listed.named(beginning, at_most)
    return sorted({run.run_id for run in each_run(registry) if run.run_id.startswith(beginning)})[:at_most]


def each_run(registry: Registry) -> Iterator[Run]:
    """Read every run: a query for each megabyte of a state."""
    for state in (QUEUED, RUNNING, ENDED):
        yield from registry.in_state(state, at_once=_MOST_AT_ONCE)


def _number(number: int, names: list[str]) -> str:
    return f"{number} or more" if len(names) == _NAMED_AT_ONCE else str(number)


def _latest(registry: Registry) -> Run:
    runs = newest_runs(registry, 1)
    if not runs:
        raise CliError("There is no run yet. 'python -m cli submit TASK_DIR' starts one.", UNKNOWN_RUN)
    return runs[0]
