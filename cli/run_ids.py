"""Find the run that a person means: by id, by the beginning of an id, or as ``latest``."""

from __future__ import annotations

from collections.abc import Iterator

from cli.errors import UNKNOWN_RUN, CliError
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING, Registry, Run

LATEST = "latest"
_SHOWN = 5


def all_runs(registry: Registry) -> list[Run]:
    """Read every run, newest first."""
    return sorted(_each(registry), key=lambda run: (run.created_at, run.run_id), reverse=True)


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
    runs = all_runs(registry)
    if not runs:
        raise CliError("There is no run yet. 'python -m cli submit TASK_DIR' starts one.", UNKNOWN_RUN)
    return runs[0]


def _each(registry: Registry) -> Iterator[Run]:
    for state in (QUEUED, RUNNING, ENDED):
        yield from registry.in_state(state)
