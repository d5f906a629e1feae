"""Whether an environment takes runs: closed while it is torn down, so that nothing new is begun behind its back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.gateways.registry.table import Table

_KEY = {"pk": "INTAKE", "sk": "INTAKE"}


class Intake:
    """The intake of one environment.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def close(self, state_machine_arn: str, now: str) -> None:
        """Close it: uploads are still claimed and wait, nothing is started, created or paid for.

        Parameters
        ----------
        state_machine_arn : str
            The machine of the deployment that is torn down; another deployment's machine opens the intake again.
        now : str
            ISO 8601.
        """
        self._table.put({**_KEY, "closed_for": state_machine_arn, "closed_at": now})

    def open_again(self) -> None:
        """Open it; what waits in the queue is started by the next schedule."""
        self._table.update(**_KEY, expression="REMOVE closed_for, closed_at", values={})

    def closed_since(self) -> str | None:
        """Give since when it is closed, for whatever would create something; ``None`` while it is open."""
        item = self._table.get(**_KEY) or {}
        return str(item["closed_at"]) if "closed_at" in item else None

    def is_closed_for(self, state_machine_arn: str) -> bool:
        """Tell whether this machine may start nothing; the machine of a later deployment opens the intake by asking."""
        item = self._table.get(**_KEY) or {}
        if "closed_for" not in item:
            return False
        if item["closed_for"] == state_machine_arn:
            return True
        self.open_again()
        return False
