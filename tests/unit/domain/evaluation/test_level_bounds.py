"""Exact shares, ratios of paired times, Holm, corrections by labels, and the holdout that is planned."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.confidence_bounds import mean_bounds
from lambdas.domain.evaluation.labelled import labelled_bounds
from lambdas.domain.evaluation.level_bounds import holm, ratio_bounds, share_bounds
from lambdas.domain.evaluation.planned_holdout import MOST_PLANNED, gate_power, planned_holdout
from lambdas.domain.task.task_definition import TaskDefinition

LIMITS = (-4.0, 4.0)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(270, 270, 0.98897, 1.0), (0, 10, 0.0, 0.25887), (5, 10, 0.22244, 0.77756), (98, 99, 0.95296, 0.99948)],
)
def test_the_bounds_of_a_share_are_those_of_clopper_and_pearson(
    successes: int, trials: int, low: float, high: float
) -> None:
    # Given / When
    bounds = share_bounds(successes, trials)

    # Then, as the quantiles of the beta distribution give them
    assert [bounds.low, bounds.high] == pytest.approx([low, high], abs=2e-5)


@given(st.integers(1, 3_000), st.floats(0, 1))
def test_the_bounds_enclose_the_share(trials: int, part: float) -> None:
    # Given / When
    bounds = share_bounds(round(trials * part), trials)

    # Then
    assert 0 <= bounds.low <= bounds.share <= bounds.high <= 1


def test_a_ratio_lies_within_its_bounds_in_nine_of_ten_draws() -> None:
    # Given times of a student that needs 0.48 of the baseline's, both varying
    random = Random(4)  # noqa: S311 - a simulation

    def outside() -> bool:
        pairs = [(480 * random.lognormvariate(0, 0.5), 1_000 * random.lognormvariate(0, 0.4)) for _ in range(120)]
        bounds = ratio_bounds(pairs)
        return not bounds.low <= 0.48 * math.exp(0.5**2 / 2 - 0.4**2 / 2) <= bounds.high

    # When / Then, within three standard errors
    assert sum(outside() for _ in range(60)) / 60 == pytest.approx(0.1, abs=0.117)


def test_times_of_one_group_are_drawn_together() -> None:
    # Given twenty groups of ten equal times each
    random = Random(7)  # noqa: S311 - a sample
    times = [random.lognormvariate(0, 1) for _ in range(20)]
    pairs = [(time, 1.0) for time in times for _ in range(10)]

    # When
    alone, together = ratio_bounds(pairs), ratio_bounds(pairs, [number // 10 for number in range(200)])

    # Then
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_a_mean_of_groups_is_as_wide_as_that_of_one_record_each() -> None:
    # Given differences that four records of a conversation share
    random = Random(9)  # noqa: S311 - a sample
    drawn = [random.choice((-2, -1, 0, 1)) for _ in range(60)]
    values, groups = [value for value in drawn for _ in range(4)], [number // 4 for number in range(240)]

    # When
    one, grouped, alone = (
        mean_bounds(drawn, LIMITS),
        mean_bounds(values, LIMITS, groups=groups),
        mean_bounds(values, LIMITS),
    )

    # Then
    assert (grouped.groups, grouped.records, alone.groups) == (60, 240, 240)
    assert grouped.low == pytest.approx(one.low, abs=0.03)
    assert alone.low > grouped.low + 0.1


def test_what_is_far_below_leaves_its_share_of_the_error_to_the_others() -> None:
    # Given three means, two of them measured below their floors, of four that have one
    bounds = {("far", 1 / 4): 1.0, ("near", 1 / 4): 3.0, ("near", 1 / 3): 2.9}
    asked: list[tuple[str, float]] = []

    def high(name: str, error: float) -> float:
        asked.append((name, error))
        return bounds[name, round(error / 0.05, 6) if error == 0.05 / 4 else 1 / 3]

    # When / Then
    assert holm({"far": 2.0, "near": 2.95}, 4, high) == {"far", "near"}
    assert ("near", 0.05 / 3) in asked


@pytest.mark.parametrize("bias", [0.0, 0.15])
def test_a_biased_judge_corrected_by_labels_promotes_no_worse_student_too_often(bias: float) -> None:
    # Given a student at the margin, a judge that likes it better than people do, and 100 of 300 records labelled
    random = Random(f"labels {bias}")  # noqa: S311 - a simulation

    def passes(truth: float) -> bool:
        human = {f"r{number}": truth + random.gauss(0, 0.8) for number in range(300)}
        judged = {record: value + bias + random.gauss(0, 0.5) for record, value in human.items()}
        labels = {record: human[record] for record in list(human)[:100]}
        return -labelled_bounds(judged, labels).bounds.low <= 0.2

    # When
    wrong, right = (sum(passes(truth) for _ in range(600)) / 600 for truth in (-0.2, 0.0))

    # Then
    assert wrong <= 0.05 + 3 * (0.05 * 0.95 / 600) ** 0.5
    assert right >= 0.8 - 3 * (0.8 * 0.2 / 600) ** 0.5


def test_one_label_is_not_enough_to_correct_anything() -> None:
    # Given / When / Then
    with pytest.raises(ValueError, match="one label"):
        labelled_bounds({"a": 1.0, "b": 0.0}, {"a": 1.0})


def test_more_is_planned_where_more_can_go_wrong() -> None:
    # Given
    plain, checked = TaskDefinition.default(), TaskDefinition.from_document({"output_schema": {"type": "object"}})

    # When
    sizes = [
        planned_holdout(plain).records,
        planned_holdout(checked).records,
        planned_holdout(checked, None, {"rare": 0.05}).records,
        planned_holdout(checked, 1.2).records,
    ]

    # Then
    assert sizes[0] == 99 < sizes[1] < min(sizes[2:])
    assert max(sizes) <= MOST_PLANNED
    assert gate_power(checked, 99, 0.8) < 0.6
    assert gate_power(checked, sizes[1], 0.8) >= 0.8


def test_a_cap_is_said_and_is_never_below_what_a_small_drop_needs() -> None:
    # Given
    small = planned_holdout(TaskDefinition.from_document({"gate": {"max_quality_drop": 0.05}}))
    rare = planned_holdout(TaskDefinition.default(), None, {"rare": 0.01})

    # When / Then
    assert small.records > MOST_PLANNED
    assert (rare.records, rare.capped) == (MOST_PLANNED, True)
    assert "more than 600 are not planned" in rare.sentence()
