"""The list of runs: one small item a run, all in one partition.

One query finds a run by the beginning of its id, and a few read what all runs have cost. The ledger decides; the sums
here are a copy of it that knows when it may be behind (decision 0147):

- an item without ``since`` is settled: its sums are those of the ledger;
- ``since`` is :data:`OPEN` from when a run takes its slot, and from before a line is written for a run that is not in
  progress: the ledger is read instead;
- ``since`` is a time from when a look found the run ended: so long after that that no Lambda which began before it can
  live, the ledger is added up, and the item is settled if nobody has opened it again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Self

from lambdas.gateways.registry.table import ConditionFailed, Table

if TYPE_CHECKING:
    from lambdas.gateways.registry.items import Item

OPEN = "open"
UNSETTLED_GROUP = "COSTS#OPEN"
"""State group of the items that are not settled."""

LOOKED_AT_ONCE = 2_000
"""Runs that one look makes sure of: one write of about 5 ms each."""

_PARTITION = "RUNS"
_LISTED = "LISTED#"
_COMPLETE = {"pk": _PARTITION, "sk": "COMPLETE"}
"""The item that says whether every run is in the list: those of versions before 0.2.0 are entered by the schedule."""

_STATES_IN_TURN = ("QUEUED", "RUNNING", "ENDED")
"""A run goes this way, so one that goes on meanwhile is met in the next state."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedRun:
    """One run of the list.

    Attributes
    ----------
    run_id : str
    usd_by_stage : dict of str to Decimal
        US dollars, exact; what they say holds only where :attr:`settled`.
    since : str or None
        ``None``: settled; :data:`OPEN`, or since when nothing was written (ISO 8601).
    months : tuple of str
        The months in which it paid, as ``YYYY-MM``; they hold where :attr:`settled`.
    """

    run_id: str
    usd_by_stage: dict[str, Decimal] = field(default_factory=dict)
    since: str | None = None
    months: tuple[str, ...] = ()

    def may_have_paid_in(self, month: str) -> bool:
        """Tell whether its ledger may have lines of a month (``YYYY-MM``)."""
        return not self.settled or month in self.months

    @property
    def settled(self) -> bool:
        """Whether the sums are those of the ledger."""
        return self.since is None

    @property
    def task(self) -> str:
        """The task's slug, which an id begins with (:attr:`lambdas.domain.identity.Upload.run_id`)."""
        return self.run_id.rpartition("-")[0]

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read an item of the table."""
        sums = {stage: Decimal(usd) for stage, usd in item.get("usd_by_stage", {}).items()}
        return cls(
            run_id=item["sk"].removeprefix(_LISTED),
            usd_by_stage=sums,
            since=item.get("since"),
            months=tuple(item.get("months", ())),
        )


class RunList:
    """The list in the registry table.

    Parameters
    ----------
    table : Table
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def enter(self, run_id: str) -> None:
        """Enter a run that is about to be claimed, and has paid nothing; one that is there stays as it is."""
        with contextlib.suppress(ConditionFailed):
            self._table.put(dict(_key(run_id)), "attribute_not_exists(pk)")

    def enter_known(self, run_id: str, since: str) -> None:
        """Enter a run that may have paid; one that is there stays as it is.

        Parameters
        ----------
        run_id : str
        since : str
            :data:`OPEN`, or the present time (ISO 8601) where the run has ended.
        """
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                **_key(run_id),
                expression="SET state_group = :group, since = :since",
                values={":group": UNSETTLED_GROUP, ":since": since},
                condition="attribute_not_exists(pk)",
            )

    def leave(self, run_id: str) -> int:
        """Take a run off the list, and give how many items were there for it."""
        found = self._table.get(**_key(run_id)) is not None
        self._table.delete(**_key(run_id))
        return int(found)

    def will_pay(self, run_id: str) -> None:
        """Open a run's item before lines are written to its ledger; nothing where the run is not listed yet."""
        item = self._table.get(**_key(run_id))
        if item is None or item.get("since") == OPEN:
            return
        with contextlib.suppress(ConditionFailed):  # forgotten meanwhile
            self._table.update(
                **_key(run_id),
                expression="SET state_group = :group, since = :open",
                values={":group": UNSETTLED_GROUP, ":open": OPEN},
                condition="attribute_exists(pk)",
            )

    def unsettled(self) -> Iterator[ListedRun]:
        """Read what is not settled: what runs, and what has ended lately."""
        for item in self._table.in_state(UNSETTLED_GROUP):
            yield ListedRun.from_item(item)

    def begin_settling(self, run_id: str, now: str) -> None:
        """Note that an open run was found ended."""
        self._if_since(run_id, OPEN, "SET since = :now", {":now": now})

    def settle(self, run_id: str, since: str, usd_by_stage: Mapping[str, Decimal], months: Iterable[str] = ()) -> None:
        """Keep the sums of the ledger and the months of its lines, unless the run was opened after ``since``."""
        sums = {stage: str(usd) for stage, usd in sorted(usd_by_stage.items())}
        values = {":sums": sums, ":months": sorted(set(months))}
        self._if_since(run_id, since, "SET usd_by_stage = :sums, months = :months REMOVE state_group, since", values)

    def _if_since(self, run_id: str, since: str, expression: str, values: Item) -> None:
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                **_key(run_id), expression=expression, values={**values, ":seen": since}, condition="since = :seen"
            )

    def named(self, beginning: str, at_most: int) -> list[str]:
        """Name the runs whose id begins with a text, in the order of the ids.

        Parameters
        ----------
        beginning : str
        at_most : int
            So many are read, in one query.
        """
        items = self._table.query(_PARTITION, f"{_LISTED}{beginning}", at_once=at_most)
        return [ListedRun.from_item(item).run_id for item in islice(items, at_most)]

    def all(self) -> Iterator[ListedRun]:
        """Read all of the list, in the order of the ids: about 4,000 runs a query."""
        for item in self._table.query(_PARTITION, _LISTED):
            yield ListedRun.from_item(item)

    def is_complete(self) -> bool:
        """Tell whether every run is in the list."""
        return bool((self._table.get(**_COMPLETE) or {}).get("done"))

    def complete(self, now: str) -> int:
        """Enter runs of earlier versions, :data:`LOOKED_AT_ONCE` at most, and go on where the last look stopped.

        Returns
        -------
        int
            How many were looked at; 0 where the list is complete.
        """
        progress = self._table.get(**_COMPLETE) or {}
        if progress.get("done"):
            return 0
        reached: dict[str, str] = dict(progress.get("reached", {}))
        looked_at = 0
        for state in _STATES_IN_TURN:
            following = self._table.in_state(f"RUN#{state}", after=reached.get(state))
            for item in islice(following, LOOKED_AT_ONCE - looked_at):
                self.enter_known(str(item["pk"]).removeprefix("RUN#"), now if state == _STATES_IN_TURN[-1] else OPEN)
                reached[state] = str(item["since"])
                looked_at += 1
        self._table.update(
            **_COMPLETE,
            expression="SET reached = :reached, done = :done",
            values={":reached": reached, ":done": looked_at < LOOKED_AT_ONCE},
        )
        return looked_at


def _key(run_id: str) -> dict[str, str]:
    return {"pk": _PARTITION, "sk": f"{_LISTED}{run_id}"}
