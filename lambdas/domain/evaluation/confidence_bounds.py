"""Confidence bounds of a mean by the bootstrap, seeded by the data themselves: equal measurements, equal bounds.

Judge scores are whole points, so paired differences take nine values at most. A resample of n records is then a draw
of their counts from a multinomial distribution: exactly the ordinary bootstrap, at a cost that hardly grows with n.

A resample has only values that were seen. With some hundred records or fewer the rare and very bad answer may be
missing, and then every bootstrap is too hopeful. So what decides leaves room for what n records need not have shown.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from random import Random

from lambdas.domain.identity import digest

RESAMPLES = 4_000
"""Draws of a bootstrap: the 5 % quantile is then known to about 0.35 percentage points."""

ALPHA = 0.05
"""Error of each one-sided bound."""

_FEWEST_BEYOND = 10
"""Resamples beyond a quantile without which it is not read from them, but from the normal distribution's tail."""


def error_of_look(look: int) -> float:
    """Give the error that the bound of a look at the same records may have, so that all looks together spend 10 %.

    The first has :data:`ALPHA`, the next a third of it, a sixth, a tenth: the series adds up to twice the first.
    """
    return 2 * ALPHA / (look * (look + 1))


def error_spent(looks: int) -> float:
    """Give the error that so many looks have spent together, at most twice :data:`ALPHA`."""
    return 2 * ALPHA * (1 - 1 / (looks + 1))


_NORMAL = statistics.NormalDist()
_BITS = 53

_Unit = tuple[float, int]
"""Sum and number of the values of a group."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A mean with its one-sided 95 % bounds.

    Attributes
    ----------
    mean, low, high : float
        In the unit of the values; ``low`` and ``high`` together are a two-sided 90 % interval.
    resampled_low : float
        ``low`` as the values that were seen would have it.
    spread : float
        Standard deviation of one value; 0 for a single one.
    records : int
        How many values.
    groups : int
        How many of them are independent of each other: groups, or the values where each is its own.
    """

    mean: float
    low: float
    high: float
    resampled_low: float
    spread: float
    records: int
    groups: int


def unseen_share(records: int, error: float = ALPHA) -> float:
    """Give the largest share of a population, 0 to 1, that ``records`` draws miss with a probability of ``error``.

    At 5 % about three over the number of records, hence "rule of three" (Hanley and Lippman-Hand 1983).
    """
    return 1 - math.pow(error, 1 / records)


def mean_bounds(
    values: Sequence[float],
    limits: tuple[float, float] | None = None,
    *,
    groups: Sequence[Hashable] | None = None,
    error: float = ALPHA,
) -> Bounds:
    """Bound the mean of values that take few distinct ones.

    The bias-corrected and accelerated bootstrap (BCa; Efron 1987, "Better Bootstrap Confidence Intervals"): the plain
    percentile bound is too hopeful where a student is right nearly always and badly wrong at times. It is widened as
    Student's t is beside the normal distribution, which matters where few groups are drawn from. With limits neither
    bound is closer to the mean than if :func:`unseen_share` of the population had the worst, or the best, value.

    Parameters
    ----------
    values : sequence of float
        At least one; equal values in another order give the same bounds.
    limits : tuple of float, optional
        Lowest and highest value that there can be; without them the bounds rest on what was seen.
    groups : sequence of hashable, optional
        The group of each value. Values of one group are not independent, so that whole groups are drawn (Davison and
        Hinkley 1997, section 3.8). Without it each value is a group of its own.
    error : float
        Of each one-sided bound.

    Raises
    ------
    ValueError
        Without a value.
    """
    if not values:
        raise ValueError("a mean of nothing has no bounds")
    units = _units(values, groups)
    drawn, n = sum(units.values()), len(values)
    mean = math.fsum(values) / n
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)) if n > 1 else 0.0
    low, high = _resampled(sorted(units.items()), drawn, mean, error)
    if limits is None:
        return Bounds(mean, low, high, low, spread, n, drawn)
    unseen = unseen_share(drawn, error)
    worst, best = ((1 - unseen) * mean + unseen * limit for limit in limits)
    return Bounds(mean, min(low, worst), max(high, best), low, spread, n, drawn)


def _units(values: Sequence[float], groups: Sequence[Hashable] | None) -> Counter[_Unit]:
    """Count what is drawn: sums of groups with their sizes, which for a group of one is the value itself."""
    if groups is None:
        return Counter((float(value), 1) for value in values)
    sums: dict[Hashable, float] = {}
    for group, value in zip(groups, values, strict=True):
        sums[group] = sums.get(group, 0.0) + value
    sizes = Counter(groups)
    return Counter((total, sizes[group]) for group, total in sums.items())


