"""What the baseline of a task cost a request on a day: as the champion of that day measured it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from lambdas.domain.errors import DocumentTooNew
from lambdas.domain.focus.savings import Baseline
from lambdas.domain.focus.serving import SERVING
from lambdas.domain.report.report_document import read_report
from lambdas.gateways.registry.tasks import HISTORY_PROMOTED, HISTORY_RESTORED, HISTORY_ROLLED_BACK

if TYPE_CHECKING:
    from lambdas.domain.focus.charges import Charge
    from lambdas.gateways.aws.storage import Bucket
    from lambdas.gateways.registry.runs import Registry
    from lambdas.gateways.registry.tasks import TaskBook

_PAGE, _DOCUMENT = "report.html", "report.json"
_CROWNED = (HISTORY_PROMOTED, HISTORY_ROLLED_BACK, HISTORY_RESTORED)


class BaselineReader:
    """Reads the baselines of one month, each run's report once.

    Parameters
    ----------
    registry, tasks : Registry, TaskBook
    runs : Bucket
        The files of runs, with their reports.
    charges : iterable of Charge
        Of the month: those of serving say who served where the task's history does not.
    """

    def __init__(self, registry: Registry, tasks: TaskBook, runs: Bucket, charges: Iterable[Charge]) -> None:
        self._registry, self._tasks, self._runs = registry, tasks, runs
        self._charges = charges
        self._of_run: dict[str, Baseline | None] = {}
        self._crowned: dict[str, list[tuple[str, str]]] = {}

    def of_day(self, task: str, day: date) -> Baseline | None:
        """Give the baseline of the champion of a day of UTC; ``None`` where no report has one.

        A later promotion changes no earlier day. Where the report of that champion is gone, it is the one before, then
        the first after it.
        """
        crowned = self._champions(task)
        before = [run_id for at, run_id in crowned if at <= str(day)]
        after = [run_id for at, run_id in crowned if at > str(day)]
        # A throughput that went over to a later run is charged to the run that made it: the history knows better.
        for run_id in (*before[::-1], *sorted(self._served.get((task, day), ())), *after):
            found = self._baseline(run_id)
            if found is not None:
                return found
        return None

    def _champions(self, task: str) -> list[tuple[str, str]]:
        """Give day and run of each time that a student became champion, oldest first."""
        if task not in self._crowned:
            state = self._tasks.state(task)
            known = [(one.promoted_at, one.run_id) for one in (state.champion, *state.former) if one is not None]
            known += [
                (str(line["at"]), str(line["run_id"]))
                for line in self._tasks.history(task)
                if line.get("action") in _CROWNED
            ]
            self._crowned[task] = [(at[:10], run_id) for at, run_id in sorted(known)]
        return self._crowned[task]

    @cached_property
    def _served(self) -> dict[tuple[str, date], set[str]]:
        found: dict[tuple[str, date], set[str]] = {}
        for charge in self._charges:
            if charge.stage == SERVING:
                found.setdefault((charge.task, charge.day), set()).add(charge.run_id)
        return found

    def _baseline(self, run_id: str) -> Baseline | None:
        if run_id not in self._of_run:
            self._of_run[run_id] = next(self._measured(run_id), None)
        return self._of_run[run_id]

    def _measured(self, run_id: str) -> Iterator[Baseline]:
        """Read what a run measured, unless the run is forgotten or its report has expired."""
        run = self._registry.find(run_id)
        key = run.report_key if run else None
        text = self._runs.find(key.removesuffix(_PAGE) + _DOCUMENT) if key else None
        if run is None or text is None:
            return
        try:
            found = Baseline.of_report(run_id, read_report(text, run_id), date.fromisoformat(run.paid_at[:10]))
        except DocumentTooNew:
            return
        if found is not None:
            yield found
