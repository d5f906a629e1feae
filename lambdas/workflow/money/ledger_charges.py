"""The charges of a month that ledgers tell of: what runs cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lambdas.domain.costs.ledger import paid_in
from lambdas.domain.focus.charges import Charge, charges_of_line
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING

if TYPE_CHECKING:
    from lambdas.domain.costs.ledger import LedgerEntry
    from lambdas.gateways.registry.runs import Registry, Run

Line = tuple["Run", "LedgerEntry"]


def lines_of_month(registry: Registry, month: str) -> Iterator[Line]:
    """Read the ledger lines that were paid in a month, each once, with their runs.

    Parameters
    ----------
    registry : Registry
    month : str
        ``YYYY-MM``, of UTC.
    """
    for run in _runs_that_paid(registry, month):
        for entry in registry.ledger(run.run_id):
            if paid_in(entry, run.paid_at) == month:
                yield run, entry


def run_charges(lines: Iterable[Line]) -> Iterator[Charge]:
    """Give the charges of ledger lines."""
    for run, entry in lines:
        yield from charges_of_line(run.task, run.run_id, entry, run.paid_at)


def _runs_that_paid(registry: Registry, month: str) -> Iterator[Run]:
    """Read the runs whose ledger may have lines of a month; all of them until the list of runs is complete."""
    if not registry.listed.is_complete():
        found = {run.run_id: run for state in (QUEUED, RUNNING, ENDED) for run in registry.in_state(state)}
        yield from found.values()
        return
    for listed in registry.listed.all():
        run = registry.find(listed.run_id) if listed.may_have_paid_in(month) else None
        if run is not None:
            yield run
