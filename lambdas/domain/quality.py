"""Is the student as good as its reference? The rules of the gate that rest on the judge's scores, and on the judge."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lambdas.domain.bootstrap import Bounds, mean_bounds
from lambdas.domain.calibration import Agreement
from lambdas.domain.evaluation import ContestantSummary
from lambdas.domain.gate_line import ROUNDING, GateLine, at_least, at_most
from lambdas.domain.judging import MOST_FAILURES
from lambdas.domain.measurements import Measurement, paired_differences
from lambdas.domain.sizes import holdout_records_needed
from lambdas.domain.task_definition import GateRules

FEWEST_IN_A_SLICE = 10
"""Records below which the mean of a slice says nothing."""

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
        Mean absolute difference, in points, of its scores for that set before and after the evaluation.
    """

    agreement: Agreement | None = None
    drift: float | None = None


def judge_lines(summaries: Mapping[str, ContestantSummary], rules: GateRules, record: JudgeRecord) -> list[GateLine]:
    """Hold the judge against its limits; a judge beyond them is no evidence, for or against the student."""
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
    if record.drift is not None:
        text = "points by which the judge's scores of the calibration set moved between begin and end of the evaluation"
        found.append(at_most("max_judge_drift", rules.max_judge_error, record.drift, text, evidence=True))
    return found


def agreement_lines(agreement: Agreement | None, rules: GateRules) -> list[GateLine]:
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
    grouped: Mapping[str, Sequence[Measurement]], summaries: Mapping[str, ContestantSummary], rules: GateRules
) -> list[GateLine]:
    """Hold the student's scores against the task's floor, its reference and the floors of its slices.

    Parameters
    ----------
    grouped : mapping of str to sequence of Measurement
        By role; student and reference must be there.
    summaries : mapping of str to ContestantSummary
    rules : GateRules
    """
    student = grouped["student"]
    differences = paired_differences(student, grouped[rules.reference])
    floor = at_least(
        "min_judge_score", rules.min_judge_score, summaries["student"].mean_score, "mean judge score of the student"
    )
    drop, size = _non_inferiority(differences, summaries[rules.reference].mean_score, rules)
    return [floor, drop, size, *_slice_lines(student, rules)]


def _non_inferiority(
    differences: Sequence[int], reference_score: float | None, rules: GateRules
) -> tuple[GateLine, GateLine]:
    """Decide by the bounds of the mean paired difference; say how many records the measured spread asks for."""
    margin = rules.max_quality_drop
    planned = holdout_records_needed(margin)
    if not differences or reference_score is None:
        text = "no record was judged for both"
        drop = GateLine(
            rule="max_quality_drop", threshold=margin, measured=None, passed=False, undecided=True, explanation=text
        )
        return drop, at_least("holdout_records", planned, 0.0, text)
    bounds = mean_bounds(differences)
    passed, worse = -bounds.low <= margin + ROUNDING, -bounds.high > margin + ROUNDING
    needed = max(holdout_records_needed(margin, bounds.spread), 1)
    undecided = not passed and not worse and bounds.records < needed
    drop = GateLine(
        rule="max_quality_drop",
        threshold=margin,
        measured=-bounds.mean,
        bound=-bounds.low,
        passed=passed,
        undecided=undecided,
        explanation=_drop_text(bounds, reference_score, rules.reference, passed=passed, worse=worse, needed=needed),
    )
    size = GateLine(
        rule="holdout_records",
        threshold=needed,
        measured=float(bounds.records),
        passed=not undecided,
        undecided=undecided,
        explanation=(
            f"paired records that show a drop within {margin:g} at 80 % power with the measured spread of "
            f"{bounds.spread:.2f} points; {planned} were planned"
            + ("; the bound decides with fewer" if bounds.records < needed and not undecided else "")
        ),
    )
    return drop, size


def _drop_text(
    bounds: Bounds, reference_score: float, reference: str, *, passed: bool, worse: bool, needed: int
) -> str:
    text = f"judge points below the {reference} ({reference_score:.2f}), paired over {bounds.records} records; bound: "
    text += "the largest drop that the measurements allow, one-sided 95 %"
    if passed:
        return text
    if worse:
        return f"{text}; even the smallest, {-bounds.high:.2f}, is too large"
    if bounds.records < needed:
        return f"{text}; {needed} records could decide it"
    return f"{text}; the records were enough to show it within the limit, and did not"


def _slice_lines(student: Sequence[Measurement], rules: GateRules) -> list[GateLine]:
    found: list[GateLine] = []
    for name, floor in sorted(rules.slices.items()):
        scores: dict[str, list[int]] = {}
        for item in student:
            if name in item.slices and item.score is not None:
                scores.setdefault(item.slices[name], []).append(item.score)
        if not scores:
            found.append(at_least(f"slices.{name}", floor, None, f"no judged record has the slice field '{name}'"))
        found += [_slice_line(f"slices.{name}={value}", floor, members) for value, members in sorted(scores.items())]
    return found


def _slice_line(rule: str, floor: float, scores: list[int]) -> GateLine:
    line = at_least(
        rule, floor, statistics.fmean(scores), f"mean judge score of the student over {len(scores)} records"
    )
    if len(scores) >= FEWEST_IN_A_SLICE:
        return line
    text = f"{line.explanation}; at least {FEWEST_IN_A_SLICE} are needed to say anything about a slice"
    return replace(line, passed=False, undecided=True, explanation=text)


def unbelieved(lines: Sequence[GateLine]) -> list[GateLine]:
    """Take scores of a judge that is not believed for no evidence: what they seem to break is left undecided."""
    return [replace(line, undecided=not line.passed) for line in lines]


def calibration_document(record: JudgeRecord) -> dict[str, Any] | None:
    """Give the judge's calibration as it stands in ``report.json``; ``None`` where the task has no set."""
    if record.agreement is None:
        return None
    return {**record.agreement.to_document(), "drift": record.drift}
