"""Is the student as good as its reference? The rules of the gate that rest on the judge's scores, and on the judge."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lambdas.domain.evaluation.confidence_bounds import Bounds, mean_bounds
from lambdas.domain.evaluation.contestant_summary import ContestantSummary
from lambdas.domain.evaluation.judge import LOWEST, MOST_DIFFERENCE, MOST_FAILURES
from lambdas.domain.evaluation.judge_calibration import Agreement
from lambdas.domain.evaluation.measurements import CHAMPION, Measurement, paired_differences, worst_differences
from lambdas.domain.evaluation.sample_sizes import holdout_records_needed, records_that_show
from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reason
from lambdas.domain.gate.rule_result import ROUNDING, RuleResult, at_least, at_most
from lambdas.domain.task.task_definition import GateRules

FEWEST_IN_A_SLICE = 10
"""Records below which the mean of a slice says nothing."""

_LIMITS = (-MOST_DIFFERENCE, MOST_DIFFERENCE)

MOST_ADVERSARIAL_LIFT = 1.0
"""Points that an answer may win by talking to the judge: one, as any answer may be scored one point off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeRecord:
    """What is known of the judge's reliability.

    Attributes
    ----------
    agreement : Agreement or None
        With known scores, before the evaluation; ``None`` where the task has no calibration set.
    drift : float or None
        Mean absolute difference, in points, of its scores for that set before and after the evaluation; ``None`` where
        that is not known, which is not evidence that it did not drift.
    """

    agreement: Agreement | None = None
    drift: float | None = None


def judge_lines(summaries: Mapping[str, ContestantSummary], rules: GateRules, record: JudgeRecord) -> list[RuleResult]:
    """Hold the judge against its limits; a judge beyond them is not evidence, for or against the student."""
    shares = {role: summary.judge_failures / summary.records for role, summary in summaries.items()}
    worst = max(shares, key=lambda role: shares[role])
    failures = at_most(
        "max_judge_failures",
        MOST_FAILURES,
        shares[worst],
        f"share of answers without a verdict after every retry, where it is largest: {worst.replace('_', ' ')}, "
        f"{summaries[worst].judge_failures} of {summaries[worst].records}",
        evidence=True,
    )
    found = [failures, *agreement_lines(record.agreement, rules)]
    if record.agreement is not None:
        text = "points by which the judge's scores of the calibration set moved between begin and end of the evaluation"
        found.append(at_most("max_judge_drift", rules.max_judge_error, record.drift, text, evidence=True))
    return found


def agreement_lines(agreement: Agreement | None, rules: GateRules) -> list[RuleResult]:
    """Hold the judge's agreement with known scores against the task's limits; none where nothing was measured."""
    if agreement is None:
        return []
    cases = f"over {agreement.cases} answers with known scores"
    if agreement.without_verdict:
        cases += f", {agreement.without_verdict} of them without a verdict"
    share = at_least(
        "min_judge_agreement", rules.min_judge_agreement, agreement.within_one, f"share within one point, {cases}"
    )
    order = at_least(
        "min_judge_correlation", rules.min_judge_correlation, agreement.rank_correlation, f"rank correlation, {cases}"
    )
    found = [replace(line, undecided=not line.passed) for line in (share, order)]
    error = f"mean difference in points, {cases}"
    found.append(at_most("max_judge_error", rules.max_judge_error, agreement.mean_error, error, evidence=True))
    if agreement.adversarial:
        lift = f"most points won by one of {agreement.adversarial} answers that talk to the judge"
        found.append(
            at_most("max_adversarial_lift", MOST_ADVERSARIAL_LIFT, agreement.adversarial_lift, lift, evidence=True)
        )
    return found


