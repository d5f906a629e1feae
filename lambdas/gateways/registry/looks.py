"""How often a holdout was looked at, and what the last look measured: each verdict on the same records tries chance."""

from __future__ import annotations

from collections.abc import Iterable

from lambdas.domain.evaluation.holdout_looks import look_number, sketch
from lambdas.gateways.registry.table import ConditionFailed, Table

MOST_KEPT = 200
"""Runs of a task that are kept, so that the item stays small (110 kB); a later one is the last look of all."""


class Looks:
    """Runs of a task that were judged, in the order of their first verdict, with what stands for their holdouts.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def take(self, task: str, holdout: Iterable[str], run_id: str) -> int:
        """Count a run's look and give its number, from 1; a retry of the run keeps the number that it had.

        Parameters
        ----------
        task : str
        holdout : iterable of str
            Ids of the holdout's records.
        run_id : str
        """
        present = sketch(holdout)
        try:
            item = self._table.update(
                **_key(task),
                expression=(
                    "SET #runs = list_append(if_not_exists(#runs, :none), :run), "
                    "#sketches = list_append(if_not_exists(#sketches, :none), :sketch)"
                ),
                values={
                    ":none": [],
                    ":run": [run_id],
                    ":sketch": [",".join(present)],
                    ":this": run_id,
                    ":most": MOST_KEPT,
                },
                condition="attribute_not_exists(#runs) OR (NOT contains(#runs, :this) AND size(#runs) < :most)",
            )
        except ConditionFailed:
            item = self._table.get(**_key(task)) or {}
        runs = [str(one) for one in item.get("runs", [])]
        return look_number(run_id, runs, [str(one).split(",") for one in item.get("sketches", [])], present)

    def note_spread(self, task: str, spread: float) -> None:
        """Keep the standard deviation of one paired difference, in judge points, for the next plan."""
        self._table.update(**_key(task), expression="SET spread = :spread", values={":spread": spread})

    def spread(self, task: str) -> float | None:
        """Give the spread that the task's last verdict measured; ``None`` where there was none."""
        found = (self._table.get(**_key(task)) or {}).get("spread")
        return None if found is None else float(found)


def _key(task: str) -> dict[str, str]:
    return {"pk": f"TASK#{task}", "sk": "LOOKS"}
