"""Verified savings by task and day: what the baseline would have cost for what was asked, and what was paid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from lambdas.domain.evaluation.measurements import BASELINE
from lambdas.domain.focus.charges import Charge, plain
from lambdas.domain.focus.serving import SERVING, STORAGE
from lambdas.domain.prices.priced_parts import exact

COLUMNS = (
    "Day", "Environment", "Task", "RunId", "Requests", "BaselineModelId", "BaselineUsd", "BaselineUsdLow",
    "BaselineUsdHigh", "PaidUsd", "SavedUsd", "SavedUsdLow", "SavedUsdHigh", "Currency", "Evidence", "Simulated",
)  # fmt: skip
"""Savings are a table of their own: a row of negative cost would be a credit, and nobody gave one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """What a request to the baseline costs, as the champion's own evaluation measured it.

    Attributes
    ----------
    run_id : str
        The run that measured.
    model : str
    usd_per_1k, low, high : Decimal or None
        Of 1,000 requests at its on-demand price, prompt caching as measured; 95 % bounds where the report has them.
    records : int
        Holdout records on which the mean rests.
    measured_on : date or None
        Day on which that run ended.
    """

    run_id: str
    model: str
    usd_per_1k: Decimal
    low: Decimal | None
    high: Decimal | None
    records: int
    measured_on: date | None = None

    @classmethod
    def of_report(cls, run_id: str, report: Mapping[str, Any], measured_on: date | None = None) -> Baseline | None:
        """Read the baseline of a run's ``report.json``; ``None`` where it has none."""
        found = next((one for one in report.get("contestants", []) if one.get("role") == BASELINE), None)
        if found is None:
            return None
        bounds = found.get("usd_per_1k_ci95")
        return cls(
            run_id=run_id,
            model=str(found["model_id"]),
            usd_per_1k=exact(found["usd_per_1k_requests"]),
            low=exact(bounds[0]) if bounds else None,
            high=exact(bounds[1]) if bounds else None,
            records=int(found.get("records", 0)),
            measured_on=measured_on,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Saving:
    """One task on one day. What was paid is all of it: tokens, hours with and without calls, storage.

    ``low`` and ``high`` follow from the bounds of the baseline's mean cost; ``None`` where it has none.
    """

    day: date
    task: str
    requests: int
    baseline: Baseline
    paid: Decimal

    @property
    def baseline_usd(self) -> Decimal:
        """US dollars that the baseline would have cost."""
        return self.requests * self.baseline.usd_per_1k / 1000

    @property
    def saved(self) -> Decimal:
        """US dollars; negative where serving cost more than the baseline would have."""
        return self.baseline_usd - self.paid

    def bound(self, usd_per_1k: Decimal | None) -> Decimal | None:
        """What the baseline would have cost at a bound."""
        return None if usd_per_1k is None else self.requests * usd_per_1k / 1000


def savings(
    requests: Mapping[tuple[str, date], int],
    baseline_of: Callable[[str, date], Baseline | None],
    charges: Iterable[Charge],
) -> list[Saving]:
    """Hold what was asked against what was paid.

    Parameters
    ----------
    requests : mapping of (str, date) to int
        Answered requests of a task's endpoints on a day, the pipeline's own left out.
    baseline_of : callable
        Gives the baseline of a task on a day. Without one there is no verified saving.
    charges : iterable of Charge
        Of serving and storage; those of runs are left out: they are what a saving has to earn back.
    """
    paid: dict[tuple[str, date], Decimal] = {}
    for charge in charges:
        if charge.stage in (SERVING, STORAGE):
            key = (charge.task, charge.day)
            paid[key] = paid.get(key, Decimal()) + charge.usd
    return [
        Saving(
            day=day, task=task, requests=requests.get((task, day), 0), baseline=baseline,
            paid=paid.get((task, day), Decimal()),
        )
        for task, day in sorted({*requests, *paid})
        if (baseline := baseline_of(task, day)) is not None
    ]  # fmt: skip


def saving_row(saving: Saving, environment: str, *, simulated: bool) -> dict[str, str]:
    """Give the row of a saving."""
    low, high = saving.bound(saving.baseline.low), saving.bound(saving.baseline.high)
    evidence = (
        f"CloudWatch counts the requests; run {saving.baseline.run_id} measured the baseline's cost on "
        f"{saving.baseline.records} records"
    )
    return {
        "Day": str(saving.day),
        "Environment": environment,
        "Task": saving.task,
        "RunId": saving.baseline.run_id,
        "Requests": str(saving.requests),
        "BaselineModelId": saving.baseline.model,
        "BaselineUsd": plain(saving.baseline_usd),
        "BaselineUsdLow": "" if low is None else plain(low),
        "BaselineUsdHigh": "" if high is None else plain(high),
        "PaidUsd": plain(saving.paid),
        "SavedUsd": plain(saving.saved),
        "SavedUsdLow": "" if low is None else plain(low - saving.paid),
        "SavedUsdHigh": "" if high is None else plain(high - saving.paid),
        "Currency": "USD",
        "Evidence": evidence,
        "Simulated": "true" if simulated else "false",
    }
