"""A month's money from all that tells of it: ledgers, what existed, what was asked, and what the baseline costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lambdas.domain.focus.charges import BilledAccount, Charge, as_csv, rows_of_charges
from lambdas.domain.focus.own_services import own_charges
from lambdas.domain.focus.savings import COLUMNS as SAVINGS_COLUMNS
from lambdas.domain.focus.savings import Saving, saving_row, savings
from lambdas.workflow.money.baselines import BaselineReader
from lambdas.workflow.money.ledger_charges import lines_of_month, run_charges
from lambdas.workflow.money.serving_charges import ServedMonth, ServingReader, next_midnight

if TYPE_CHECKING:
    from lambdas.domain.task.settings import Settings
    from lambdas.gateways.aws.endpoint_metrics import Usage
    from lambdas.gateways.aws.own_metrics import OwnMetrics
    from lambdas.gateways.aws.storage import Bucket
    from lambdas.gateways.registry.resources import ResourceBook
    from lambdas.gateways.registry.runs import Registry
    from lambdas.gateways.registry.tasks import TaskBook


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthlyMoney:
    """What runs cost, what serving cost, what the pipeline itself cost, and what it saved.

    Attributes
    ----------
    charges : list of Charge
        Each once.
    served : ServedMonth
    savings : list of Saving
    unpriced : list of str
        What exists or was used and has no price, for a person.
    """

    charges: list[Charge]
    served: ServedMonth
    savings: list[Saving]
    unpriced: list[str] = field(default_factory=list)

    def rows(self, account: BilledAccount) -> str:
        """Give the rows of FOCUS as CSV."""
        return as_csv(rows_of_charges(self.charges, account))

    def saved_rows(self, account: BilledAccount) -> str:
        """Give the table of savings as CSV."""
        rows = [saving_row(one, account.environment, simulated=account.simulated) for one in self.savings]
        return as_csv(rows, SAVINGS_COLUMNS)


@dataclass(frozen=True, kw_only=True, slots=True)
class MoneyReader:
    """Reads a month.

    Attributes
    ----------
    registry, tasks, resources : Registry, TaskBook, ResourceBook
    usage : Usage
    own : OwnMetrics
        What the services around Bedrock did.
    runs : Bucket
        The files of runs, with their reports.
    settings : Settings
    now : callable
    """

    registry: Registry
    tasks: TaskBook
    resources: ResourceBook
    usage: Usage
    own: OwnMetrics
    runs: Bucket
    settings: Settings
    now: Callable[[], datetime]

    def read(self, month: str, task: str | None = None) -> MonthlyMoney:
        """Read a month (``YYYY-MM``), of one task or of all; the pipeline's own services belong to no task."""
        lines = list(lines_of_month(self.registry, month))
        serving = ServingReader(
            registry=self.registry,
            tasks=self.tasks,
            resources=self.resources,
            usage=self.usage,
            prices=self.settings.price_book(),
            student_model=self.settings.student_model,
            now=self.now,
        )
        served = serving.read(month, lines)
        own, unpriced = self._own(month) if task is None else ([], [])
        charges = [one for one in (*run_charges(lines), *served.charges, *own) if task in (None, one.task)]
        requests = {key: number for key, number in served.requests.items() if task in (None, key[0])}
        baselines = BaselineReader(self.registry, self.tasks, self.runs, charges)
        return MonthlyMoney(
            charges=charges,
            served=served,
            savings=savings(requests, baselines.of_day, charges),
            unpriced=[
                *(said for key, all_of in served.unpriced.items() if task in (None, key) for said in all_of),
                *unpriced,
            ],
        )

    def _own(self, month: str) -> tuple[list[Charge], list[str]]:
        """Charge the services around Bedrock; nothing is asked about a month in which the environment did not exist."""
        begins = datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
        ends = min((begins + timedelta(days=31)).replace(day=1), next_midnight(self.now()))
        own = self.own.resources()
        if own.since is None or own.since >= ends or begins >= ends:
            return [], []
        return own_charges(month, self.own.by_day(own, begins, ends), own, self.settings.price_book(), self.now())
