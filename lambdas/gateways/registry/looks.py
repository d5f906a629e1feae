"""How often a holdout was looked at, and what the last look measured: each verdict on the same records tries chance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lambdas.domain.evaluation.holdout_looks import look_number, sketch
from lambdas.gateways.registry.table import ConditionFailed, Table

if TYPE_CHECKING:
    from lambdas.gateways.registry.items import Item

MOST_KEPT = 200
"""Verdicts of a task that are kept, so that the item stays small (110 kB); a later one is the last look of all."""


class Looks:
    """Runs of a task that were judged, in the order of their verdicts, with what stands for their holdouts.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def take(self, task: str, holdout: Iterable[str], run_id: str, verdict: int = 1) -> int:
        """Count a run's look and give its number, from 1; a retry of the run keeps the number that it had.

        Parameters
        ----------
        task : str
        holdout : iterable of str
            Ids of the holdout's records.
        run_id : str
        verdict : int
            Which verdict of the run it is, from 1: each sending of labels has one of its own. The run is kept once for
            each, so that later runs count them all.
        """
        present, key = sketch(holdout), _key(task)
        item = self._table.get(**key) or {}
        while (runs := _runs(item)).count(run_id) < verdict and len(runs) < MOST_KEPT:
            try:
                item = self._table.update(
                    **key,
                    expression=(
                        "SET #runs = list_append(if_not_exists(#runs, :none), :run), "
                        "#sketches = list_append(if_not_exists(#sketches, :none), :sketch)"
                    ),
                    values={":none": [], ":run": [run_id], ":sketch": [",".join(present)], ":known": len(runs)},
                    condition="attribute_not_exists(#runs) OR size(#runs) = :known",
                )
            except ConditionFailed:
                item = self._table.get(**key) or {}  # another run was judged meanwhile
        sketches = [str(one).split(",") for one in item.get("sketches", [])]
        return look_number(run_id, runs, sketches, present, verdict)

    def note_spread(self, task: str, spread: float) -> None:
        """Keep the standard deviation of one paired difference, in judge points, for the next plan."""
        self._table.update(**_key(task), expression="SET spread = :spread", values={":spread": spread})

    def spread(self, task: str) -> float | None:
        """Give the spread that the task's last verdict measured; ``None`` where there was none."""
        found = (self._table.get(**_key(task)) or {}).get("spread")
        return None if found is None else float(found)


def _runs(item: Item) -> list[str]:
    return [str(one) for one in item.get("runs", [])]


def _key(task: str) -> dict[str, str]:
    return {"pk": f"TASK#{task}", "sk": "LOOKS"}
