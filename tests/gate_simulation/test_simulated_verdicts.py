"""The worst cells of the simulation, with few verdicts: only a gate that is wrong far too often fails here."""

from __future__ import annotations

from random import Random
from secrets import randbits

import pytest

from lambdas.domain.evaluation import confidence_bounds
from lambdas.domain.evaluation.level_bounds import share_bounds
from tests.gate_simulation.populations import MARGIN, Population, at_the_margin, equal
from tests.gate_simulation.verdicts import (
    Cell,
    false_promotions,
    fidelity_false_claims,
    labelled_passes,
    power_at_planned_size,
    promotions_by_uploads,
    worst_cells,
)

ALLOWED = 0.065
RARELY = 0.0005
"""Chance that a rate at its limit fails here."""


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confidence_bounds, "RESAMPLES", 1_000)


@pytest.fixture
def random() -> Random:
    return Random(randbits(32))


def test_every_population_is_at_the_margin() -> None:
    # Given / When / Then
    for population in at_the_margin():
        assert population.mean == pytest.approx(-MARGIN)
        assert sum(population.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("cell", worst_cells()[:2], ids=lambda cell: f"{cell.records}-{cell.cluster}-{cell.evidence}")
def test_a_student_at_the_margin_is_seldom_promoted(cell: Cell, random: Random) -> None:
    # Given / When
    rate = false_promotions(cell, 80, random)

    # Then
    assert share_bounds(rate.happened, rate.trials, RARELY).low <= ALLOWED


@pytest.mark.thorough
def test_ten_uploads_promote_a_student_at_the_margin_no_oftener_than_all_looks_may(random: Random) -> None:
    # Given / When
    counted, alone = (promotions_by_uploads(at_the_margin()[0], 60, random, counted=each) for each in (True, False))

    # Then
    assert share_bounds(counted.happened, counted.trials, RARELY).low <= 2 * confidence_bounds.ALPHA
    assert alone.happened > counted.happened


def test_a_good_student_passes_the_whole_gate_with_the_records_that_are_planned(random: Random) -> None:
    # Given / When
    rate, planned = power_at_planned_size(50, random)

    # Then
    assert 99 < planned <= 600
    assert share_bounds(rate.happened, rate.trials, RARELY).high >= 0.8


@pytest.mark.parametrize("population", at_the_margin(), ids=lambda population: population.name)
def test_people_keep_a_judge_that_likes_the_student_from_promoting_it_at_the_margin(
    population: Population, random: Random
) -> None:
    # Given / When
    rate = labelled_passes(population, 60, random)

    # Then
    assert share_bounds(rate.happened, rate.trials, RARELY).low <= ALLOWED


def test_a_good_student_passes_with_a_hundred_labels_of_three_hundred_records(random: Random) -> None:
    # Given / When
    rate = labelled_passes(equal(0.8), 100, random)

    # Then
    assert share_bounds(rate.happened, rate.trials, RARELY).high >= 0.8


def test_without_labels_such_a_judge_promotes_it(random: Random) -> None:
    # Given / When / Then
    assert labelled_passes(at_the_margin()[0], 40, random, labels=0).share > ALLOWED


def test_a_copy_of_a_worse_teacher_is_not_called_as_good_as_the_baseline(random: Random) -> None:
    # Given / When / Then
    assert fidelity_false_claims(15, random).happened == 0
