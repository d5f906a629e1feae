"""``min_cost_reduction``: what is purchased when the student is promoted, against what its teacher costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lambdas.domain.gate.rule_result import RuleResult, accepted_by_a_person, at_least
from lambdas.domain.prices.price_book import HOURS_A_MONTH, MINUTES_A_MONTH

if TYPE_CHECKING:
    from lambdas.domain.evaluation.contestant_summary import ContestantSummary
    from lambdas.domain.serving.break_even import BreakEven
    from lambdas.domain.task.task_definition import TaskDefinition

RULE = "min_cost_reduction"


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


def units_text(count: int) -> str:
    """Name a number of model units."""
    return "1 model unit" if count == 1 else f"{count:,} model units"


def cost_line(
    student: ContestantSummary, teacher: ContestantSummary, task: TaskDefinition, break_even: BreakEven
) -> RuleResult:
    """Compare what serving the student costs with what the teacher costs, in the mode that is promoted.

    On demand both cost tokens. A provisioned throughput bills by the hour: its rule is decided where volume, price and
    what a unit serves at the peak are known. Where one is not, it is refused when even the least that it can cost is
    too much, and else undecided, for a person to accept: what it costs by the token is not what is purchased.

    Parameters
    ----------
    student, teacher : ContestantSummary
    task : TaskDefinition
    break_even : BreakEven
    """
    for summary in (student, teacher):
        if summary.usd_per_1k_requests <= 0:
            text = f"no answer of the {summary.role} has a price: {summary.unanswered} were not given"
            return at_least(RULE, task.gate.min_cost_reduction, None, text)
    if task.serving.mode == "on_demand":
        measured = reduction(student.usd_per_1k_requests, teacher.usd_per_1k_requests)
        return at_least(RULE, task.gate.min_cost_reduction, measured, _by_the_token(student, teacher))
    return _of_throughput(student, teacher, task, break_even)


def _by_the_token(student: ContestantSummary, teacher: ContestantSummary) -> str:
    return (
        f"${student.usd_per_1k_requests:.4f} per 1,000 requests on demand against the teacher's "
        f"${teacher.usd_per_1k_requests:.4f}"
    )


def _of_throughput(
    student: ContestantSummary, teacher: ContestantSummary, task: TaskDefinition, break_even: BreakEven
) -> RuleResult:
    threshold, volume = task.gate.min_cost_reduction, task.serving.expected_requests_per_month
    month, capacity = _unit_month(task, break_even), break_even.unit_requests_per_month
    teacher_usd = teacher.usd_per_1k_requests / 1000
    least, at = None, ""
    if month is not None and volume is not None:
        units = break_even.units_for_volume or task.serving.model_units
        least = reduction(month * units, volume * teacher_usd)
        at = (
            f"provisioned throughput of {units_text(units)} at {volume:,} requests a month, ${month * units:,.0f} "
            f"against the teacher's ${volume * teacher_usd:,.0f}"
        )
        if capacity is not None:
            busiest = f"; units serve a busiest minute of {break_even.peak_to_mean:g} times the mean"
            return at_least(RULE, threshold, least, at + busiest)
    elif month is not None and capacity is not None:
        least = reduction(month / capacity, teacher_usd)
        at = (
            f"provisioned throughput whose units are full all month: each serves {capacity:,.0f} requests for "
            f"${month:,.0f}, against the teacher's ${capacity * teacher_usd:,.0f}"
        )
    if least is not None and not at_least(RULE, threshold, least, at).passed:
        return at_least(RULE, threshold, least, f"the most that is saved: {at}")
    text = "; ".join(
        [_unknown(student, task, break_even, teacher_usd * (1 - threshold)), _by_the_token(student, teacher)]
    )
    return accepted_by_a_person(at_least(RULE, threshold, None, text))


def _unit_month(task: TaskDefinition, break_even: BreakEven) -> float | None:
    """Give what one model unit costs a month."""
    hour = break_even.provisioned_throughput_usd_per_hour
    return None if hour is None else hour / task.serving.model_units * HOURS_A_MONTH


def _unknown(student: ContestantSummary, task: TaskDefinition, break_even: BreakEven, allowed: float) -> str:
    """Say what is not known, and what it would have to be for the rule to be kept.

    Parameters
    ----------
    allowed : float
        Dollars that a request may cost.
    """
    volume, units = task.serving.expected_requests_per_month, task.serving.model_units
    month, capacity = _unit_month(task, break_even), break_even.unit_requests_per_month
    missing = [
        name
        for name, value in (
            ("the volume (serving.expected_requests_per_month of task.json)", volume),
            ("the price of a unit hour (prices of the settings)", month),
            ("what a unit serves (model_units of the settings)", capacity),
        )
        if value is None
    ]
    begin = f"not known: {', '.join(missing)}"
    if month is None:
        return f"{begin}{_price_that_pays(volume, units, capacity, allowed, break_even)}"
    if allowed <= 0:
        return f"{begin}; {units_text(units)} cost ${month * units:,.0f} a month"
    minute = (student.input_tokens_mean + student.output_tokens_mean) * break_even.peak_to_mean / MINUTES_A_MONTH
    if volume is None:
        pays_from = month * units / allowed
        serves = "" if capacity else f", if they serve the {pays_from * minute:,.0f} tokens of its busiest minute"
        return (
            f"{begin}; {units_text(units)} for ${month * units:,.0f} a month would keep the rule from {pays_from:,.0f} "
            f"requests a month{serves}"
        )
    most = max(units, math.floor(volume * allowed / month))  # the task's own keep it, or the rule is refused
    return (
        f"{begin}; at {volume:,} requests a month up to {units_text(most)} would keep the rule, if each serves "
        f"{volume * minute / most:,.0f} tokens a minute, and {units_text(units)} from "
        f"{month * units / allowed:,.0f} requests a month"
    )


def _price_that_pays(
    volume: int | None, units: int, capacity: float | None, allowed: float, break_even: BreakEven
) -> str:
    """Say up to which price of a unit hour the rule is kept, where volume or capacity tell it."""
    if volume is not None:
        wanted = break_even.units_for_volume or units
        hour = volume * allowed / wanted / HOURS_A_MONTH
        return (
            f"; at {volume:,} requests a month {units_text(wanted)} would keep the rule up to ${hour:,.2f} a unit hour"
        )
    if capacity is not None:
        return f"; a unit that is full all month would keep it up to ${capacity * allowed / HOURS_A_MONTH:,.2f} an hour"
    return ""
