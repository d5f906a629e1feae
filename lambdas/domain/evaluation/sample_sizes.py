"""How many records show what must be shown: to train after the expected drops, and to hold a student to a margin."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left

from lambdas.domain.evaluation.confidence_bounds import ALPHA, unseen_share
from lambdas.domain.evaluation.judge import MOST_DIFFERENCE
from lambdas.domain.task.sample_bounds import LEAST

ASSUMED_SPREAD = 0.8
"""Standard deviation of paired judge-score differences that the sizes are planned with, in judge points."""

_NORMAL = statistics.NormalDist()
_Z_POWER = 0.8416
"""Normal quantile of 80 % power."""


def training_records_needed(max_drop_rate: float, least: int = LEAST) -> int:
    """Give the training records that leave the fewest that a training takes after the expected drops."""
    return math.ceil(least / (1 - max_drop_rate))


def holdout_records_needed(margin: float, spread: float = ASSUMED_SPREAD, error: float = ALPHA) -> int:
    """Give the holdout size that shows non-inferiority within ``margin`` judge points at 80 % power.

    ``spread`` is the standard deviation of one paired difference, in judge points; ``error`` that of the bound.

    The sample size of a paired non-inferiority test with a normal approximation,
    ``((z_alpha + z_power) * spread / margin) ** 2``; more where that few records could hide, unseen, answers that are
    bad enough to break the margin (:func:`~lambdas.domain.evaluation.confidence_bounds.mean_bounds`).
    """
    by_spread = max(math.ceil(((_NORMAL.inv_cdf(1 - error) + _Z_POWER) * spread / margin) ** 2), 1)
    enough = most = max(by_spread, records_that_show(margin, 0.0, error))

    def room_for_chance(records: int) -> bool:
        return largest_drop_seen(margin, records, error) >= _Z_POWER * spread / math.sqrt(records)

    while not room_for_chance(most):
        most *= 2
    return enough + bisect_left(range(enough, most), True, key=room_for_chance)


def largest_drop_seen(margin: float, records: int, error: float = ALPHA) -> float:
    """Give the drop that ``records`` may show, in judge points, when what they need not show is to fit in too."""
    unseen = unseen_share(records, error)
    return (margin - unseen * MOST_DIFFERENCE) / (1 - unseen)


def records_that_show(margin: float, drop: float, error: float = ALPHA) -> int:
    """Give the records after which a measured ``drop``, below ``margin``, leaves no room for unseen bad answers."""
    if margin >= MOST_DIFFERENCE:
        return 1
    share = (margin - drop) / (MOST_DIFFERENCE - drop)
    return max(math.ceil(math.log(error) / math.log1p(-share)), 1)
