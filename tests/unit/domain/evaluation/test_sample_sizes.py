"""What is too small is refused or warned of with both numbers."""

from __future__ import annotations

import pytest

from lambdas.domain.dataset.builder import Dataset, DatasetCounts
from lambdas.domain.errors import DatasetRefused, InvalidUpload
from lambdas.domain.evaluation.sample_sizes import check_damage, check_minimum, check_sizes, size_warnings
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
