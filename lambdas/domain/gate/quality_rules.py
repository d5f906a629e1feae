"""Is the student as good as its reference? The rules of the gate that rest on the judge's scores, and on the judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lambdas.domain.evaluation.confidence_bounds import Bounds, error_of_look, mean_bounds
from lambdas.domain.evaluation.evidence_kinds import FIDELITY
from lambdas.domain.evaluation.judge import MOST_DIFFERENCE, MOST_FAILURES
from lambdas.domain.evaluation.measurements import CHAMPION, Measurement, worst_differences
from lambdas.domain.evaluation.sample_sizes import holdout_records_needed, records_that_show
from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reason
from lambdas.domain.gate.level_rules import floor_line, recall_lines, slice_drop_lines, slice_lines
from lambdas.domain.gate.rule_result import (
    INFORMS,
    MUST_BE_SHOWN,
    ROUNDING,
    RuleResult,
    accepted_by_a_person,
    at_least,
    at_most,
)

if TYPE_CHECKING:
    from lambdas.domain.evaluation.contestant_summary import ContestantSummary
    from lambdas.domain.evaluation.evidence import Comparison
    from lambdas.domain.evaluation.judge_calibration import Agreement
    from lambdas.domain.evaluation.labelled import Corrected
    from lambdas.domain.evaluation.labels import PeoplesLabels
    from lambdas.domain.task.task_definition import GateRules

_LIMITS = (-MOST_DIFFERENCE, MOST_DIFFERENCE)

MOST_ADVERSARIAL_LIFT = 1.0
"""Points that an answer may win by talking to the judge: one, as any answer may be scored one point off."""

LEAST_TOLD_APART = 0.02
"""Share of the pairs whose texts differ that a judge without known scores must prefer an answer in."""


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
    labels : PeoplesLabels or None
        What people said of a sample of the answers that it judged.
    """

    agreement: Agreement | None = None
    drift: float | None = None
    labels: PeoplesLabels | None = None


def judge_lines(
    summaries: Mapping[str, ContestantSummary],
    rules: GateRules,
    record: JudgeRecord,
    outcomes: Mapping[str, int] | None = None,
) -> list[RuleResult]:
    """Hold the judge against its limits; a judge beyond them is not evidence, for or against the student.

    Parameters
    ----------
    summaries : mapping of str to ContestantSummary
        By role; one that the judge was asked about on a sample alone decides nothing.
    rules : GateRules
    record : JudgeRecord
    outcomes : mapping of str to int, optional
        How pairs ended, where the comparison rests on them.
    """
    counts = {
        role.replace("_", " "): (one.judge_failures, one.records)
        for role, one in summaries.items()
        if one.judged == one.records
    }
    if outcomes is not None:
        counts["pairs"] = outcomes["no_verdict"], sum(outcomes.values())
    worst = max(counts, key=lambda name: counts[name][0] / counts[name][1])
    failed, asked = counts[worst]
    failures = at_most(
        "max_judge_failures",
        MOST_FAILURES,
        failed / asked,
        f"share of answers without a verdict after every retry, where it is largest: {worst}, {failed} of {asked}",
        evidence=True,
    )
    found = [failures, *agreement_lines(record.agreement, rules)]
    if record.agreement is not None:
        text = "points by which the judge's scores of the calibration set moved between begin and end of the evaluation"
        found.append(at_most("max_judge_drift", rules.max_judge_error, record.drift, text, evidence=True))
    return [replace(line, kind=MUST_BE_SHOWN) for line in found]


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
    rules: GateRules,
    comparison: Comparison,
    of_scores: str,
    unmeasured: Sequence[Mapping[str, str]] = (),
    schema: dict[str, Any] | None = None,
    look: int = 1,
    ceiling: float | None = None,
) -> list[RuleResult]:
    """Hold the student's scores against the task's floor, its reference and the floors of its slices.

    A missing verdict may hide anything. What is passed only as long as nobody knows it is not shown.

    Parameters
    ----------
    grouped : mapping of str to sequence of Measurement
        By role; the student must be there.
    rules : GateRules
    comparison : Comparison
        The student beside its reference model.
    of_scores : str
        On what scores against the references rest.
    unmeasured : sequence of mapping of str to str
        Slices of the holdout records that were not measured, since nothing is known to compare with.
    schema : dict, optional
        The task's output schema.
    look : int
        Which verdict on these records it is, from 1.
    ceiling : float, optional
        Score that the teacher's own second answers reach.
    """
    student = grouped["student"]
    text = "mean judge score of the student" + (_ceiling_text(ceiling) if of_scores == FIDELITY else "")
    floor = floor_line("min_judge_score", rules.min_judge_score, student, text, of_scores)
    compared = _non_inferiority(comparison, rules, look)
    slices = slice_lines(student, rules.slices, unmeasured, of_scores)
    missed = {line.rule.removeprefix("slices.") for line in slices if not line.passed}
    drops = slice_drop_lines(comparison, rules.max_quality_drop) if compared[0].passed else []
    return [
        floor,
        *compared,
        *slices,
        *(line for line in drops if line.rule.removeprefix("slice_drop.") not in missed),
        *recall_lines(schema, student, rules.min_class_recall, of_scores),
    ]


