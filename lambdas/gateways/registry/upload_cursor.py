"""How far the search for uploads without a run has come: a bucket may have more objects than one look reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.gateways.registry.table import Table

_KEY = {"pk": "UPLOADS", "sk": "CURSOR"}


class UploadCursor:
    """The key after which the next look goes on.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def after(self) -> str:
        """Give the key after which to go on; empty for the beginning."""
        return str((self._table.get(**_KEY) or {}).get("after", ""))

    def go_on_after(self, key: str) -> None:
        """Keep the key after which to go on; empty where the end was reached. Nothing is written for a small bucket."""
        if key != self.after():
            self._table.update(**_KEY, expression="SET #after = :after", values={":after": key})
