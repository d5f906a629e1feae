"""Faults on what a student learns from: exactly the ordered part of the training pairs is worse, nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.bedrock_simulator.brains.student import Pair
from local.bedrock_simulator.customization.label_faults import category_of, worse_labels
from local.bedrock_simulator.faults import Fault


def pair(number: int, category: str) -> Pair:
    weights = {name: 0.7 if name == category else 0.1 for name in ("visual", "audio", "metadata")}
    return Pair(f"question {number}", json.dumps(weights))


categories = st.lists(st.sampled_from(["visual", "audio", "metadata"]), min_size=2, max_size=40)


@given(categories)
def test_the_most_frequent_category_is_gone_and_the_rest_untouched(names: list[str]) -> None:
    # Given
    pairs = [pair(number, name) for number, name in enumerate(names)]
    # When
    left = worse_labels(pairs, [Fault("remove_category", {"category": None}, None, 0)])
    # Then
    most = max(dict.fromkeys(names), key=names.count)
    expected = [item for item, name in zip(pairs, names, strict=True) if name != most]
    assert left == (expected or pairs)


def test_a_category_can_be_named() -> None:
    # Given
    pairs = [pair(0, "visual"), pair(1, "visual"), pair(2, "audio")]
    # When
    left = worse_labels(pairs, [Fault("remove_category", {"category": "audio"}, None, 0)])
    # Then
    assert [category_of(item.answer) for item in left] == ["visual", "visual"]


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_noise_moves_at_most_its_share_of_the_labels_and_no_question(share: float) -> None:
    # Given
    pairs = [Pair(f"question {number}", f'{{"n": {number}}}') for number in range(100)]
    # When
    worse = worse_labels(pairs, [Fault("label_noise", {"fraction": share, "seed": 0}, None, 0)])
    # Then
    moved = sum(new.answer != old.answer for new, old in zip(worse, pairs, strict=True))
    assert 0.8 * share * 100 <= moved <= share * 100
    assert sorted(item.answer for item in worse) == sorted(item.answer for item in pairs)
    assert [item.question for item in worse] == [item.question for item in pairs]
