"""The gate over published figures, changed as a test wants."""

from __future__ import annotations

from typing import Any

from lambdas.domain.evaluation.judge_calibration import Agreement
from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.gate.quality_rules import JudgeRecord
from lambdas.domain.gate.rule_result import PROMOTE, RuleResult, decide, reasons, to_accept
from lambdas.domain.gate.rules import judge_gate
from lambdas.domain.serving.break_even import BreakEven, work_out
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.domain.samples import BOOK, MICRO, summaries

GOOD_JUDGE = Agreement(
    cases=30,
    without_verdict=0,
    mean_error=0.1,
    within_one=1.0,
    rank_correlation=0.95,
    adversarial=5,
    adversarial_lift=0.0,
)


ON_DEMAND = {"mode": "on_demand"}
"""Serving whose costs are known without a volume."""


def task_of(**document: Any) -> TaskDefinition:
    """Make a task that is served on demand unless it says otherwise."""
    return TaskDefinition.from_document({"serving": ON_DEMAND, **document})


def gate(
    measurements: dict[str, list[Measurement]],
    *,
    judge: JudgeRecord | None = None,
    look: int = 1,
    **document: Any,
) -> tuple[list[RuleResult], BreakEven]:
    task = task_of(**document)
    added_up = summaries(measurements)
    even = work_out(added_up, task, BOOK, MICRO)
    return judge_gate(measurements, added_up, task, even, judge or JudgeRecord(), look=look).lines, even


def failed(lines: list[RuleResult]) -> list[str]:
    return [line.rule for line in lines if not line.passed]


def line_of(lines: list[RuleResult], rule: str) -> RuleResult:
    return next(line for line in lines if line.rule == rule)


def accepted_alone(lines: list[RuleResult]) -> list[str]:
    """Name the rules that a person may accept, where these are all that keeps the student from a promotion."""
    assert decide(lines) == PROMOTE
    assert reasons(lines) == []
    return [reason["name"] for reason in to_accept(lines)]
