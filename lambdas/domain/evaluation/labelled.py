"""The judge corrected by people: a bound on the mean difference from many of its scores and some of theirs.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, "Prediction-powered inference",
Science 382): the mean of the judge's differences over all records, plus the mean of human minus judge over the labelled
ones. Whatever the judge's bias, the sum has none; the closer it is to people, the narrower the bound.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence

from lambdas.domain.evaluation.confidence_bounds import ALPHA, Bounds, student_quantile

FEWEST_LABELS = 20
"""Labelled records below which a correction says nothing."""


def labelled_bounds(
    judged: Mapping[str, float], labels: Mapping[str, float], groups: Mapping[str, Hashable] | None = None
) -> Bounds:
    """Bound the mean difference between student and reference model as people see it.

    Parameters
    ----------
    judged : mapping of str to float
        The judge's difference by record id, in points.
    labels : mapping of str to float
        People's difference by record id; records that the judge did not score are left out.
    groups : mapping of str to hashable, optional
        The group of each record; without one a record is its own. Groups are what varies.

    Returns
    -------
    Bounds
        One-sided 95 % bounds; ``records`` and ``groups`` are those that the judge scored, ``spread`` is what one record
        would have with such a standard error.

    Raises
    ------
    ValueError
        With fewer than two labelled groups.
    """
    of_group = groups or {}
    units = {record: of_group.get(record, record) for record in judged}
    corrections = {record: labels[record] - judged[record] for record in labels if record in judged}
    mean_judged, error_judged, drawn = _mean(judged, units)
    mean_off, error_off, labelled = _mean(corrections, units)
    if labelled < 2:  # noqa: PLR2004 - a spread needs two
        raise ValueError("one label shows no spread")
    mean, error = mean_judged + mean_off, math.hypot(error_judged, error_off)
    wide = student_quantile(labelled, ALPHA) * error
    spread = error * math.sqrt(drawn)
    return Bounds(mean, mean - wide, mean + wide, mean - wide, spread, len(judged), drawn)


def _mean(values: Mapping[str, float], units: Mapping[str, Hashable]) -> tuple[float, float, int]:
    """Give mean, its standard error with whole groups drawn, and the number of groups."""
    sums: dict[Hashable, list[float]] = {}
    for record, value in values.items():
        sums.setdefault(units[record], []).append(value)
    if not values:
        return 0.0, 0.0, 0
    mean, groups = statistics.fmean(values.values()), len(sums)
    off: Sequence[float] = [math.fsum(members) - mean * len(members) for members in sums.values()]
    if groups == 1:
        return mean, 0.0, 1
    variance = math.fsum(one**2 for one in off) * groups / (groups - 1) / len(values) ** 2
    return mean, math.sqrt(variance), groups