def _ceiling_text(ceiling: float | None) -> str:
    own = "" if ceiling is None else f"; the teacher's own second answers reach {ceiling:.2f}"
    return f" against the teacher's answers, which shows likeness and no more{own}"


def _non_inferiority(comparison: Comparison, rules: GateRules, look: int) -> list[RuleResult]:
    """Decide by the bounds of the mean paired difference; say how many records the measured spread asks for."""
    if comparison.evidence == FIDELITY:
        return [_nothing_compared(rules)]
    margin, differences, planned = (
        rules.max_quality_drop,
        comparison.differences,
        holdout_records_needed(rules.max_quality_drop),
    )
    if not differences:
        drop = RuleResult(
            rule="max_quality_drop",
            kind=MUST_BE_SHOWN,
            evidence=comparison.evidence,
            threshold=margin,
            measured=None,
            passed=False,
            undecided=True,
            explanation="no record was judged for both",
        )
        return [drop, replace(at_least("holdout_records", planned, 0.0, "no record was judged for both"), kind=INFORMS)]
    error = error_of_look(look)
    corrected = comparison.people.corrected(error) if comparison.people else None
    bounds, at_worst = _bounds(comparison, corrected, error)
    largest, needed = -min(bounds.low, at_worst.low), _records_needed(bounds, margin, error)
    passed, worse = largest <= margin + ROUNDING, -bounds.high > margin + ROUNDING
    hidden = not passed and not worse and -bounds.low <= margin + ROUNDING
    few = not passed and not worse and not hidden and (bounds.groups < needed or _more_labels(corrected, margin))
    drop = RuleResult(
        rule="max_quality_drop",
        kind=MUST_BE_SHOWN,
        evidence=comparison.evidence,
        threshold=margin,
        measured=-bounds.mean,
        bound=largest,
        passed=passed,
        undecided=few or hidden,
        explanation=(
            f"judge points below the {rules.reference}, paired over {_over(bounds)}"
            f"{_pairs_text(comparison)}{_people_text(comparison)}; "
            f"bound: the largest drop that the measurements allow, one-sided {1 - error:.3g}"
            + (f", since this is verdict {look} on the same records" if look > 1 else "")
            + _unknown_text(comparison, rules.reference)
            + ("" if passed or hidden else _refused_text(bounds, worse=worse, needed=needed, labels=bool(corrected)))
        ),
    )
    if corrected is not None:
        return [drop, _labels_line(corrected[0], margin, few=few)]
    size = RuleResult(
        rule="holdout_records",
        kind=INFORMS,
        threshold=needed,
        measured=float(bounds.groups),
        passed=not few,
        undecided=few,
        explanation=(
            f"independent records that show a drop within {margin:g} at 80 % power with the measured spread of "
            f"{bounds.spread:.2f} points; {planned} were planned"
            + ("; the bound decides with fewer" if bounds.groups < needed and not few else "")
        ),
    )
    return [drop, size]


def _bounds(
    comparison: Comparison, corrected: tuple[Corrected, Corrected] | None, error: float
) -> tuple[Bounds, Bounds]:
    """Bound the difference over what is known, and over every record at its worst."""
    if corrected is not None:
        return corrected[0].bounds, corrected[1].bounds
    bounds = mean_bounds(comparison.differences, _LIMITS, groups=_groups(comparison.units), error=error)
    if comparison.worst == comparison.differences:
        return bounds, bounds
    return bounds, mean_bounds(comparison.worst, _LIMITS, groups=_groups(comparison.worst_units), error=error)


def _more_labels(corrected: tuple[Corrected, Corrected] | None, margin: float) -> bool:
    """Tell whether more labels could still decide."""
    if corrected is None:
        return False
    needed = corrected[0].labels_needed(margin)
    return needed is not None and corrected[0].labels < needed


def _labels_line(corrected: Corrected, margin: float, *, few: bool) -> RuleResult:
    """Say how many labels the margin asks for, beside the judge as it is."""
    needed = corrected.labels_needed(margin)
    text = f"labelled records that show a drop within {margin:g} at 80 % power beside this judge"
    if needed is None:
        text = f"{text}: no number of labels does with this holdout; {corrected.drawn_from} records could be labelled"
    elif corrected.labels < needed and not few:
        text = f"{text}; the bound decides with fewer"
    return RuleResult(
        rule="labelled_records",
        kind=INFORMS,
        threshold=needed or corrected.drawn_from,
        measured=float(corrected.labels),
        passed=not few,
        undecided=few,
        explanation=text,
    )


def _people_text(comparison: Comparison) -> str:
    """Say whose scores correct the judge, where they do."""
    if comparison.people is None:
        return ""
    labels = comparison.people.labels
    who = "1 person" if labels.people == 1 else f"{labels.people} people"
    return f", corrected with the scores that {who} gave {len(labels.differences)} of them"


