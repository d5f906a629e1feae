"""Which resources of the account were seen to be other people's, so that their tags are not read every hour.

Summaries carry no tags, so whose a resource is takes one call each; an account may have thousands of other models.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.gateways.registry.table import Table

SURE_AFTER = timedelta(days=1)
"""What is younger is asked again: tags may be written a moment after the resource."""

LONGEST_MEMORY_HOURS, SHORTEST_MEMORY_HOURS = 24, 12
"""Hours after which tags are read again: somebody may have given a resource back. Spread, so that not all are due in
the same hour."""

MOST_REMEMBERED = 10_000
"""Resources in one item: about 20 bytes each, of the 400 KB that an item may have."""

_KEY = {"pk": "INVENTORY", "sk": "FOREIGN"}
_DIGITS = 12

_logger = logging.getLogger(__name__)


class ForeignResources:
    """A memory of ARNs that carried another environment's tag, or none.

    Parameters
    ----------
    now : callable
        The time, aware.
    table : Table, optional
        The registry table, where it is kept between looks; without it the memory lasts as long as this object.
    """

    def __init__(self, now: Callable[[], datetime], table: Table | None = None) -> None:
        self._now, self._table = now, table
        self._known: dict[str, int] | None = None if table else {}
        self._listed: dict[str, int] = {}

    def knows(self, arn: str) -> bool:
        """Tell whether a resource was found to be other people's lately."""
        if self._known is None:
            self._known = self._read()
        key = _digest(arn)
        read_at = self._known.get(key)
        if read_at is None:
            return False
        memory = SHORTEST_MEMORY_HOURS + int(key, 16) % (LONGEST_MEMORY_HOURS - SHORTEST_MEMORY_HOURS + 1)
        if not 0 <= self._hour() - read_at < memory:
            return False
        self._listed[key] = read_at
        return True

    def note(self, arn: str, created_at: datetime) -> None:
        """Remember a resource as other people's, unless it is so new that its tags may still come."""
        if self._now() - created_at < SURE_AFTER:
            return
        self._listed[_digest(arn)] = self._hour()

    def keep(self) -> None:
        """Keep what was listed for the next look, and forget what is gone; nothing is written where nothing changed."""
        if len(self._listed) > MOST_REMEMBERED:
            extra = {"resources": len(self._listed), "limit": MOST_REMEMBERED}
            _logger.warning("more foreign resources than can be remembered: their tags are read each time", extra=extra)
        kept = dict(list(self._listed.items())[:MOST_REMEMBERED])
        if self._table is not None and kept != (self._known or {}):
            self._table.put({**_KEY, "seen": kept})
        self._known, self._listed = kept, {}

    def _read(self) -> dict[str, int]:
        item = (self._table.get(**_KEY) if self._table else None) or {}
        return {str(key): int(hour) for key, hour in item.get("seen", {}).items()}

    def _hour(self) -> int:
        return int(self._now().timestamp() // 3600)


def _digest(arn: str) -> str:
    return hashlib.sha256(arn.encode()).hexdigest()[:_DIGITS]
