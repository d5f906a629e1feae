"""Bounds hold what they promise: checked against simulated truth, known formulas and the definition itself."""

from __future__ import annotations

import math
import statistics
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain import bootstrap
from lambdas.domain.bootstrap import binomial, mean_bounds

SIMULATIONS = 800
POPULATION = [(-2, 0.04), (-1, 0.14), (0, 0.618), (1, 0.142), (2, 0.06)]
SKEWED = [(-4, 0.03), (0, 0.919), (1, 0.051)]


def test_nothing_has_no_bounds() -> None:
    # Given / When / Then
    with pytest.raises(ValueError, match="nothing"):
        mean_bounds([])


@pytest.mark.parametrize("value", [[0], [2] * 50])
def test_values_without_spread_are_their_own_bounds(value: list[int]) -> None:
    # Given / When
    bounds = mean_bounds(value)

    # Then
    assert (bounds.low, bounds.mean, bounds.high, bounds.spread) == (value[0], value[0], value[0], 0)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=300), st.randoms(use_true_random=False))
def test_bounds_enclose_the_mean_and_depend_on_the_values_alone(values: list[int], random: Random) -> None:
    # Given the same values in another order
    shuffled = random.sample(values, len(values))

    # When
    bounds = mean_bounds(values)

    # Then
    assert bounds == mean_bounds(shuffled)
    assert min(values) <= bounds.low <= bounds.mean + 1e-9
    assert bounds.mean - 1e-9 <= bounds.high <= max(values)
    assert bounds.mean == pytest.approx(statistics.fmean(values))
    assert bounds.spread == pytest.approx(statistics.stdev(values))


@pytest.mark.parametrize("size", [400, 10_000])
def test_with_many_records_the_bounds_are_those_of_the_normal_approximation(size: int) -> None:
    # Given
    values = Random(7).choices([value for value, _ in POPULATION], [share for _, share in POPULATION], k=size)  # noqa: S311

    # When
    bounds = mean_bounds(values)

    # Then
    half = 1.645 * bounds.spread / math.sqrt(size)
    assert bounds.low == pytest.approx(bounds.mean - half, abs=0.1 * half)
    assert bounds.high == pytest.approx(bounds.mean + half, abs=0.1 * half)


@pytest.mark.parametrize(("trials", "probability"), [(1, 0.5), (7, 0.3), (1_000, 0.013), (10_000, 0.999)])
def test_draws_have_the_mean_and_variance_of_the_binomial_distribution(trials: int, probability: float) -> None:
    # Given
    random, draws = Random(11), 4_000  # noqa: S311 - a simulation

    # When
    drawn = [binomial(random, trials, probability) for _ in range(draws)]

    # Then within four standard errors
    variance = trials * probability * (1 - probability)
    assert all(0 <= count <= trials for count in drawn)
    assert statistics.fmean(drawn) == pytest.approx(trials * probability, abs=4 * math.sqrt(variance / draws))
    assert statistics.pvariance(drawn) == pytest.approx(variance, rel=0.12)


@pytest.mark.parametrize(("trials", "probability", "expected"), [(0, 0.5, 0), (9, 0.0, 0), (9, 1.0, 9)])
def test_draws_at_the_ends_are_certain(trials: int, probability: float, expected: int) -> None:
    # Given / When / Then
    assert binomial(Random(1), trials, probability) == expected  # noqa: S311 - a simulation


@pytest.mark.parametrize("population", [POPULATION, SKEWED])
def test_a_student_exactly_at_the_margin_passes_in_five_percent_of_evaluations(
    population: list[tuple[int, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given many evaluations of 200 records whose true mean difference is the margin itself
    monkeypatch.setattr(bootstrap, "RESAMPLES", 500)
    values, shares = [value for value, _ in population], [share for _, share in population]
    truth = sum(value * share for value, share in population)
    random = Random(3)  # noqa: S311 - a simulation

    # When
    samples = [mean_bounds(random.choices(values, shares, k=200)) for _ in range(SIMULATIONS)]

    # Then both one-sided errors are 5 %, within three standard errors of the simulation
    passed = sum(bounds.low >= truth - 1e-9 for bounds in samples) / SIMULATIONS
    refused = sum(bounds.high < truth - 1e-9 for bounds in samples) / SIMULATIONS
    allowed = 3 * math.sqrt(0.05 * 0.95 / SIMULATIONS)
    assert passed == pytest.approx(0.05, abs=allowed)
    assert refused == pytest.approx(0.05, abs=allowed)