def _nothing_compared(rules: GateRules) -> RuleResult:
    """Leave the comparison undecided where the teacher's answers are all there is: a person may accept that."""
    line = RuleResult(
        rule="max_quality_drop",
        kind=MUST_BE_SHOWN,
        evidence=FIDELITY,
        threshold=rules.max_quality_drop,
        measured=None,
        passed=False,
        undecided=True,
        explanation=(
            f"the references are the teacher's own answers, which say nothing about the {rules.reference}: give "
            "trusted answers in holdout.jsonl, let the judge compare pairs ('gate.evidence' of task.json is "
            '"auto"), or have people label a sample (python -m cli label)'
        ),
    )
    return accepted_by_a_person(line)


def told_apart(line: RuleResult, comparison: Comparison, record: JudgeRecord) -> RuleResult:
    """Leave the comparison to a person where a judge of whom nothing is known told nearly no pair apart.

    Answers that differ and deserve the same score in nearly every record are rare; a judge that gives everything the
    same score is not, nor one that prefers whatever comes first. Either would promote anybody: both orders together
    give no difference, in each record. Where known scores or people's labels show what the judge is worth, they decide.
    """
    ended = comparison.outcomes
    if not line.passed or ended is None or record.agreement is not None or comparison.people is not None:
        return line
    told, turned = ended["student"] + ended["other"], ended["flip"]
    differing = told + turned + ended["tie"]
    if told >= turned and told >= LEAST_TOLD_APART * differing:
        return line  # and where all texts are equal nobody was asked
    text = (
        f"{line.explanation}; the judge preferred an answer in {told} of {differing} pairs that differ, in {turned} "
        "only the place of the answers decided, which a judge does too that tells nothing apart: give known scores in "
        "calibration.jsonl to show which"
    )
    return accepted_by_a_person(replace(line, passed=False, undecided=True, explanation=text))


def _groups(units: Sequence[str]) -> Sequence[str] | None:
    """Name the groups, or ``None`` where each record is its own."""
    return units if len(set(units)) < len(units) else None


def _over(bounds: Bounds) -> str:
    return f"{bounds.records} records" + (f" in {bounds.groups} groups" if bounds.groups < bounds.records else "")


def _pairs_text(comparison: Comparison) -> str:
    """Say how pairs ended, where pairs are what the comparison rests on."""
    ended = comparison.outcomes
    if ended is None:
        return ""
    return (
        " that the judge saw without a reference, blinded and in both orders: the student's answer was better in "
        f"{ended['student']} and worse in {ended['other']}, {ended['tie']} ties, {ended['equal']} equal texts, in "
        f"{ended['flip']} the order decided"
    )


def worse_than_champion(grouped: Mapping[str, Sequence[Measurement]], rules: GateRules) -> list[ExplicitReason]:
    """Say that the student is not shown to be as good as the champion that it would replace, where it is not.

    No rule of the gate: a new student may be wanted although it is a little worse, for its price or its prompt. But
    nobody must find out afterwards.
    """
    student, champion = grouped["student"], grouped.get(CHAMPION)
    found = worst_differences(student, champion) if champion else []
    if not found:
        return []
    bounds = mean_bounds(found, _LIMITS, groups=_groups([item.unit for item in student]))
    if -bounds.low <= rules.max_quality_drop + ROUNDING:
        return []
    text = (
        f"The student is not shown to be within {rules.max_quality_drop:g} judge points of the champion that it would "
        f"replace: {-bounds.mean:.2f} points below it over {bounds.records} records, and it may be {-bounds.low:.2f}"
    )
    return [explicit_reason("worse_than_champion", text)]


def _records_needed(bounds: Bounds, margin: float, error: float) -> int:
    """Give the records that the measured spread asks for, or what the measured drop does where no more was seen."""
    needed = holdout_records_needed(margin, bounds.spread, error)
    if -bounds.resampled_low <= margin < -bounds.low and -bounds.mean < margin - ROUNDING:
        return max(needed, records_that_show(margin, -bounds.mean, error))
    return needed


def _refused_text(bounds: Bounds, *, worse: bool, needed: int, labels: bool) -> str:
    if worse:
        return f"; even the smallest, {-bounds.high:.2f}, is too large"
    if labels:
        return "; 'labelled_records' says how many labels could decide it"
    if bounds.records < needed:
        return f"; {needed} records could decide it"
    return "; the records were enough to show it within the limit, and did not"


def _unknown_text(comparison: Comparison, name: str) -> str:
    """Say what the bound counts at its worst because it is not known."""
    unknown, silent = comparison.unknown, comparison.silent
    parts = [f"{unknown} records without both verdicts"] if unknown else []
    parts += [f"{silent} that the {name} did not answer"] if silent else []
    return f"; {' and '.join(parts)} count in it at their worst" if parts else ""


def unbelieved(lines: Sequence[RuleResult]) -> list[RuleResult]:
    """Take scores of a judge that is not believed for no evidence: what they seem to break is left undecided."""
    return [replace(line, undecided=not line.passed, acceptable=False) for line in lines]


def calibration_document(record: JudgeRecord) -> dict[str, Any] | None:
    """Give the judge's calibration as written to ``report.json``; ``None`` where the task has no set."""
    if record.agreement is None:
        return None
    return {**record.agreement.to_document(), "drift": record.drift}
