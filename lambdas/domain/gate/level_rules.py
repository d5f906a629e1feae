"""Levels that a task sets itself: refused only where they are shown to be missed (floors, slices, shares, recall)."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lambdas.domain.evaluation.confidence_bounds import ALPHA, mean_bounds
from lambdas.domain.evaluation.judge import HIGHEST, LOWEST, MOST_DIFFERENCE
from lambdas.domain.evaluation.level_bounds import holm, ratio_bounds, share_bounds
from lambdas.domain.evaluation.task_metric import ClassRecall, class_recalls, text_recalls
from lambdas.domain.gate.rule_result import ROUNDING, RuleResult, accepted_by_a_person, at_least, level

if TYPE_CHECKING:
    from lambdas.domain.evaluation.evidence import Comparison
    from lambdas.domain.evaluation.measurements import Measurement

FEWEST_IN_A_SLICE = 10
"""Records below which the mean of a slice says nothing for the student."""

FEWEST_OF_A_CLASS = 3
"""Records of a value below which it is not called lost: of one or two an answer is missed by chance."""

FEWEST_OF_THE_RARE = 2
"""Records of all rarer values of a field together below which these are not called lost."""

RARE_VALUES = "rare values"
"""Stands for all values of a field that are too rare to tell alone."""

_SCORES = (float(LOWEST), float(HIGHEST))
_DIFFERENCES = (-float(MOST_DIFFERENCE), float(MOST_DIFFERENCE))


def floor_line(rule: str, floor: float, student: Sequence[Measurement], text: str, evidence: str) -> RuleResult:
    """Hold the mean of what was judged against a floor; what nobody scored may neither pass it nor refuse it."""
    return accepted_by_a_person(replace(_floor_line(rule, floor, student, text, ALPHA), evidence=evidence))


def slice_lines(
    student: Sequence[Measurement],
    slices: Mapping[str, float],
    unmeasured: Sequence[Mapping[str, str]],
    evidence: str,
) -> list[RuleResult]:
    """Hold every value of each named slice field against its floor.

    A slice is refused where it is shown to be below with the errors of all slices added up, so that many slices do not
    refuse a good student by chance; with fewer than :data:`FEWEST_IN_A_SLICE` records it is never passed.

    Parameters
    ----------
    student : sequence of Measurement
    slices : mapping of str to float
        Slice field to the floor of each of its values.
    unmeasured : sequence of mapping of str to str
        Slices of the holdout records that were not measured, since nothing is known to compare with.
    evidence : str
    """
    found: dict[str, RuleResult] = {}
    members: dict[str, list[Measurement]] = {}
    for name, floor in sorted(slices.items()):
        of_value = _by_value(student, name)
        left_out = Counter(one[name] for one in unmeasured if name in one)
        values = sorted(of_value.keys() | left_out.keys())
        if not values:
            rule = f"slices.{name}"
            found[rule] = at_least(rule, floor, None, f"no holdout record has the slice field '{name}'")
        for value in values:
            rule = f"slices.{name}={value}"
            members[rule] = of_value.get(value, [])
            found[rule] = _slice_line(rule, floor, members[rule], left_out[value])
    below = {
        rule: line.threshold
        for rule, line in found.items()
        if line.measured is not None and line.measured < line.threshold - ROUNDING
    }
    shown = holm(below, len(members), lambda rule, error: _highest(members[rule], error))
    lines = (_decided(line, shown=rule in shown) if rule in below else line for rule, line in found.items())
    return [accepted_by_a_person(replace(line, evidence=evidence)) for line in lines]


def validity_line(floor: float, student: Sequence[Measurement], text: str) -> RuleResult:
    """Hold the share of answers that keep the schema against its floor, by the binomial distribution itself."""
    kept = [item.problem is None for item in student]
    high = share_bounds(sum(kept), len(kept)).high
    if len({item.unit for item in student}) < len(student):
        high = max(high, mean_bounds([float(one) for one in kept], (0.0, 1.0), groups=_units(student)).high)
    share = sum(kept) / len(kept)
    return accepted_by_a_person(level("min_schema_validity", floor, share, high, text))


def latency_bound(student: Sequence[Measurement], baseline: Sequence[Measurement], fewest: int) -> float | None:
    """Give the largest reduction of the mean latency that the records timed for both allow, one-sided 95 %."""
    theirs = {item.record_id: item.latency_ms for item in baseline if item.is_timed}
    both = [item for item in student if item.is_timed and item.record_id in theirs]
    pairs = [(item.latency_ms, theirs[item.record_id]) for item in both]
    if len(pairs) < fewest or sum(other for _, other in pairs) <= 0:
        return None
    return 1 - ratio_bounds(pairs, [item.unit for item in both]).low


def recall_lines(
    schema: dict[str, Any] | None, student: Sequence[Measurement], least: float, evidence: str
) -> list[RuleResult]:
    """Tell of each value of an enumeration or boolean of the schema how often the student finds it.

    A mean hides a rare value that is never given. So a value that is found too rarely needs a person's word; it refuses
    nobody, since the reference may name it wrongly. One line a lost value, one for the values that are too rare to tell
    alone where these are lost together, and one for the rest of each field. Without a schema answers of a few short
    texts are values too.
    """
    pairs = [(item.answer, item.reference) for item in student]
    recalls = class_recalls(schema, pairs) if schema is not None else text_recalls(pairs)
    lines: list[RuleResult] = []
    for field in dict.fromkeys(one.field for one in recalls):
        of_field = [one for one in recalls if one.field == field]
        lost = [one for one in of_field if one.records >= FEWEST_OF_A_CLASS and one.recall < least - ROUNDING]
        lines += [_lost_line(one, least) for one in lost]
        rare = [one for one in of_field if one.records < FEWEST_OF_A_CLASS]
        records, given = sum(one.records for one in rare), sum(one.found for one in rare)
        if records >= FEWEST_OF_THE_RARE and given < least * records - ROUNDING:
            lines.append(_lost_line(ClassRecall(field, RARE_VALUES, records, given), least))
        rest = [one for one in of_field if one not in lost and one.records >= FEWEST_OF_A_CLASS]
        if rest:
            worst = min(rest, key=lambda one: one.recall)
            few = sum(one.records < FEWEST_OF_A_CLASS for one in of_field)
            text = f"share found of the value found least, {worst.value} in {worst.records} records"
            text += f"; {few} values have fewer than {FEWEST_OF_A_CLASS} records" if few else ""
            lines.append(at_least(f"recall.{field}", least, worst.recall, text))
    return [replace(line, evidence=evidence) for line in lines]


def slice_drop_lines(comparison: Comparison, margin: float) -> list[RuleResult]:
    """Tell of slices in which the student is shown to be worse than the reference by more than the margin.

    A mean hides a slice that is lost, and a task need not name a floor for each. Such a slice refuses nobody, but needs
    a person's word. Holm over all slices of all fields, so that an equal student is asked about seldom.

    Parameters
    ----------
    comparison : Comparison
    margin : float
        ``gate.max_quality_drop``, in judge points.
    """
    members: dict[str, list[int]] = {}
    for place, slices in enumerate(comparison.slices):
        for name, value in slices.items():
            members.setdefault(f"slice_drop.{name}={value}", []).append(place)
    found = comparison.differences
    means = {rule: statistics.fmean(found[place] for place in places) for rule, places in members.items()}

    def bound(rule: str, error: float) -> float:
        places = members[rule]
        units = [comparison.units[place] for place in places]
        return mean_bounds([found[place] for place in places], _DIFFERENCES, groups=units, error=error).high

    below = {rule: -margin for rule, mean in means.items() if mean < -margin - ROUNDING}
    return [
        accepted_by_a_person(
            RuleResult(
                rule=rule,
                evidence=comparison.evidence,
                threshold=margin,
                measured=-means[rule],
                bound=-bound(rule, ALPHA / len(members)),
                passed=False,
                undecided=True,
                explanation=(
                    f"judge points below the reference over the {len(members[rule])} records of this slice, where the "
                    "mean of all hides it; bound: the smallest drop that they allow, by Holm over slices"
                ),
            )
        )
        for rule in sorted(holm(below, len(members), bound))
    ]


def _lost_line(one: ClassRecall, least: float) -> RuleResult:
    line = RuleResult(
        rule=f"recall.{one.field}={one.value}",
        threshold=least,
        measured=one.recall,
        bound=share_bounds(one.found, one.records).high,
        passed=False,
        undecided=True,
        explanation=f"the student gives {_what(one)} in {one.found} of the {one.records} records that have it",
    )
    return accepted_by_a_person(line)


def _what(one: ClassRecall) -> str:
    return f"values of fewer than {FEWEST_OF_A_CLASS} records" if one.value == RARE_VALUES else "this value"


def _floor_line(rule: str, floor: float, student: Sequence[Measurement], text: str, error: float) -> RuleResult:
    scores = [item.score for item in student if item.score is not None]
    mean = statistics.fmean(scores) if scores else None
    below = mean is not None and mean < floor - ROUNDING
    line = level(rule, floor, mean, _highest(student, error) if below else None, text)
    missing = len(student) - len(scores)
    if not missing or not line.passed:
        return line
    worst = statistics.fmean(LOWEST if item.score is None else item.score for item in student)
    text += f"; {worst:.2f} if the {missing} without a verdict had the lowest score"
    passed = worst >= floor - ROUNDING
    return replace(line, passed=passed, undecided=not passed, explanation=text)


def _highest(student: Sequence[Measurement], error: float) -> float:
    """Bound the mean score from above, what has no verdict at its best."""
    scores = [float(HIGHEST if item.score is None else item.score) for item in student]
    return mean_bounds(scores, _SCORES, groups=_units(student), error=error).high


def _units(student: Sequence[Measurement]) -> list[str] | None:
    """Name the groups of records, or ``None`` where each record is its own."""
    units = [item.unit for item in student]
    return units if len(set(units)) < len(units) else None


def _by_value(student: Sequence[Measurement], name: str) -> dict[str, list[Measurement]]:
    members: dict[str, list[Measurement]] = {}
    for item in student:
        if name in item.slices:
            members.setdefault(item.slices[name], []).append(item)
    return members


def _slice_line(rule: str, floor: float, members: Sequence[Measurement], left_out: int) -> RuleResult:
    scores = [item.score for item in members if item.score is not None]
    text = f"mean judge score of the student over {len(scores)} records"
    mean = statistics.fmean(scores) if scores else None
    if mean is not None and mean < floor - ROUNDING:
        line = at_least(rule, floor, mean, text)
    else:
        line = _floor_line(rule, floor, members, text, ALPHA)
    if left_out:
        line = replace(line, explanation=f"{line.explanation}; {left_out} more have no reference and were not measured")
    if len(scores) >= FEWEST_IN_A_SLICE:
        return line
    text = f"{line.explanation}; at least {FEWEST_IN_A_SLICE} are needed to pass a slice"
    return replace(line, passed=False, undecided=True, explanation=text)


def _decided(line: RuleResult, *, shown: bool) -> RuleResult:
    if shown:
        return replace(line, undecided=False, explanation=f"{line.explanation}; shown to be below, by Holm over slices")
    return replace(line, undecided=True, explanation=f"{line.explanation}; too few to show it below")
