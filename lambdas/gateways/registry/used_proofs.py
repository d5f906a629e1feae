"""Which proofs of identity have been used: each is good once. One is as small as a ledger line, and stays."""

from __future__ import annotations

from lambdas.gateways.registry.table import ConditionFailed, Table


class UsedProofs:
    """The used proofs of an environment.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def use(self, proof_id: str, used_for: str) -> bool:
        """Use a proof up.

        Parameters
        ----------
        proof_id : str
            By what it is known again; the proof itself is stored nowhere.
        used_for : str
            What it is used for.

        Returns
        -------
        bool
            False where it was used before.
        """
        try:
            self._table.update(
                f"PROOF#{proof_id}",
                "PROOF",
                "SET used_for = :for",
                {":for": used_for},
                "attribute_not_exists(used_for)",
            )
        except ConditionFailed:
            return False
        return True

    def used_for(self, proof_id: str) -> str | None:
        """Say what a proof was used for; ``None``: for nothing yet."""
        item = self._table.get(f"PROOF#{proof_id}", "PROOF") or {}
        said = item.get("used_for")
        return str(said) if said else None