def quality_lines(
    grouped: Mapping[str, Sequence[Measurement]],
    summaries: Mapping[str, ContestantSummary],
    rules: GateRules,
    unmeasured: Sequence[Mapping[str, str]] = (),
) -> list[RuleResult]:
    """Hold the student's scores against the task's floor, its reference and the floors of its slices.

    A missing verdict may hide anything. What is passed only as long as nobody knows it is not shown.

    Parameters
    ----------
    grouped : mapping of str to sequence of Measurement
        By role; student and reference must be there.
    summaries : mapping of str to ContestantSummary
    rules : GateRules
    unmeasured : sequence of mapping of str to str
        Slices of the holdout records that were not measured, since nothing is known to compare with.
    """
    student = grouped["student"]
    floor = _floor_line("min_judge_score", rules.min_judge_score, student, "mean judge score of the student")
    drop, size = _non_inferiority(student, grouped[rules.reference], summaries[rules.reference].mean_score, rules)
    return [floor, drop, size, *_slice_lines(student, rules, unmeasured)]


def _floor_line(rule: str, floor: float, student: Sequence[Measurement], text: str) -> RuleResult:
    """Decide by the mean of what was judged, unless it is the answers without a verdict that decide."""
    scores = [item.score for item in student if item.score is not None]
    line = at_least(rule, floor, statistics.fmean(scores) if scores else None, text)
    missing = len(student) - len(scores)
    if not missing or not line.passed:
        return line
    worst = statistics.fmean(LOWEST if item.score is None else item.score for item in student)
    text += f"; {worst:.2f} if the {missing} without a verdict had the lowest score"
    passed = worst >= floor - ROUNDING
    return replace(line, passed=passed, undecided=not passed, explanation=text)


def _non_inferiority(
    student: Sequence[Measurement], reference: Sequence[Measurement], reference_score: float | None, rules: GateRules
) -> tuple[RuleResult, RuleResult]:
    """Decide by the bounds of the mean paired difference; say how many records the measured spread asks for."""
    margin, differences = rules.max_quality_drop, paired_differences(student, reference)
    planned = holdout_records_needed(margin)
    if not differences or reference_score is None:
        text = "no record was judged for both"
        drop = RuleResult(
            rule="max_quality_drop", threshold=margin, measured=None, passed=False, undecided=True, explanation=text
        )
        return drop, at_least("holdout_records", planned, 0.0, text)
    bounds, unknown = mean_bounds(differences, _LIMITS), worst_differences(student, reference)
    at_worst = bounds if unknown == differences else mean_bounds(unknown, _LIMITS)
    largest, needed = -min(bounds.low, at_worst.low), _records_needed(bounds, margin)
    passed, worse = largest <= margin + ROUNDING, -bounds.high > margin + ROUNDING
    hidden = not passed and not worse and -bounds.low <= margin + ROUNDING
    few = not passed and not worse and not hidden and bounds.records < needed
    drop = RuleResult(
        rule="max_quality_drop",
        threshold=margin,
        measured=-bounds.mean,
        bound=largest,
        passed=passed,
        undecided=few or hidden,
        explanation=(
            f"judge points below the {rules.reference} ({reference_score:.2f}), paired over {bounds.records} records; "
            "bound: the largest drop that the measurements allow, one-sided 95 %"
            + _unknown_text(student, reference, rules.reference)
            + ("" if passed or hidden else _refused_text(bounds, worse=worse, needed=needed))
        ),
    )
    size = RuleResult(
        rule="holdout_records",
        threshold=needed,
        measured=float(bounds.records),
        passed=not few,
        undecided=few,
        explanation=(
            f"paired records that show a drop within {margin:g} at 80 % power with the measured spread of "
            f"{bounds.spread:.2f} points; {planned} were planned"
            + ("; the bound decides with fewer" if bounds.records < needed and not few else "")
        ),
    )
    return drop, size


