"""The gate: the rules that decide whether a student may be promoted, each with its threshold and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from lambdas.domain.evaluation.contestant_summary import ContestantSummary
from lambdas.domain.evaluation.evidence import compared, evidence_of_scores
from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reason
from lambdas.domain.gate.level_rules import latency_bound, validity_line
from lambdas.domain.gate.quality_rules import JudgeRecord, judge_lines, quality_lines, unbelieved
from lambdas.domain.gate.rule_result import RuleResult, accepted_by_a_person, at_least, level
from lambdas.domain.serving.break_even import BreakEven
from lambdas.domain.task.task_definition import TaskDefinition

FEWEST_TIMED = 10
"""Answers whose latency counts, below which their mean says nothing; all of them where the holdout has fewer."""


def reduction(new: float, old: float) -> float:
    """Give by which share ``new`` is lower than ``old``; negative when it is higher.

    Raises
    ------
    ValueError
        When ``old`` is not positive: then nothing can be said.
    """
    if old <= 0:
        raise ValueError(f"nothing can be compared with {old}")
    return 1 - new / old


def judge_gate(
    grouped: Mapping[str, Sequence[Measurement]],
    summaries: Mapping[str, ContestantSummary],
    task: TaskDefinition,
    break_even: BreakEven,
    judge: JudgeRecord,
    unmeasured: Sequence[Mapping[str, str]] = (),
    trusted: AbstractSet[str] | None = None,
    look: int = 1,
) -> list[RuleResult]:
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
        Which verdict on these records it is, from 1: the later, the surer the comparison must be.

    Returns
    -------
    list of RuleResult
        One line a rule.
    """
    rules = task.gate
    student, teacher = summaries["student"], summaries["teacher"]
    ids = {item.record_id for item in grouped["student"]} if trusted is None else trusted
    comparison, of_scores = compared(grouped, rules, ids), evidence_of_scores(grouped["student"], ids)
    of_judge = judge_lines(summaries, rules, judge, comparison.outcomes)
    quality = quality_lines(grouped, rules, comparison, of_scores, unmeasured, task.output_schema, look)
    if not all(line.passed for line in of_judge):
        quality = unbelieved(quality)
    validity = (
        f"share of the student's answers that keep the output schema; after repair {student.validity_after_repair:.1%}"
    )
    cost, cost_text = _cost_reduction(student, teacher, task, break_even)
    return [
        *quality,
        *of_judge,
        validity_line(rules.min_schema_validity, grouped["student"], validity),
        at_least("min_cost_reduction", rules.min_cost_reduction, cost, cost_text),
        _latency_line(grouped, summaries, task),
    ]


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
        f"{_units(purchased)} would throttle what is expected: {task.serving.expected_requests_per_month:,} requests a "
        f"month need {needed}, since one serves {each:,.0f} where the busiest minute has {break_even.peak_to_mean:g} "
        f"times the mean; set serving.model_units of task.json to {needed}"
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


def _units(count: int) -> str:
    return "1 model unit" if count == 1 else f"{count} model units"


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
    high = latency_bound(grouped["student"], grouped["baseline"], fewest)
    measured = reduction(_mean(student), _mean(baseline))
    return accepted_by_a_person(level("min_latency_reduction", threshold, measured, high, text))


def _mean(summary: ContestantSummary) -> float:
    return summary.latency.mean if summary.latency else 0.0


def _slowest(summary: ContestantSummary) -> float:
    """Give the 95th percentile."""
    return summary.latency.quantiles[-1] if summary.latency else 0.0


def _cost_reduction(
    student: ContestantSummary, teacher: ContestantSummary, task: TaskDefinition, break_even: BreakEven
) -> tuple[float | None, str]:
    """Compare with the teacher, in the mode to be promoted at the expected volume where known, else per token."""
    for summary in (student, teacher):
        if summary.usd_per_1k_requests <= 0:
            return None, f"no answer of the {summary.role} has a price: {summary.unanswered} were not given"
    monthly = break_even.usd_per_month
    if (
        task.serving.mode == "provisioned_throughput"
        and monthly
        and monthly["student_provisioned_throughput"] is not None
    ):
        served = monthly["student_provisioned_throughput"]
        units = _units(break_even.units_for_volume or task.serving.model_units)
        text = (
            f"provisioned throughput of {units} at {task.serving.expected_requests_per_month:,} requests a month, "
            f"${served:,.0f} against the teacher's ${monthly['teacher']:,.0f}"
        )
        return reduction(served, monthly["teacher"] or 0.0), text
    text = (
        f"${student.usd_per_1k_requests:.4f} per 1,000 requests on demand against the teacher's "
        f"${teacher.usd_per_1k_requests:.4f}; the volume or the price of a throughput hour is unknown"
    )
    if task.serving.mode == "on_demand":
        text = text.split(";", maxsplit=1)[0]
    return reduction(student.usd_per_1k_requests, teacher.usd_per_1k_requests), text
