"""What a shard said when it failed, in the facts of its run: a Distributed Map reports a failed child as a number."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lambdas.gateways.registry.runs import run_key
from lambdas.gateways.registry.table import ConditionFailed, Table

if TYPE_CHECKING:
    from lambdas.domain.run_facts import ShardFailure

AFTER_A_FAILURE = {":release": "ReleaseResources", ":report": "PublishReport"}
"""Stages of a run whose map has failed."""


class ShardFailures:
    """The last failure of a shard of each run.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def keep(self, run_id: str, attempt: int, failure: ShardFailure) -> None:
        """Keep what a shard said, unless its map has failed already.

        The Lambdas of a failed map's other shards go on for a while. What fails of them then, because the candidate is
        being deleted or the attempt is over, is not why the map failed.
        """
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                **run_key(run_id),
                expression="SET facts.failure = :failure",
                values={":failure": failure, ":attempt": attempt, **AFTER_A_FAILURE},
                condition=(
                    "attempt = :attempt AND (attribute_not_exists(stage) OR (stage <> :release AND stage <> :report))"
                ),
            )

    def forget(self, run_id: str, failure: ShardFailure) -> None:
        """Forget what a try said that was repeated well; what another one said meanwhile stays."""
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                **run_key(run_id),
                expression="REMOVE facts.failure",
                values={":failure": failure},
                condition="facts.failure = :failure",
            )
