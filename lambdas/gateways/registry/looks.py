"""How often a holdout was looked at: each verdict on the same records gives chance another try."""

from __future__ import annotations

from lambdas.gateways.registry.table import ConditionFailed, Table

MOST_KEPT = 200
"""Runs that an item keeps; a later one is the last look of all, so that the item stays small."""


class Looks:
    """Runs that were judged on each holdout of a task, in the order of their first verdict.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def take(self, task: str, holdout: str, run_id: str) -> int:
        """Count a run's look and give its number, from 1; a retry of the run keeps the number that it had.

        Parameters
        ----------
        task : str
        holdout : str
            Hash of the holdout's records.
        run_id : str
        """
        key = {"pk": f"TASK#{task}", "sk": f"LOOKS#{holdout}"}
        try:
            item = self._table.update(
                **key,
                expression="SET #runs = list_append(if_not_exists(#runs, :none), :run)",
                values={":none": [], ":run": [run_id], ":this": run_id, ":most": MOST_KEPT},
                condition="attribute_not_exists(#runs) OR (NOT contains(#runs, :this) AND size(#runs) < :most)",
            )
        except ConditionFailed:
            item = self._table.get(**key) or {}
        runs = [str(one) for one in item.get("runs", [])]
        return runs.index(run_id) + 1 if run_id in runs else len(runs) + 1
