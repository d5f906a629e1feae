"""Looks at a holdout are counted once a run, in their order, and an item stays small."""

from __future__ import annotations

import pytest

from lambdas.domain.evaluation.confidence_bounds import ALPHA, error_of_look, error_spent
from lambdas.gateways.registry import looks
from lambdas.gateways.registry.looks import Looks
from lambdas.gateways.registry.table import Table
from tests.unit.gateways.registry.embedded_table import dynamodb, table

__all__ = ["dynamodb", "table"]


def test_a_retry_is_the_same_look_and_another_run_the_next(table: Table) -> None:
    # Given
    book = Looks(table)

    # When
    found = [book.take("video", "h1", run) for run in ("a", "b", "a", "c", "b")]

    # Then
    assert found == [1, 2, 1, 3, 2]
    assert [book.take("video", "h2", "a"), book.take("other", "h1", "z")] == [1, 1]


def test_an_item_keeps_so_many_runs_and_no_more(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(looks, "MOST_KEPT", 3)
    book = Looks(table)

    # When / Then
    assert [book.take("video", "h", f"run-{number}") for number in range(5)] == [1, 2, 3, 4, 4]


def test_all_looks_together_spend_no_more_than_twice_the_first() -> None:
    # Given / When
    spent = [sum(error_of_look(look) for look in range(1, looks + 1)) for looks in (1, 2, 10, 1_000)]

    # Then
    assert spent == [pytest.approx(error_spent(number)) for number in (1, 2, 10, 1_000)]
    assert spent[0] == pytest.approx(ALPHA)
    assert max(spent) < 2 * ALPHA
