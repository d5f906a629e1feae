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
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from lambdas.domain.identity import digest

RESAMPLES = 4_000
"""Draws of a bootstrap: the 5 % quantile is then known to about 0.35 percentage points."""

ALPHA = 0.05
"""Error of each one-sided bound."""

_NORMAL = statistics.NormalDist()
_BITS = 53


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
    """

    mean: float
    low: float
    high: float
    resampled_low: float
    spread: float
    records: int


def unseen_share(records: int, error: float = ALPHA) -> float:
    """Give the largest share of a population, 0 to 1, that ``records`` draws miss with a probability of ``error``.

    At 5 % about three over the number of records, hence "rule of three" (Hanley and Lippman-Hand 1983).
    """
    return 1 - math.pow(error, 1 / records)


def mean_bounds(values: Sequence[float], limits: tuple[float, float] | None = None) -> Bounds:
    """Bound the mean of values that take few distinct ones.

    The bias-corrected and accelerated bootstrap (BCa; Efron 1987, "Better Bootstrap Confidence Intervals"): the plain
    percentile bound is too hopeful where a student is right nearly always and badly wrong at times. With limits neither
    bound is closer to the mean than if :func:`unseen_share` of the population had the worst, or the best, value.

    Parameters
    ----------
    values : sequence of float
        At least one; equal values in another order give the same bounds.
    limits : tuple of float, optional
        Lowest and highest value that there can be; without them the bounds rest on what was seen.

    Raises
    ------
    ValueError
        Without a value.
    """
    if not values:
        raise ValueError("a mean of nothing has no bounds")
    counts = sorted(Counter(float(value) for value in values).items())
    n = len(values)
    mean = math.fsum(value * count for value, count in counts) / n
    spread = math.sqrt(math.fsum(count * (value - mean) ** 2 for value, count in counts) / (n - 1)) if n > 1 else 0.0
    low, high = _resampled(counts, n, mean)
    if limits is None:
        return Bounds(mean, low, high, low, spread, n)
    unseen = unseen_share(n)
    worst, best = ((1 - unseen) * mean + unseen * limit for limit in limits)
    return Bounds(mean, min(low, worst), max(high, best), low, spread, n)


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


def _resampled(counts: list[tuple[float, int]], n: int, mean: float) -> tuple[float, float]:
    """Give the bounds of the BCa bootstrap; without spread no resample differs from the values."""
    if len(counts) == 1:
        return mean, mean
    means = _resampled_means(counts, n, Random(digest("bootstrap", 1, counts)))  # noqa: S311 - statistics, no secret
    below, at_most = bisect_left(means, mean - 1e-12), bisect_right(means, mean + 1e-12)
    share = min(max((below + at_most) / (2 * len(means)), 1 / len(means)), 1 - 1 / len(means))
    bias, acceleration = _NORMAL.inv_cdf(share), _acceleration(counts, mean)
    low = math.floor(_adjusted(ALPHA, bias, acceleration) * (RESAMPLES + 1)) - 1
    high = math.ceil(_adjusted(1 - ALPHA, bias, acceleration) * (RESAMPLES + 1)) - 1
    return means[max(low, 0)], means[min(high, RESAMPLES - 1)]


def _resampled_means(counts: list[tuple[float, int]], n: int, random: Random) -> list[float]:
    shares, left = [], n
    for value, count in counts:
        shares.append((value, count / left))
        left -= count
    means = []
    for _ in range(RESAMPLES):
        total, left = 0.0, n
        for value, share in shares:
            drawn = binomial(random, left, share)
            total += value * drawn
            left -= drawn
        means.append(total / n)
    return sorted(means)


def _acceleration(counts: list[tuple[float, int]], mean: float) -> float:
    """Give a sixth of the skewness of the mean, which is what the jackknife amounts to for a mean."""
    second = math.fsum(count * (value - mean) ** 2 for value, count in counts)
    third = math.fsum(count * (value - mean) ** 3 for value, count in counts)
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
