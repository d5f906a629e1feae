"""The gate and serving costs: what a throughput costs at the expected volume, and what needs a person's word."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.explicit_reasons import sentences
from lambdas.domain.gate.quality_rules import JudgeRecord
from lambdas.domain.gate.rule_result import RuleResult, reasons
from lambdas.domain.gate.rules import judge_gate, needed_approvals
from lambdas.domain.prices.price_book import HOURS_A_MONTH, ModelUnit, PriceLine
from lambdas.domain.serving.break_even import BreakEven, pays_up_to, with_stated_price, work_out
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.domain.gate.gate_samples import failed, line_of
from tests.unit.domain.samples import BOOK, MICRO, grouped, published

HOUR = PriceLine(
    model=MICRO,
    usage="throughput",
    usd=20.0,
    unit="model unit hour",
    source="made up",
    date="2026-09-01",
    simulated=True,
)


def gate(*, hour: bool = False, **document: Any) -> tuple[list[RuleResult], BreakEven]:
    task = TaskDefinition.from_document(document)
    even = work_out(published(), task, BOOK.with_lines([HOUR] if hour else []), MICRO)
    return judge_gate(grouped(), published(), task, even, JudgeRecord()), even


@pytest.mark.parametrize(
    ("volume", "mode", "said"),
    [
        (1_000_000, "provisioned_throughput", True),
        (10_000_000_000, "provisioned_throughput", False),
        (1_000_000, "on_demand", False),
        (None, "provisioned_throughput", False),
    ],
)
def test_a_throughput_that_does_not_pay_needs_a_person(volume: int | None, mode: str, *, said: bool) -> None:
    # Given $20 an hour
    serving = {"mode": mode, **({"expected_requests_per_month": volume} if volume else {})}
    task = TaskDefinition.from_document({"serving": serving})

    # When
    found = needed_approvals(task, work_out(published(), task, BOOK.with_lines([HOUR]), MICRO))

    # Then
    assert bool(found) is said
    if said:
        assert "does not pay at 1,000,000 requests a month: $14,600" in found[0]["sentence"]


def test_a_throughput_that_does_not_pay_at_the_expected_volume_is_refused() -> None:
    # Given $20 an hour, which is $14,600 a month, and a teacher who costs $1.41 per 1,000 requests
    serving = {"expected_requests_per_month": 1_000_000}

    # When
    lines, even = gate(hour=True, serving=serving)

    # Then
    assert failed(lines) == ["min_cost_reduction"]
    assert even.usd_per_month is not None
    assert even.usd_per_month["student_provisioned_throughput"] == pytest.approx(14_600)
    assert "$14,600 against the teacher's $1,405" in reasons(lines)[0]
    assert even.price_simulated


def unit_that_serves(requests_a_month: float) -> ModelUnit:
    student = published()["student"]
    tokens = requests_a_month * (student.input_tokens_mean + student.output_tokens_mean) / HOURS_A_MONTH / 60
    return ModelUnit(model=MICRO, tokens_per_minute=tokens, source="made up", date="2026-11-24")


@pytest.mark.parametrize(("purchased", "needed", "said"), [(1, 3, True), (2, 3, True), (3, 3, False), (4, 4, False)])
def test_a_volume_is_priced_with_the_units_that_serve_it_and_too_few_need_a_person(
    purchased: int, needed: int, *, said: bool
) -> None:
    # Given 100 million requests a month, of which one unit serves 40 million, at $20 an hour
    serving = {"expected_requests_per_month": 100_000_000, "model_units": purchased}
    task, added_up = TaskDefinition.from_document({"serving": serving}), published()

    # When
    even = work_out(added_up, task, BOOK.with_lines([HOUR], [unit_that_serves(40e6)]), MICRO)
    lines, found = judge_gate(grouped(), added_up, task, even, JudgeRecord()), needed_approvals(task, even)

    # Then the dollars that the gate compares serve the volume, whatever the task buys
    month = needed * HOUR.usd * HOURS_A_MONTH
    assert even.units_for_volume == needed
    assert even.usd_per_month is not None
    assert even.usd_per_month["student_provisioned_throughput"] == pytest.approx(month)
    assert even.provisioned_throughput_usd_per_hour == purchased * HOUR.usd
    assert f"{needed} model units at 100,000,000 requests a month" in line_of(lines, "min_cost_reduction").explanation
    # And a promotion that would throttle the traffic is not bought without a person's word
    assert any("would throttle what is expected" in text for text in sentences(found)) is said
    if said:
        assert "serves 40,000,000 where the busiest minute has 1 times the mean" in found[0]["sentence"]
        assert "set serving.model_units of task.json to 3" in found[0]["sentence"]


def test_on_demand_no_unit_is_too_few() -> None:
    # Given
    serving = {"mode": "on_demand", "expected_requests_per_month": 100_000_000}
    task = TaskDefinition.from_document({"serving": serving})

    # When
    even = work_out(published(), task, BOOK.with_lines([HOUR], [unit_that_serves(40e6)]), MICRO)

    # Then
    assert needed_approvals(task, even) == []


def test_the_same_throughput_pays_at_a_large_volume() -> None:
    # Given / When
    lines, even = gate(hour=True, serving={"expected_requests_per_month": 1_000_000_000})

    # Then the break-even against the student on demand is month / price of a request
    per_request = published()["student"].usd_per_1k_requests / 1000
    assert failed(lines) == []
    assert even.requests_per_month_at_break_even == pytest.approx(14_600 / per_request)


def test_without_a_price_of_an_hour_nothing_is_guessed() -> None:
    # Given / When
    lines, even = gate(serving={"expected_requests_per_month": 1_000_000})

    # Then
    assert even.provisioned_throughput_usd_per_hour is None
    assert even.requests_per_month_at_break_even is None
    assert even.usd_per_month is not None
    assert even.usd_per_month["student_provisioned_throughput"] is None
    assert "price of a throughput hour is unknown" in line_of(lines, "min_cost_reduction").explanation


@pytest.mark.parametrize(("purchased", "served"), [(1, 1), (1, 3), (4, 4)])
def test_the_price_up_to_which_a_throughput_pays_is_where_its_month_costs_what_on_demand_does(
    purchased: int, served: int
) -> None:
    # Given a price that nobody knows yet, and a volume that needs some units
    serving = {"expected_requests_per_month": 100_000_000, "model_units": purchased}
    task, units = TaskDefinition.from_document({"serving": serving}), [unit_that_serves(100e6 / served)]
    even = work_out(published(), task, BOOK.with_lines([], units), MICRO).to_document()

    # When it turns out to be just that
    limit = pays_up_to(even)
    assert limit is not None
    known = with_stated_price(even, limit, purchased, published()["student"].usd_per_1k_requests)

    # Then
    monthly = known["usd_per_month"]
    assert monthly["student_provisioned_throughput"] == pytest.approx(monthly["student_on_demand"])
    assert pays_up_to(work_out(published(), TaskDefinition.default(), BOOK, MICRO).to_document()) is None


def test_the_hour_counts_every_unit() -> None:
    # Given
    task = TaskDefinition.from_document({"serving": {"model_units": 3}})

    # When
    even = work_out(published(), task, BOOK.with_lines([HOUR]), MICRO)

    # Then
    assert even.provisioned_throughput_usd_per_hour == 3 * HOUR.usd
    assert even.price_simulated is HOUR.simulated
    assert even.usd_per_month is None
