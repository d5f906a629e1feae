"""The gate: the rules that decide whether a student may be promoted, each with its threshold and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lambdas.domain.evaluation.evidence import Comparison, compared, evidence_of_scores, teacher_ceiling
from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reason
from lambdas.domain.gate.cost_rule import cost_line, reduction, units_text
from lambdas.domain.gate.level_rules import latency_bound, validity_line
from lambdas.domain.gate.quality_rules import JudgeRecord, judge_lines, quality_lines, told_apart, unbelieved
from lambdas.domain.gate.rule_result import ROUNDING, RuleResult, accepted_by_a_person, at_least, level

if TYPE_CHECKING:
    from lambdas.domain.evaluation.contestant_summary import ContestantSummary
    from lambdas.domain.evaluation.measurements import Measurement
    from lambdas.domain.serving.break_even import BreakEven
    from lambdas.domain.task.task_definition import TaskDefinition

FEWEST_TIMED = 10
"""Answers whose latency counts, below which their mean says nothing; all of them where the holdout has fewer."""

SLOWER_TAIL = 1.1
"""By how much the student's 95th percentile may be above the baseline's: a percentile of some hundred times varies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GateResult:
    """What the gate says of a student, and on what its lines about quality rest.

    Attributes
    ----------
    lines : list of RuleResult
        One a rule.
    comparison : Comparison
        The student beside its reference model.
    scores : str
        Evidence of the scores against the references.
    ceiling : float or None
        Score that the teacher's own second answers reach.
    look : int
        Which verdict on these records it is, from 1; each sending of labels is another one.
    """

    lines: list[RuleResult]
    comparison: Comparison
    scores: str
    ceiling: float | None
    look: int


def judge_gate(
    grouped: Mapping[str, Sequence[Measurement]],
    summaries: Mapping[str, ContestantSummary],
    task: TaskDefinition,
    break_even: BreakEven,
    judge: JudgeRecord,
    unmeasured: Sequence[Mapping[str, str]] = (),
    trusted: AbstractSet[str] | None = None,
    look: int = 1,
) -> GateResult:
    """Hold the student against every rule of the task.

    Parameters
    ----------
    grouped : mapping of str to sequence of Measurement
        By role; student, teacher and baseline must be there.
    summaries : mapping of str to ContestantSummary
        What they add up to.
    task : TaskDefinition
    break_even : BreakEven
        Monthly costs at the expected volume, where that is known.
    judge : JudgeRecord
        How far the judge can be believed.
    unmeasured : sequence of mapping of str to str
        Slices of the holdout records that were not measured.
    trusted : set of str, optional
        Ids of the records whose reference is the user's own answer; all of them unless given.
    look : int
        Which verdict on these records it is, from 1, before the run's own earlier ones are added where people decide:
        the later, the surer the comparison must be.
    """
    rules = task.gate
    student, teacher = summaries["student"], summaries["teacher"]
    ids = {item.record_id for item in grouped["student"]} if trusted is None else trusted
    comparison, of_scores = compared(grouped, rules, ids, judge.labels), evidence_of_scores(grouped["student"], ids)
    look, ceiling = look + comparison.more_looks, teacher_ceiling(grouped["teacher"], ids)
    of_judge = judge_lines(summaries, rules, judge, comparison.outcomes)
    quality = quality_lines(grouped, rules, comparison, of_scores, unmeasured, task.output_schema, look, ceiling)
    quality = [told_apart(line, comparison, judge) if line.rule == "max_quality_drop" else line for line in quality]
    if not all(line.passed for line in of_judge):
        quality = unbelieved(quality)
    validity = (
        f"share of the student's answers that keep the output schema; after repair {student.validity_after_repair:.1%}"
    )
    lines = [
        *quality,
        *of_judge,
        validity_line(rules.min_schema_validity, grouped["student"], validity),
        cost_line(student, teacher, task, break_even),
        _latency_line(grouped, summaries, task),
    ]
    return GateResult(lines=lines, comparison=comparison, scores=of_scores, ceiling=ceiling, look=look)


