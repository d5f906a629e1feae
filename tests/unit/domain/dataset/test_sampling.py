"""Of too many records the same ones are taken in any order, and no slice is lost."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.dataset.records import Record, parse_line
from lambdas.domain.dataset.sampling import EVEN_SHARE, Choice


def record(number: int, kind: str | None = None) -> Record:
    slices = {} if kind is None else {"slices": {"kind": kind}}
    return parse_line(json.dumps({"prompt": f"cats number {number}", **slices}).encode())


def by_the_rule(records: list[Record], limit: int) -> list[Record]:
    """Deal the even places one at a time, over all records at once; the rest by id."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for item in sorted(records):
        groups[item.slices.get("kind", "")].append(item)
    even: list[Record] = []
    level = 0
    while len(even) < limit // EVEN_SHARE and any(len(group) > level for group in groups.values()):
        for name in sorted(groups, reverse=True):
            if len(groups[name]) > level and len(even) < limit // EVEN_SHARE:
                even.append(groups[name][level])
        level += 1
    others = [item for item in sorted(records) if item not in even]
    return sorted(even + others[: limit - len(even)])


def taken(records: list[Record], limit: int) -> list[Record]:
    choice = Choice(limit)
    for item in records:
        choice.add(item)
    return choice.in_order()


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(["a", "a", "a", "a", "b", "b", "c", "d", "e", None]), max_size=200),
    st.integers(1, 40),
    st.randoms(use_true_random=False),
)
def test_the_choice_in_one_pass_is_the_rule_in_any_order(kinds: list[str | None], limit: int, random: Any) -> None:
    # Given records of slices of different sizes, shuffled
    records = [record(number, kind) for number, kind in enumerate(kinds)]
    shuffled = list(records)
    random.shuffle(shuffled)

    # When / Then
    assert taken(shuffled, limit) == (by_the_rule(records, limit) if len(records) > limit else sorted(records))


def test_without_slices_the_smallest_ids_are_taken() -> None:
    # Given / When
    records = [record(number) for number in range(200)]

    # Then
    assert taken(records, 50) == sorted(records)[:50]


def test_a_rare_slice_is_kept_and_the_mix_of_the_large_ones_too() -> None:
    # Given three of 4,000 records in a slice of their own, and two large slices of three to one
    kinds = ["rare"] * 3 + ["few"] * 1_000 + ["many"] * 2_997
    records = [record(number, kind) for number, kind in enumerate(kinds)]

    # When
    counts: dict[str, int] = defaultdict(int)
    for item in taken(records, 500):
        counts[item.slices["kind"]] += 1

    # Then
    assert counts["rare"] == 3
    assert sum(counts.values()) == 500
    assert 250 < counts["many"] < 400
