"""What all runs of an environment may cost in a calendar month: reserved before a run pays, settled when it has ended.

Each run has an item with what counts of it in each month; each month has one with the sum, and with the runs that are
not settled. Both change in one transaction, so that no crash counts a run twice or loses what it reserved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lambdas.domain.errors import MonthlyLimitExceeded, RetryLater
from lambdas.gateways.registry.table import ConditionFailed, Table

RESERVE_TRIES = 8
"""Tries to write beside other runs that reserve or settle at the same moment."""

MONTHS_LOOKED_BACK = 3
"""Months in which runs may be unsettled: a run with every deadline exhausted lasts less than two."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Month:
    """What counts in a month, in US dollars, and the runs of it that are not settled."""

    name: str
    usd: float
    unsettled: frozenset[str]


class MonthlyBudget:
    """The months of an environment.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def month(self, now: datetime) -> Month:
        """Read the month of a moment, in UTC."""
        name = _name(now)
        item = self._table.get(**_month_key(name)) or {}
        return Month(
            name=name, usd=float(item.get("usd", 0.0)), unsettled=frozenset(item.get("unsettled", frozenset()))
        )

    def reserve(self, run_id: str, attempt: int, usd: float, limit: float, now: datetime) -> None:
        """Count what a run may come to in all, before it pays; counted again it replaces what was counted.

        Parameters
        ----------
        run_id : str
        attempt : int
            The attempt that is about to pay.
        usd : float
            US dollars, with what the run's ledger has already.
        limit : float
            US dollars a month.
        now : datetime
            In whose month, in UTC, it counts.

        Raises
        ------
        MonthlyLimitExceeded
            Nothing was reserved.
        RetryLater
            When others keep writing at the same time.
        """
        name = _name(now)
        for _ in range(RESERVE_TRIES):
            known = self._of_run(run_id)
            wanted = max(usd - sum(one for month, one in known.months.items() if month != name), 0.0)
            used = self.month(now).usd - known.months.get(name, 0.0)
            if used + wanted > limit:
                raise MonthlyLimitExceeded(
                    f"runs of this environment have cost or reserved ${used:,.2f} of {name} (UTC); this one may come "
                    f"to ${wanted:,.2f}, and 'max_monthly_usd' is {limit:,.2f}. Nothing was paid. Retry it from "
                    f"{_next(now):%Y-%m-%d} on, or when runs that are in progress have ended, or raise the setting "
                    "and deploy"
                )
            added = round(wanted - known.months.get(name, 0.0), 9)
            of_month = self._table.update_request(
                **_month_key(name),
                expression="ADD usd :added, unsettled :run",
                values={":added": added, ":run": {run_id}, ":room": limit - added},
                condition="attribute_not_exists(usd) OR usd <= :room",
            )
            if self._written(run_id, known, _OfRun({**known.months, name: wanted}, attempt), of_month):
                return
        raise RetryLater("other runs reserve their dollars of the month at the same time")

    def settle(self, run_id: str, attempt: int, usd: float, now: datetime) -> None:
        """Count what a run has cost in all in place of what it reserved; may be called again when more is known.

        What it cost counts in the months of its reservations, the earlier ones first. A run that reserved nothing, of
        an earlier version or refused before, counts in the present month where it cost something.

        Parameters
        ----------
        run_id : str
        attempt : int
            The attempt that has ended; what a later one has reserved stays.
        usd : float
            The sum of the run's ledger in US dollars.
        now : datetime

        Raises
        ------
        RetryLater
            When others keep writing at the same time.
        """
        for _ in range(RESERVE_TRIES):
            known = self._of_run(run_id)
            if known.attempt > attempt or (not known.months and usd <= 0):
                return
            months, left = sorted(known.months) or [_name(now)], usd
            counted: dict[str, float] = {}
            for name in months:
                counted[name] = left if name == months[-1] else min(known.months[name], left)
                left -= counted[name]
            changes = [
                self._table.update_request(
                    **_month_key(name),
                    expression="ADD usd :added DELETE unsettled :run",
                    values={":added": round(amount - known.months.get(name, 0.0), 9), ":run": {run_id}},
                )
                for name, amount in counted.items()
            ]
            if self._written(run_id, known, _OfRun(counted, attempt), *changes):
                return
        raise RetryLater("other runs settle their dollars of the month at the same time")

    def unsettled(self, now: datetime) -> Iterator[tuple[str, str]]:
        """Name the month and the run of each reservation that was not settled yet."""
        for name in _names(now, MONTHS_LOOKED_BACK):
            for run_id in sorted((self._table.get(**_month_key(name)) or {}).get("unsettled", ())):
                yield name, run_id

    def leave(self, month: str, run_id: str) -> None:
        """Leave what a run reserved as it is: nothing is known any more of what it cost."""
        self._table.update(**_month_key(month), expression="DELETE unsettled :run", values={":run": {run_id}})

    def _of_run(self, run_id: str) -> _OfRun:
        item = self._table.get(**_run_key(run_id)) or {}
        months = {str(name): float(usd) for name, usd in item.get("months", {}).items()}
        return _OfRun(months, int(item.get("attempt", 0)))

    def _written(self, run_id: str, known: _OfRun, counted: _OfRun, *of_months: dict[str, Any]) -> bool:
        """Write the run's item and those of its months, or none; false where somebody else wrote meanwhile."""
        values: dict[str, Any] = {":months": counted.months, ":attempt": counted.attempt}
        same = "attribute_not_exists(months)"
        if known.attempt:
            values |= {":known": known.months, ":known_attempt": known.attempt}
            same = "months = :known AND attempt = :known_attempt"
        of_run = self._table.update_request(
            **_run_key(run_id), expression="SET months = :months, attempt = :attempt", values=values, condition=same
        )
        try:
            self._table.update_together(*of_months, of_run)
        except ConditionFailed:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _OfRun:
    """What counts of a run, in US dollars a month, and the latest attempt that it counts for; 0: none."""

    months: dict[str, float]
    attempt: int


def _name(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m}"


def _next(now: datetime) -> datetime:
    return (now.astimezone(UTC).replace(day=1) + timedelta(days=32)).replace(day=1)


def _names(now: datetime, count: int) -> Iterator[str]:
    moment = now.astimezone(UTC)
    for _ in range(count):
        yield _name(moment)
        moment = moment.replace(day=1) - timedelta(days=1)


def _month_key(name: str) -> dict[str, str]:
    return {"pk": f"MONTH#{name}", "sk": "MONTH"}


def _run_key(run_id: str) -> dict[str, str]:
    return {"pk": f"RUN#{run_id}", "sk": "MONTHS"}
