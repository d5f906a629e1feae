"""Looks at a holdout are counted once a run, in their order, and an item stays small."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.confidence_bounds import ALPHA, error_of_look, error_spent
from lambdas.domain.evaluation.holdout_looks import SKETCH, share_seen, sketch
from lambdas.domain.identity import digest
from lambdas.gateways.registry import looks
from lambdas.gateways.registry.looks import Looks
from lambdas.gateways.registry.table import Table
from tests.unit.gateways.registry.embedded_table import dynamodb, table

__all__ = ["dynamodb", "table"]


ONE, OTHER = [f"{number:016x}" for number in range(50)], [f"{number:016x}" for number in range(100, 150)]


def test_a_retry_is_the_same_look_and_another_run_the_next(table: Table) -> None:
    # Given
    book = Looks(table)

    # When
    found = [book.take("video", ONE, run) for run in ("a", "b", "a", "c", "b")]

    # Then
    assert found == [1, 2, 1, 3, 2]
    assert [book.take("video", OTHER, "d"), book.take("other", ONE, "z")] == [1, 1]


def test_each_verdict_of_a_run_is_a_look_of_its_own_to_every_later_one(table: Table) -> None:
    # Given a run whose labels were sent three times, before and after another run
    book = Looks(table)
    assert [book.take("video", ONE, "a", verdict) for verdict in (1, 2)] == [1, 2]
    assert book.take("video", ONE, "b") == 3
    assert book.take("video", ONE, "a", 3) == 4

    # When / Then a run that comes later counts them all, and a retry keeps what it had
    assert [book.take("video", ONE, "c"), book.take("video", ONE, "c", 2)] == [5, 6]
    assert [book.take("video", ONE, "a", verdict) for verdict in (1, 2, 3)] == [1, 2, 4]
    assert book.take("video", OTHER, "d", 2) == 2


def test_sendings_that_nobody_counted_are_counted_at_the_next_verdict(table: Table) -> None:
    # Given a run of an earlier version, which was kept once whatever was sent
    book = Looks(table)
    book.take("video", ONE, "a")

    # When / Then
    assert book.take("video", ONE, "a", 4) == 4
    assert book.take("video", ONE, "b") == 5


def test_a_few_new_records_make_no_other_holdout(table: Table) -> None:
    # Given a file to which somebody adds a few lines at each upload
    book = Looks(table)
    ids = sorted(digest("record", number, length=16) for number in range(600))
    Random(5).shuffle(ids)  # noqa: S311 - the same each time

    # When
    found = [book.take("video", sorted(ids[: 200 + 10 * number]), f"run-{number}") for number in range(10)]

    # Then each is another look at the same records
    assert found == list(range(1, 11))


def test_a_holdout_that_is_mostly_new_is_looked_at_for_the_first_time(table: Table) -> None:
    # Given
    book = Looks(table)
    ids = [digest("record", number, length=16) for number in range(1_000)]
    book.take("video", ids[:200], "a")

    # When / Then: a fifth of it was seen; all of it was, in a part; the first again
    assert book.take("video", ids[160:360], "b") == 1
    assert book.take("video", ids[250:350], "c") == 2
    assert book.take("video", ids[:200], "d") == 2


@given(st.sets(st.integers(0, 400), min_size=1), st.sets(st.integers(0, 400), min_size=1))
def test_the_share_that_was_seen_is_exact_for_few_records_and_never_more_than_all(one: set[int], two: set[int]) -> None:
    # Given
    earlier, present = ([digest(number, length=16) for number in found] for found in (one, two))

    # When
    share = share_seen(sketch(earlier), sketch(present))

    # Then
    assert 0 <= share <= 1
    assert share_seen(sketch(present), sketch(present)) == 1
    if max(len(one), len(two)) < SKETCH:
        assert share == len(one & two) / len(two)


def test_an_item_keeps_so_many_runs_and_no_more(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(looks, "MOST_KEPT", 3)
    book = Looks(table)

    # When / Then
    assert [book.take("video", ONE, f"run-{number}") for number in range(5)] == [1, 2, 3, 4, 4]


def test_the_last_measured_spread_is_kept_beside_the_looks(table: Table) -> None:
    # Given
    book = Looks(table)
    assert book.spread("video") is None

    # When
    book.take("video", ONE, "a")
    book.note_spread("video", 0.75)
    book.note_spread("video", 0.5)

    # Then
    assert book.spread("video") == 0.5
    assert book.take("video", ONE, "b") == 2


def test_all_looks_together_spend_no_more_than_twice_the_first() -> None:
    # Given / When
    spent = [sum(error_of_look(look) for look in range(1, looks + 1)) for looks in (1, 2, 10, 1_000)]

    # Then
    assert spent == [pytest.approx(error_spent(number)) for number in (1, 2, 10, 1_000)]
    assert spent[0] == pytest.approx(ALPHA)
    assert max(spent) < 2 * ALPHA
