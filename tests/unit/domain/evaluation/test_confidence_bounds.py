"""Bounds hold what they promise: checked against simulated truth, known formulas and the definition itself."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.evaluation import confidence_bounds
from lambdas.domain.evaluation.confidence_bounds import binomial, error_of_look, mean_bounds
from lambdas.domain.evaluation.sample_sizes import ASSUMED_SPREAD, holdout_records_needed

SIMULATIONS = 800
POPULATION = [(-2, 0.04), (-1, 0.14), (0, 0.618), (1, 0.142), (2, 0.06)]
SKEWED = [(-4, 0.03), (0, 0.919), (1, 0.051)]
RARELY_BAD = [(-4, 0.015), (-1, 0.14), (0, 0.845)]
SAMPLING_ERROR = 3 * math.sqrt(0.05 * 0.95 / SIMULATIONS)
LIMITS = (-4, 4)


def test_nothing_has_no_bounds() -> None:
    # Given / When / Then
    with pytest.raises(ValueError, match="nothing"):
        mean_bounds([], LIMITS)


@pytest.mark.parametrize(("value", "records"), [(0, 1), (0, 20), (0, 99), (2, 50), (-4, 30), (4, 30)])
def test_equal_values_leave_room_for_what_so_few_need_not_have_shown(value: int, records: int) -> None:
    # Given values without spread, of which every resample is alike
    bounds = mean_bounds([value] * records, LIMITS)

    # When a population has just so many of the worst values that its mean is the bound
    hidden = (value - bounds.low) / (value + 4) if value > -4 else 0.0

    # Then draws like these come from it in one of twenty evaluations, and from a worse one more rarely
    assert (bounds.mean, bounds.spread, bounds.resampled_low) == (value, 0, value)
    assert (1 - hidden) ** records == pytest.approx(0.05 if value > -4 else 1.0)
    assert bounds.high - value == pytest.approx((4 - value) * (1 - 0.05 ** (1 / records)))


def test_each_later_look_is_bounded_further_out_however_many_there_were() -> None:
    # Given an error that lies beyond all resamples from about the thirtieth look on
    random = Random(3)  # noqa: S311 - a simulation
    values = random.choices([-1, 0, 1], [0.25, 0.6, 0.15], k=300)

    # When
    bounds = [mean_bounds(values, LIMITS, error=error_of_look(look)) for look in (1, 2, 5, 10, 30, 60, 200)]

    # Then they lie about where the normal distribution has them
    lows = [found.low for found in bounds]
    assert all(later < earlier - 0.005 for earlier, later in pairwise(lows))
    deviation = bounds[0].spread / math.sqrt(len(values))
    assert (bounds[0].mean - lows[-1]) / deviation == pytest.approx(4.56, rel=0.08)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=300), st.randoms(use_true_random=False))
def test_bounds_enclose_the_mean_and_depend_on_the_values_alone(values: list[int], random: Random) -> None:
    # Given the same values in another order
    shuffled = random.sample(values, len(values))

    # When
    bounds = mean_bounds(values, LIMITS)

    # Then
    assert bounds == mean_bounds(shuffled, LIMITS)
    assert LIMITS[0] <= bounds.low <= bounds.resampled_low <= bounds.mean + 1e-9
    assert min(values) <= bounds.resampled_low
    assert bounds.mean - 1e-9 <= bounds.high <= LIMITS[1]
    assert bounds.mean == pytest.approx(statistics.fmean(values))
    assert bounds.spread == pytest.approx(statistics.stdev(values))


@pytest.mark.parametrize("size", [400, 10_000])
def test_with_many_records_the_bounds_are_those_of_the_normal_approximation(size: int) -> None:
    # Given
    values = Random(7).choices([value for value, _ in POPULATION], [share for _, share in POPULATION], k=size)  # noqa: S311

    # When
    bounds = mean_bounds(values, LIMITS)

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


@pytest.mark.parametrize(
    ("population", "size"),
    [(POPULATION, 200), (SKEWED, 200), (RARELY_BAD, 400)],
)
def test_a_student_exactly_at_the_margin_passes_in_five_percent_of_evaluations(
    population: list[tuple[int, float]], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given many evaluations whose true mean difference is the margin itself
    passed, refused = error_rates(population, size, monkeypatch)

    # Then both one-sided errors are 5 %, within three standard errors of the simulation
    assert passed == pytest.approx(0.05, abs=SAMPLING_ERROR)
    assert refused == pytest.approx(0.05, abs=SAMPLING_ERROR)


@pytest.mark.parametrize(("margin", "share"), [(0.2, 0.3), (0.2, 0.5), (0.3, 0.5), (0.5, 0.6), (1.0, 0.8)])
def test_with_the_records_that_are_planned_a_rarely_terrible_student_does_not_pass_more_often(
    margin: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a student at the margin, some of it by answers that are one point worse and some by rare ones that are four
    terrible = share * margin / 4
    worse = margin - 4 * terrible
    population = [(-4, terrible), (-1, worse), (0, 1 - terrible - worse)]

    # When
    passed, _ = error_rates(population, holdout_records_needed(margin), monkeypatch)

    # Then
    assert passed <= 0.05 + SAMPLING_ERROR


@pytest.mark.parametrize("margin", [0.2, 0.3, 1.0])
def test_with_the_records_that_are_planned_an_equal_student_passes_in_eighty_percent(
    margin: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given equals whose differences have the spread that is planned with
    monkeypatch.setattr(confidence_bounds, "RESAMPLES", 500)
    shares = [ASSUMED_SPREAD**2 / 2, 1 - ASSUMED_SPREAD**2, ASSUMED_SPREAD**2 / 2]
    random, size = Random(5), holdout_records_needed(margin)  # noqa: S311 - a simulation

    # When
    samples = [mean_bounds(random.choices([-1, 0, 1], shares, k=size), LIMITS) for _ in range(200)]

    # Then, within three standard errors of the simulation
    passed = sum(-bounds.low <= margin for bounds in samples) / 200
    assert passed >= 0.8 - 3 * math.sqrt(0.8 * 0.2 / 200)


def error_rates(population: list[tuple[int, float]], size: int, monkeypatch: pytest.MonkeyPatch) -> tuple[float, float]:
    """Give how often a student passes whose true mean difference is the margin, and how often it is shown worse."""
    monkeypatch.setattr(confidence_bounds, "RESAMPLES", 500)
    values, shares = [value for value, _ in population], [share for _, share in population]
    truth = sum(value * share for value, share in population)
    random = Random(3)  # noqa: S311 - a simulation
    draws = [tuple(sorted(random.choices(values, shares, k=size))) for _ in range(SIMULATIONS)]
    known = {draw: mean_bounds(draw, LIMITS) for draw in set(draws)}
    samples = [known[draw] for draw in draws]
    passed = sum(bounds.low >= truth - 1e-9 for bounds in samples) / SIMULATIONS
    refused = sum(bounds.high < truth - 1e-9 for bounds in samples) / SIMULATIONS
    return passed, refused
