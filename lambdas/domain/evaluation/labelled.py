"""The judge corrected by people: a bound on the mean difference from many of its scores and some of theirs.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, "Prediction-powered inference",
Science 382): the mean of the judge's differences over all records, plus the mean of human minus judge over the labelled
ones. Whatever the judge's bias, the sum has none; the closer it is to people, the narrower the bound.

Two things are added to it here. The labelled records are some of those that the judge scored, so that the two means may
vary together: a judge that sees half of each difference has a bound that is too narrow without their covariance. And a
sample of L records need not have shown what a judge is blind to, so that the bound leaves room for it as every other
bound of the gate does (:func:`~lambdas.domain.evaluation.confidence_bounds.unseen_share`).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass

from lambdas.domain.evaluation.confidence_bounds import ALPHA, Bounds, student_quantile, unseen_share
from lambdas.domain.evaluation.judge import MOST_DIFFERENCE

FEWEST_LABELS = 20
"""Labelled records below which a correction says nothing."""

FEWEST_TO_SPREAD = 2
"""Labelled groups without which there is no spread at all."""

_Z_POWER = 0.8416
"""Normal quantile of 80 % power."""

MOST_LABELS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Corrected:
    """What the judge and people show together.

    Attributes
    ----------
    bounds : Bounds
        One-sided bounds; ``records`` and ``groups`` are those that the judge scored, ``spread`` is what one record
        would have with such a standard error.
    labels, drawn_from : int
        Groups with a label, and those of which they are a random sample; what lies outside needs no label.
    correction : float
        Mean of human minus judge over the records drawn from, in points.
    judged_variance, label_variance : float
        Of the judge's mean, and of the correction were there one label; in points squared.
    error : float
        Of each bound.
    """

    bounds: Bounds
    labels: int
    drawn_from: int
    correction: float
    judged_variance: float
    label_variance: float
    error: float

    def labels_needed(self, margin: float) -> int | None:
        """Give the labels that show a drop within ``margin`` points at 80 % power, as far as these can tell.

        ``None`` where no number of labels does: the holdout itself is too small.
        """
        wanted = margin / (student_quantile(max(self.labels, 2), self.error) + _Z_POWER)
        left = wanted**2 - self.judged_variance
        if left <= 0:
            return None
        by_spread = math.ceil(self.label_variance / left)
        most_unseen = (margin - max(-self.bounds.mean, 0.0)) / (MOST_DIFFERENCE * self._share) if self._share else 1.0
        if most_unseen <= 0:
            return None
        by_room = 1 if most_unseen >= 1 else math.ceil(math.log(self.error) / math.log1p(-most_unseen))
        needed = max(by_spread, by_room, FEWEST_LABELS)
        return needed if needed <= min(self.drawn_from, MOST_LABELS) else None

    @property
    def _share(self) -> float:
        return self.drawn_from / self.bounds.groups


def labelled_bounds(
    judged: Mapping[str, float],
    labels: Mapping[str, float],
    groups: Mapping[str, Hashable] | None = None,
    *,
    drawn_from: Collection[str] | None = None,
    error: float = ALPHA,
) -> Corrected:
    """Bound the mean difference between student and reference model as people see it.

    Parameters
    ----------
    judged : mapping of str to float
        The judge's difference by record id, in points.
    labels : mapping of str to float
        People's difference by record id, of a random sample; records that the judge did not score are left out.
    groups : mapping of str to hashable, optional
        The group of each record; without one a record is its own. Groups are what varies.
    drawn_from : collection of str, optional
        The records of which the labelled ones are a random sample; all unless given. Of the others the difference is
        known without anybody's opinion, for example where both answers are the same text: no judge errs there.
    error : float
        Of each one-sided bound.

    Raises
    ------
    ValueError
        With fewer than two labelled groups.
    """
    of_group = groups or {}
    units = {record: of_group.get(record, record) for record in judged}
    sampled = [record for record in judged if drawn_from is None or record in drawn_from]
    corrections = {record: labels[record] - judged[record] for record in sampled if record in labels}
    mean_judged, variance_judged, drawn = _mean(judged, units)
    mean_off, variance_off, labelled = _mean(corrections, units)
    if labelled < FEWEST_TO_SPREAD:
        raise ValueError("one label shows no spread")
    share = len(sampled) / len(judged)
    together = max(_covariance({record: judged[record] for record in corrections}, corrections, units), 0.0)
    variance = variance_judged + share**2 * variance_off + 2 * share * together / len(judged)
    mean, deviation = mean_judged + share * mean_off, math.sqrt(variance)
    wide = student_quantile(labelled, error) * deviation
    room_labels, room_records = share * unseen_share(labelled, error), unseen_share(drawn, error)

    def with_room(limit: float) -> list[float]:
        by_labels = mean_judged + share * mean_off + room_labels * (limit - mean_off)
        return [by_labels, (1 - room_records) * mean + room_records * limit]

    low, high = min(mean - wide, *with_room(-MOST_DIFFERENCE)), max(mean + wide, *with_room(MOST_DIFFERENCE))
    return Corrected(
        bounds=Bounds(mean, low, high, mean - wide, deviation * math.sqrt(drawn), len(judged), drawn),
        labels=labelled,
        drawn_from=len({units[record] for record in sampled}),
        correction=mean_off,
        judged_variance=variance_judged + 2 * share * together / len(judged),
        label_variance=share**2 * variance_off * labelled,
        error=error,
    )


def _mean(values: Mapping[str, float], units: Mapping[str, Hashable]) -> tuple[float, float, int]:
    """Give mean, its variance with whole groups drawn, and the number of groups."""
    if not values:
        return 0.0, 0.0, 0
    groups = len({units[record] for record in values})
    variance = _covariance(values, values, units) / len(values)
    return statistics.fmean(values.values()), variance, groups


def _covariance(ones: Mapping[str, float], others: Mapping[str, float], units: Mapping[str, Hashable]) -> float:
    """Give the covariance of two values of one record, with whole groups drawn; 0 of a single group."""
    first, second = _group_sums(ones, units), _group_sums(others, units)
    groups = len(first)
    if groups < FEWEST_TO_SPREAD:
        return 0.0
    return math.fsum(first[unit] * second[unit] for unit in first) * groups / (groups - 1) / len(ones)


def _group_sums(values: Mapping[str, float], units: Mapping[str, Hashable]) -> dict[Hashable, float]:
    """Add up, group by group, by how much the values are off their mean."""
    mean, sums = statistics.fmean(values.values()), dict[Hashable, float]()
    for record, value in values.items():
        sums[units[record]] = sums.get(units[record], 0.0) + value - mean
    return sums
