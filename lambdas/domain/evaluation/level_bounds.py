"""Bounds of shares, by the binomial distribution itself, and of ratios of paired times."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from lambdas.domain.evaluation.confidence_bounds import ALPHA
from lambdas.domain.identity import digest

MOST_BLOCKS = 200
"""Blocks of which a ratio is resampled: blocks of independent records are independent, and draws cost what they are."""

RATIO_RESAMPLES = 2_000

_HALVINGS = 60
_NORMAL = statistics.NormalDist()


@dataclass(frozen=True, slots=True)
class ShareBounds:
    """A share, 0 to 1, with its exact one-sided bounds."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RatioBounds:
    """A ratio of two means with its one-sided bounds, and the pairs that it rests on."""

    ratio: float
    low: float
    high: float
    pairs: int


def share_bounds(successes: int, trials: int, error: float = ALPHA) -> ShareBounds:
    """Bound a share exactly (Clopper and Pearson 1934).

    Parameters
    ----------
    successes, trials : int
        Of at least one trial.
    error : float
        Of each one-sided bound.
    """
    # The upper bound is the share of which as few successes come just as rarely as the error says; the lower one is
    # the same of failures.
    return ShareBounds(
        successes / trials,
        1 - _largest_share(trials - successes, trials, error),
        _largest_share(successes, trials, error),
    )


def _largest_share(successes: int, trials: int, error: float) -> float:
    if successes >= trials:
        return 1.0
    low, high = successes / trials, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if at_most_successes(successes, trials, middle) > error:
            low = middle
        else:
            high = middle
    return high


def at_most_successes(successes: int, trials: int, share: float) -> float:
    """Give the probability of so many successes or fewer."""
    if share >= 1:
        return float(successes >= trials)
    if share <= 0:
        return 1.0
    term = trials * math.log1p(-share)
    odds, terms = math.log(share) - math.log1p(-share), [term]
    for count in range(successes):
        term += math.log(trials - count) - math.log(count + 1) + odds
        terms.append(term)
    most = max(terms)
    return min(1.0, math.exp(most) * math.fsum(math.exp(one - most) for one in terms))


def holm(floors: Mapping[str, float], tested: int, high: Callable[[str, float], float]) -> set[str]:
    """Tell which of several means are shown to lie below their floors, the errors of all together at most one's.

    Holm's step-down (1979): each is first held against a bound whose error is shared by all; what is shown leaves a
    larger share to the others.

    Parameters
    ----------
    floors : mapping of str to float
        Of the means that were measured below them; the others are never shown to be below.
    tested : int
        How many means have a floor.
    high : callable
        Gives the upper bound of a mean by its name and the error of that bound.
    """
    shown: set[str] = set()
    while True:
        error = ALPHA / max(tested - len(shown), 1)
        found = {name for name, floor in floors.items() if name not in shown and high(name, error) < floor - 1e-9}
        if not found:
            return shown
        shown |= found


def ratio_bounds(
    pairs: Sequence[tuple[float, float]], groups: Sequence[Hashable] | None = None, error: float = ALPHA
) -> RatioBounds:
    """Bound the ratio of two means over pairs by a bias-corrected and accelerated bootstrap of the pairs.

    Parameters
    ----------
    pairs : sequence of (float, float)
        Numerator and denominator, of which the latter's sum is positive.
    groups : sequence of hashable, optional
        The group of each pair; a group is drawn as a whole. Without it each pair is a group of its own.
    error : float
        Of each one-sided bound.
    """
    blocks = _blocks(pairs, groups)
    over, under = (math.fsum(block[side] for block in blocks) for side in (0, 1))
    ratio = over / under
    off = [one - ratio * other for one, other in blocks]
    second = math.fsum(one**2 for one in off)
    if second <= 0:
        return RatioBounds(ratio, ratio, ratio, len(pairs))
    acceleration = math.fsum(one**3 for one in off) / (6 * second * math.sqrt(second))
    random = Random(digest("ratio", 1, blocks))  # noqa: S311 - statistics, no secret
    ratios = []
    for _ in range(RATIO_RESAMPLES):
        drawn = random.choices(blocks, k=len(blocks))
        ratios.append(sum(one for one, _ in drawn) / sum(other for _, other in drawn))
    ratios.sort()
    below = sum(one < ratio for one in ratios) / len(ratios)
    bias = _NORMAL.inv_cdf(min(max(below, 1 / len(ratios)), 1 - 1 / len(ratios)))

    def at(level: float) -> float:
        moved = bias + _NORMAL.inv_cdf(level)
        place = _NORMAL.cdf(bias + moved / (1 - acceleration * moved))
        return ratios[min(max(round(place * (len(ratios) + 1)) - 1, 0), len(ratios) - 1)]

    return RatioBounds(ratio, at(error), at(1 - error), len(pairs))


def _blocks(pairs: Sequence[tuple[float, float]], groups: Sequence[Hashable] | None) -> list[tuple[float, float]]:
    """Add pairs up to groups, and these to no more blocks than are drawn from."""
    names = list(range(len(pairs))) if groups is None else groups
    sums: dict[Hashable, tuple[float, float]] = {}
    for name, (one, other) in zip(names, pairs, strict=True):
        before = sums.get(name, (0.0, 0.0))
        sums[name] = (before[0] + one, before[1] + other)
    whole = list(sums.values())
    if len(whole) <= MOST_BLOCKS:
        return whole
    dealt = [whole[first::MOST_BLOCKS] for first in range(MOST_BLOCKS)]
    return [(math.fsum(one for one, _ in block), math.fsum(other for _, other in block)) for block in dealt]
