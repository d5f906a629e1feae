"""Shards: each record once, large ones before small ones."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.dataset.records import PARTITIONS
from lambdas.domain.dataset.shards import LEAST_RECORDS_A_SHARD, RECORDS_A_SHARD, shard_widths, shards
from tests.unit.domain.samples import records


@pytest.mark.parametrize("kind", ["teacher", "holdout"])
@pytest.mark.parametrize("at_once", [1, 4, 40])
@pytest.mark.parametrize("count", [0, 1, 61, 700, 3_000])
def test_shards_hold_every_record_once_in_the_range_of_their_name(kind: str, count: int, at_once: int) -> None:
    # Given
    found = records(count)

    # When
    grouped = shards(found, kind, at_once)

    # Then
    assert sorted(record.id for members in grouped.values() for record in members) == sorted(item.id for item in found)
    for name, members in grouped.items():
        first, last = map(int, name.split("-"))
        assert all(first <= record.partition <= last for record in members)
        assert len(members) <= 2 * RECORDS_A_SHARD[kind]


@given(count=st.integers(1, 20_000), kind=st.sampled_from(["teacher", "holdout"]), at_once=st.integers(1, 40))
def test_the_shards_that_begin_last_are_the_smallest(count: int, kind: str, at_once: int) -> None:
    # Given
    most = RECORDS_A_SHARD[kind]

    # When
    widths = list(shard_widths(count, most, at_once))

    # Then they are all partitions, larger before smaller but for a rest that would be too small by itself
    assert sum(widths) == PARTITIONS
    assert all(later <= earlier for earlier, later in itertools.pairwise(widths[:-1]))
    assert widths[-1] <= 1.5 * max(widths[-2:]) + 1
    # And none has more than it may, nor so few that it is all beginning and end, while there are partitions for it
    sizes = [width * count / PARTITIONS for width in widths]
    assert max(sizes) <= max(1.5 * most, count / PARTITIONS)
    assert min(sizes) >= min(LEAST_RECORDS_A_SHARD / 2, count)
