"""The gate: the rules that decide whether a student may be promoted, each with its threshold and what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lambdas.domain.break_even import BreakEven
from lambdas.domain.evaluation import ContestantSummary
from lambdas.domain.task_definition import TaskDefinition

ROUNDING = 1e-9
"""What binary fractions may be off: 4.0 - 3.8 is more than 0.2."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GateLine:
    """One rule. ``bound`` is the confidence bound that decides, where one does."""

    rule: str
    threshold: float
    measured: float
    bound: float | None
    passed: bool
    explanation: str

    def to_document(self) -> dict[str, Any]:
        """Give the line as it stands in ``report.json``."""
        return asdict(self)


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
    summaries: Mapping[str, ContestantSummary], task: TaskDefinition, break_even: BreakEven
) -> list[GateLine]:
    """Hold the student against every rule of the task.

    Parameters
    ----------
    summaries : mapping of str to ContestantSummary
        By role; student, teacher and baseline must be there.
    task : TaskDefinition
    break_even : BreakEven
        Monthly costs at the expected volume, where that is known.

    Returns
    -------
    list of GateLine
        One line a rule; the student passes when all lines do.
    """
    rules = task.gate
    student, teacher, baseline = (summaries[role] for role in ("student", "teacher", "baseline"))
    reference = summaries[rules.reference]
    drop = reference.mean_score - student.mean_score
    cost, cost_text = _cost_reduction(student, teacher, task, break_even)
    latency = reduction(student.latency_mean_ms, baseline.latency_mean_ms)
    return [
        _at_least("min_judge_score", rules.min_judge_score, student.mean_score, "mean judge score of the student"),
        GateLine(
            rule="max_quality_drop",
            threshold=rules.max_quality_drop,
            measured=drop,
            bound=None,
            passed=drop <= rules.max_quality_drop + ROUNDING,
            explanation=f"judge points below the {rules.reference} ({reference.mean_score:.2f})",
        ),
        _at_least(
            "min_schema_validity",
            rules.min_schema_validity,
            student.schema_validity,
            "share of the student's answers that keep the output schema",
        ),
        _at_least("min_cost_reduction", rules.min_cost_reduction, cost, cost_text),
        _at_least(
            "min_latency_reduction",
            rules.min_latency_reduction,
            latency,
            f"mean latency, {student.latency_mean_ms:,.0f} ms; the baseline's is {baseline.latency_mean_ms:,.0f} ms",
        ),
    ]


def _at_least(rule: str, threshold: float, measured: float, explanation: str) -> GateLine:
    return GateLine(
        rule=rule,
        threshold=threshold,
        measured=measured,
        bound=None,
        passed=measured >= threshold - ROUNDING,
        explanation=explanation,
    )


def _cost_reduction(
    student: ContestantSummary, teacher: ContestantSummary, task: TaskDefinition, break_even: BreakEven
) -> tuple[float, str]:
    """Compare with the teacher, in the mode to be promoted at the expected volume where known, else per token."""
    monthly = break_even.usd_per_month
    if (
        task.serving.mode == "provisioned_throughput"
        and monthly
        and monthly["student_provisioned_throughput"] is not None
    ):
        served = monthly["student_provisioned_throughput"]
        text = (
            f"provisioned throughput at {task.serving.expected_requests_per_month:,} requests a month, "
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


def reasons(lines: list[GateLine]) -> list[str]:
    """Say in one short sentence each which rules were not kept."""
    return [
        f"{line.rule}: measured {line.measured:.3g}, {'at most' if line.rule.startswith('max') else 'at least'} "
        f"{line.threshold:g} ({line.explanation})"
        for line in lines
        if not line.passed
    ]
