"""Which found tasks somebody has acted on: those with a champion or a run; a task's folder has its name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.domain.identity import task_slug
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING

if TYPE_CHECKING:
    from lambdas.gateways.registry.runs import Registry
    from lambdas.gateways.registry.tasks import TaskBook


@dataclass(frozen=True, kw_only=True, slots=True)
class ActedOn:
    """What became of a found task: the run that serves it, or else its newest run."""

    run_id: str
    serves: bool

    def said(self) -> str:
        """Say it in a word and the run."""
        return f"{'PROMOTED' if self.serves else 'run'} {self.run_id}"


def acted_on(registry: Registry, tasks: TaskBook, names: Iterable[str]) -> dict[str, ActedOn]:
    """Tell of each found task that has a champion or a run which one it is.

    Parameters
    ----------
    registry : Registry
    tasks : TaskBook
    names : iterable of str
        Ids of found tasks.
    """
    newest: dict[str, str] = {}
    for state in (RUNNING, QUEUED, ENDED):
        for run in registry.in_state(state, newest_first=True):
            newest.setdefault(run.task, run.run_id)
    acted = {}
    for name in names:
        task = task_slug(name)
        champion = tasks.state(task).champion
        if champion is not None:
            acted[name] = ActedOn(run_id=champion.run_id, serves=True)
        elif task in newest:
            acted[name] = ActedOn(run_id=newest[task], serves=False)
    return acted
