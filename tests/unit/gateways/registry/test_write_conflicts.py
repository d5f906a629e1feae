"""A write beside a transaction on the same item: DynamoDB refuses it at once and botocore does not try again."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.gateways.registry import table as table_module
from lambdas.gateways.registry.table import CONFLICT_TRIES, ConditionFailed, Table

CONFLICT = {"Code": "TransactionConflict"}
CONDITION = {"Code": "ConditionalCheckFailed"}
NOTHING = {"Code": "None"}


class BusyDynamoDB:
    """Refuses some writes, then takes them."""

    def __init__(self, refusals: int, code: str, *reasons: dict[str, str]) -> None:
        self.refusals, self.writes = refusals, 0
        self._answer: Any = {"Error": {"Code": code}, "CancellationReasons": list(reasons)}

    def transact_write_items(self, **_request: Any) -> dict[str, Any]:
        return self._write()

    def update_item(self, **_request: Any) -> dict[str, Any]:
        return {"Attributes": {}, **self._write()}

    def _write(self) -> dict[str, Any]:
        self.writes += 1
        if self.writes <= self.refusals:
            raise ClientError(self._answer, "Write")
        return {}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "LONGEST_CONFLICT_PAUSE_S", 0.0)


def test_a_conflict_that_does_not_end_is_raised_as_it_is() -> None:
    # Given
    busy: Any = BusyDynamoDB(1000, "TransactionCanceledException", CONFLICT, NOTHING)

    # When / Then
    with pytest.raises(ClientError):
        Table(busy, "registry").update_together({}, {})
    assert busy.writes == CONFLICT_TRIES


def test_a_condition_that_fails_beside_a_conflict_is_not_tried_again() -> None:
    # Given
    busy: Any = BusyDynamoDB(1000, "TransactionCanceledException", CONFLICT, CONDITION)

    # When / Then
    with pytest.raises(ConditionFailed):
        Table(busy, "registry").update_together({}, {})
    assert busy.writes == 1


def test_a_transaction_is_tried_until_the_other_one_has_ended() -> None:
    # Given
    busy: Any = BusyDynamoDB(2, "TransactionCanceledException", CONFLICT, NOTHING)

    # When
    Table(busy, "registry").update_together({}, {})

    # Then
    assert busy.writes == 3


def test_a_single_update_beside_a_transaction_is_tried_again() -> None:
    # Given
    busy: Any = BusyDynamoDB(1, "TransactionConflictException")

    # When
    Table(busy, "registry").update("SLOTS", "SLOTS", "DELETE running :run", {":run": {"run"}})

    # Then
    assert busy.writes == 2