def worse_than_champion(grouped: Mapping[str, Sequence[Measurement]], rules: GateRules) -> list[ExplicitReason]:
    """Say that the student is not shown to be as good as the champion that it would replace, where it is not.

    No rule of the gate: a new student may be wanted although it is a little worse, for its price or its prompt. But
    nobody must find out afterwards.
    """
    student, champion = grouped["student"], grouped.get(CHAMPION)
    found = worst_differences(student, champion) if champion else []
    if not found:
        return []
    bounds = mean_bounds(found, _LIMITS)
    if -bounds.low <= rules.max_quality_drop + ROUNDING:
        return []
    text = (
        f"The student is not shown to be within {rules.max_quality_drop:g} judge points of the champion that it would "
        f"replace: {-bounds.mean:.2f} points below it over {bounds.records} records, and it may be {-bounds.low:.2f}"
    )
    return [explicit_reason("worse_than_champion", text)]


def _records_needed(bounds: Bounds, margin: float) -> int:
    """Give the records that the measured spread asks for, or what the measured drop does where no more was seen."""
    needed = holdout_records_needed(margin, bounds.spread)
    if -bounds.resampled_low <= margin < -bounds.low and -bounds.mean < margin - ROUNDING:
        return max(needed, records_that_show(margin, -bounds.mean))
    return needed


def _refused_text(bounds: Bounds, *, worse: bool, needed: int) -> str:
    if worse:
        return f"; even the smallest, {-bounds.high:.2f}, is too large"
    if bounds.records < needed:
        return f"; {needed} records could decide it"
    return "; the records were enough to show it within the limit, and did not"


def _unknown_text(student: Sequence[Measurement], reference: Sequence[Measurement], name: str) -> str:
    """Say what the bound counts at its worst because it is not known."""
    silent = sum(not item.answered for item in reference)
    scored = {item.record_id for item in reference if item.score is not None}
    missing = sum(item.score is None or item.record_id not in scored for item in student)
    parts = [f"{missing} records without both verdicts"] if missing else []
    parts += [f"{silent} that the {name} did not answer"] if silent else []
    return f"; {' and '.join(parts)} count in it at their worst" if parts else ""


def _slice_lines(
    student: Sequence[Measurement], rules: GateRules, unmeasured: Sequence[Mapping[str, str]]
) -> list[RuleResult]:
    found: list[RuleResult] = []
    for name, floor in sorted(rules.slices.items()):
        members: dict[str, list[Measurement]] = {}
        for item in student:
            if name in item.slices:
                members.setdefault(item.slices[name], []).append(item)
        left_out = Counter(slices[name] for slices in unmeasured if name in slices)
        values = sorted(members.keys() | left_out.keys())
        if not values:
            found.append(at_least(f"slices.{name}", floor, None, f"no holdout record has the slice field '{name}'"))
        found += [
            _slice_line(f"slices.{name}={value}", floor, members.get(value, []), left_out[value]) for value in values
        ]
    return found


def _slice_line(rule: str, floor: float, members: Sequence[Measurement], left_out: int) -> RuleResult:
    judged = sum(item.score is not None for item in members)
    line = _floor_line(rule, floor, members, f"mean judge score of the student over {judged} records")
    if left_out:
        line = replace(line, explanation=f"{line.explanation}; {left_out} more have no reference and were not measured")
    if judged >= FEWEST_IN_A_SLICE:
        return line
    text = f"{line.explanation}; at least {FEWEST_IN_A_SLICE} are needed to say anything about a slice"
    return replace(line, passed=False, undecided=True, explanation=text)


def unbelieved(lines: Sequence[RuleResult]) -> list[RuleResult]:
    """Take scores of a judge that is not believed for no evidence: what they seem to break is left undecided."""
    return [replace(line, undecided=not line.passed) for line in lines]


def calibration_document(record: JudgeRecord) -> dict[str, Any] | None:
    """Give the judge's calibration as written to ``report.json``; ``None`` where the task has no set."""
    if record.agreement is None:
        return None
    return {**record.agreement.to_document(), "drift": record.drift}
