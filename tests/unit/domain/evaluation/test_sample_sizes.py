"""What is too small is refused or warned of with both numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.dataset.builder import Dataset, DatasetCounts
from lambdas.domain.errors import DatasetRefused, InvalidUpload
from lambdas.domain.evaluation.dataset_checks import check_damage, check_minimum, check_sizes, size_warnings
from lambdas.domain.evaluation.sample_sizes import holdout_records_needed, training_records_needed
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.domain.samples import records


def dataset(train: int, holdout: int, rejected: int = 0) -> Dataset:
    counts = DatasetCounts(lines=train + holdout + rejected, rejected=rejected)
    return Dataset(records(train), records(holdout), counts)


def test_the_minimum_counts_distinct_usable_prompts() -> None:
    # Given / When
    check_minimum(dataset(80, 20))

    # Then one less is refused with what is there and what is needed
    with pytest.raises(DatasetRefused, match=r"99 distinct usable prompts of at least 100 .* from 106 lines \(7 rej"):
        check_minimum(dataset(80, 19, rejected=7))


def test_a_small_part_is_warned_of_as_the_run_will_refuse_it() -> None:
    # Given
    task = TaskDefinition.default()
    small = dataset(90, 98)

    # When
    training, holdout = size_warnings(small, task)

    # Then
    assert training.startswith("90 training records; a run needs")
    assert holdout.startswith("98 holdout records; a run needs 99")
    assert size_warnings(dataset(400, 99), task) == []
    with pytest.raises(DatasetRefused, match=r"90 training records of at least .* 98 holdout records of at least 99"):
        check_sizes(small, task)


def test_one_damaged_line_is_refused_with_its_place() -> None:
    # Given
    damaged = dataset(400, 99)
    damaged.counts.damaged, damaged.counts.first_damage = 1, "line 7: not JSON"

    # When / Then
    with pytest.raises(InvalidUpload, match="1 of 499 lines are damaged; line 7: not JSON"):
        check_damage(damaged)


@pytest.mark.parametrize(("train", "holdout"), [(111, 200), (112, 98), (0, 0)])
def test_a_dataset_that_cannot_train_or_prove_is_refused_with_both_numbers(train: int, holdout: int) -> None:
    # Given the defaults: a tenth may be dropped, a margin of 0.2
    # When
    with pytest.raises(DatasetRefused) as refused:
        check_sizes(dataset(train, holdout), TaskDefinition.default())

    # Then
    message = str(refused.value)
    assert f"{train} training records of at least 112" in message
    assert f"{holdout} holdout records of at least 99" in message
    assert "Nothing was paid" in message


def test_a_dataset_of_just_the_needed_sizes_is_accepted() -> None:
    # Given / When / Then: (1.6449 + 0.8416)^2 * 0.8^2 / 0.2^2 = 98.9 and 100 / 0.9 = 111.1
    assert (training_records_needed(0.1), holdout_records_needed(0.2)) == (112, 99)
    check_sizes(dataset(112, 99), TaskDefinition.default())


@given(st.floats(0.01, 4), st.floats(0.01, 4))
def test_a_narrower_margin_never_needs_fewer_records(one: float, other: float) -> None:
    # Given
    narrow, wide = sorted((one, other))

    # When / Then
    assert holdout_records_needed(narrow) >= holdout_records_needed(wide) >= 1


@given(st.floats(0, 0.9))
def test_the_needed_training_records_leave_a_hundred_after_the_worst_drop(rate: Any) -> None:
    # Given / When
    needed = training_records_needed(rate)

    # Then
    assert needed * (1 - rate) >= 100 - 1e-6