def needed_approvals(task: TaskDefinition, break_even: BreakEven) -> list[ExplicitReason]:
    """Say why the throughput that would be purchased needs a person's explicit word, where it does."""
    if task.serving.mode != "provisioned_throughput":
        return []
    return [*_too_few_units(task, break_even), *_dearer_than_on_demand(task, break_even)]


def _too_few_units(task: TaskDefinition, break_even: BreakEven) -> list[ExplicitReason]:
    purchased, needed, each = task.serving.model_units, break_even.units_for_volume, break_even.unit_requests_per_month
    if needed is None or each is None or needed <= purchased:
        return []
    text = (
        f"{units_text(purchased)} would throttle what is expected: {task.serving.expected_requests_per_month:,} "
        f"requests a month need {needed}, since one serves {each:,.0f} where the busiest minute has "
        f"{break_even.peak_to_mean:g} times the mean; set serving.model_units of task.json to {needed}"
    )
    return [explicit_reason("too_few_units", text)]


def _dearer_than_on_demand(task: TaskDefinition, break_even: BreakEven) -> list[ExplicitReason]:
    monthly = break_even.usd_per_month
    if not monthly:
        return []
    provisioned, on_demand = monthly["student_provisioned_throughput"], monthly["student_on_demand"]
    if provisioned is None or on_demand is None or provisioned <= on_demand:
        return []
    text = (
        f"Provisioned throughput does not pay at {task.serving.expected_requests_per_month:,} requests a month: "
        f"${provisioned:,.0f} a month against ${on_demand:,.0f} for the same student on demand"
    )
    return [explicit_reason("dearer_than_on_demand", text)]


def _latency_line(
    grouped: Mapping[str, Sequence[Measurement]], summaries: Mapping[str, ContestantSummary], task: TaskDefinition
) -> RuleResult:
    threshold, student, baseline = task.gate.min_latency_reduction, summaries["student"], summaries["baseline"]
    fewest = min(FEWEST_TIMED, student.records)
    both = [item for item in (student, baseline) if item.latency and item.timed >= fewest]
    if len(both) < len((student, baseline)) or _mean(baseline) <= 0:
        text = (
            f"{student.timed} answers of the student and {baseline.timed} of the baseline have a latency that counts, "
            f"{student.throttled} and {baseline.throttled} were throttled; those of batch inference have none. "
            f"{FEWEST_TIMED} each are needed"
        )
        return accepted_by_a_person(at_least("min_latency_reduction", threshold, None, text))
    text = f"mean latency, {_mean(student):,.0f} ms; the baseline's is {_mean(baseline):,.0f} ms; "
    text += f"95 of 100 answers come within {_slowest(student):,.0f} ms and {_slowest(baseline):,.0f} ms; "
    text += f"{student.throttled} and {baseline.throttled} throttled answers are kept out"
    if task.serving.mode == "provisioned_throughput":
        text += "; measured on the candidate's on-demand deployment, before any throughput is purchased"
    measured = reduction(_mean(student), _mean(baseline))
    missed = measured < threshold - ROUNDING  # what is kept needs no bound, which is half of the gate's work
    high = latency_bound(grouped["student"], grouped["baseline"], fewest) if missed else None
    line = level("min_latency_reduction", threshold, measured, high, text)
    if line.passed and _slowest(student) > _slowest(baseline) * SLOWER_TAIL:
        # A mean hides that some wait much longer, and a few slow answers of the baseline make any mean look good.
        tail = f"{text}; the slowest wait longer than with the baseline, which the mean hides"
        line = replace(line, passed=False, undecided=True, explanation=tail)
    return accepted_by_a_person(line)


def _mean(summary: ContestantSummary) -> float:
    return summary.latency.mean if summary.latency else 0.0


def _slowest(summary: ContestantSummary) -> float:
    """Give the 95th percentile."""
    return summary.latency.quantiles[-1] if summary.latency else 0.0