def binomial(random: Random, trials: int, probability: float) -> int:
    """Draw how many of ``trials`` succeed, exactly up to 53 bits of the probability.

    Each trial is a binary fraction that is drawn bit by bit and compared with the probability; one call draws the next
    bit of all trials that are not decided yet, so that about ``log2(trials)`` calls do.
    """
    if probability >= 1:
        return trials
    bits = int(probability * (1 << _BITS))
    successes, undecided = 0, trials
    for place in range(_BITS - 1, -1, -1):
        if not undecided:
            break
        ones = random.getrandbits(undecided).bit_count()
        if bits >> place & 1:
            successes += undecided - ones
            undecided = ones
        else:
            undecided -= ones
    return successes


def _resampled(counts: list[tuple[_Unit, int]], n: int, mean: float, error: float) -> tuple[float, float]:
    """Give the bounds of the BCa bootstrap; without spread no resample differs from the values."""
    if len({total / size for (total, size), _ in counts}) == 1:
        return mean, mean
    means = _resampled_means(counts, n, Random(digest("bootstrap", 2, counts)))  # noqa: S311 - statistics, no secret
    below, at_most = bisect_left(means, mean - 1e-12), bisect_right(means, mean + 1e-12)
    share = min(max((below + at_most) / (2 * len(means)), 1 / len(means)), 1 - 1 / len(means))
    bias, acceleration = _NORMAL.inv_cdf(share), _acceleration(counts, mean)
    read = max(error, _FEWEST_BEYOND / RESAMPLES)  # else the tenth look and the hundredth would have one bound
    low = math.floor(_adjusted(read, bias, acceleration) * (RESAMPLES + 1)) - 1
    high = math.ceil(_adjusted(1 - read, bias, acceleration) * (RESAMPLES + 1)) - 1
    wider, seen = _few(n, error), [total / size for (total, size), _ in counts]
    wider *= _NORMAL.inv_cdf(error) / _NORMAL.inv_cdf(read)
    below_mean, above_mean = means[max(low, 0)] - mean, means[min(high, RESAMPLES - 1)] - mean
    return max(mean + below_mean * wider, min(seen)), min(mean + above_mean * wider, max(seen))


def student_quantile(n: int, error: float = ALPHA) -> float:
    """Give the quantile of Student's t for a standard deviation from n draws, by its expansion.

    Abramowitz and Stegun 1964, 26.7.5.
    """
    z, free = -_NORMAL.inv_cdf(error), n - 1
    return z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)


def _few(n: int, error: float) -> float:
    """Give by how much a bound from n draws is wider than the bootstrap's, whose spread is that of the draws."""
    if n <= 1:
        return 1.0
    return student_quantile(n, error) / -_NORMAL.inv_cdf(error) * math.sqrt(n / (n - 1))


def _resampled_means(counts: list[tuple[_Unit, int]], n: int, random: Random) -> list[float]:
    shares, left = [], n
    for (total, size), count in counts:
        shares.append((total, size, count / left))
        left -= count
    means = []
    for _ in range(RESAMPLES):
        sums, sizes, left = 0.0, 0, n
        for total, size, share in shares:
            drawn = binomial(random, left, share)
            sums += total * drawn
            sizes += size * drawn
            left -= drawn
        means.append(sums / sizes)
    return sorted(means)


def _acceleration(counts: list[tuple[_Unit, int]], mean: float) -> float:
    """Give a sixth of the skewness of the mean, which is what the jackknife amounts to for a mean."""
    off = [(total - mean * size, count) for (total, size), count in counts]
    second = math.fsum(count * one**2 for one, count in off)
    third = math.fsum(count * one**3 for one, count in off)
    return third / (6 * second * math.sqrt(second))


def _adjusted(level: float, bias: float, acceleration: float) -> float:
    moved = bias + _NORMAL.inv_cdf(level)
    return _NORMAL.cdf(bias + moved / (1 - acceleration * moved))


def share_bounds(share: float, records: int) -> tuple[float, float]:
    """Bound a share of some records, two-sided 95 % (Wilson 1927)."""
    z = 1.96
    middle = share + z * z / (2 * records)
    spread = z * math.sqrt(share * (1 - share) / records + (z / (2 * records)) ** 2)
    scale = 1 + z * z / records
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def percentile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = math.ceil(share * len(ordered) - 1e-9)  # 0.05 * 140 is a little more than 7
    return ordered[max(0, rank - 1)]
