"""Refuse the retry of a run of which an earlier attempt is not released, and say when it can be retried."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lambdas.domain.errors import RetryRefused
from lambdas.gateways.registry.resources import CREATED, ENDPOINTS, PLANNED, Resource
from lambdas.gateways.registry.runs import ENDED, Run

if TYPE_CHECKING:
    from lambdas.gateways.registry.champions import TaskState

RELEASED_EVERY = timedelta(minutes=5)
"""The schedule of ReconcileRuns (stacks/machine/triggers.py)."""


def check_released(run: Run, resources: Iterable[Resource], task: TaskState, now: datetime) -> None:
    """Refuse a retry while something of an earlier attempt is still being given back.

    The schedule looks after ended runs only: a retry would hide from it, for as long as the new attempt lasts, what
    bills by the hour, and a champion's endpoint that serves a student which nobody promoted.

    Parameters
    ----------
    run : Run
        One that is in progress is refused elsewhere.
    resources : iterable of Resource
        Everything that the run made.
    task : TaskState
        Whose lease an attempt of the run may hold.
    now : datetime

    Raises
    ------
    RetryRefused
        Names what is left, and the time from which a retry is possible.
    """
    if run.state != ENDED:
        return
    unreleased = [item for item in resources if item.state in (PLANNED, CREATED)]
    if task.is_held_by(run.run_id):
        _check_lease(run, task, now, looked_after=bool(unreleased))
    left = [item for item in unreleased if item.kind in ENDPOINTS]
    if left:
        names = ", ".join(f"{item.kind} {item.name}" for item in left)
        times = [item.may_still_come_until() or now for item in left]
        raise _refusal(run, names, max(now, *times) + RELEASED_EVERY)


def _check_lease(run: Run, task: TaskState, now: datetime, *, looked_after: bool) -> None:
    """Refuse while a lease of this run keeps the champion's endpoint for itself.

    ``looked_after`` says that the schedule comes back to the run: it puts the endpoint back, sees the next time that
    it serves, and gives the lease back. Without that a process that outlived its execution took it, and it expires.
    """
    expires = datetime.fromisoformat(str(task.lease_expires))
    if not looked_after and expires <= now:
        return
    what = f"attempt {task.lease_owner} holds the lease of task '{run.task}'"
    if not looked_after:
        raise _refusal(run, what, expires)
    what = f"{what} until the champion's endpoint serves its own model again"
    raise _refusal(run, what, max(now, run.may_still_point_until() or now) + 2 * RELEASED_EVERY)


def _refusal(run: Run, what: str, at: datetime) -> RetryRefused:
    at += timedelta(seconds=1)  # the text has whole seconds
    hint = "If it is refused again then, the log of ReleaseResources says why"
    message = f"run '{run.run_id}' is still being released ({what}); retry it after {at:%Y-%m-%dT%H:%M:%SZ}. {hint}"
    return RetryRefused(message)
