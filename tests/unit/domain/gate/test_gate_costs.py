"""The gate and serving costs: what a throughput costs at the expected volume, and what needs a person's word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.contestant_summary import summarise
from lambdas.domain.explicit_reasons import sentences
from lambdas.domain.gate.cost_rule import cost_line
from lambdas.domain.gate.quality_rules import JudgeRecord
from lambdas.domain.gate.rule_result import PROMOTE, REJECT, RuleResult, decide, reasons, to_accept
from lambdas.domain.gate.rules import judge_gate, needed_approvals
from lambdas.domain.prices.price_book import HOURS_A_MONTH, MINUTES_A_MONTH, ModelUnit, PriceLine
from lambdas.domain.serving.break_even import BreakEven, pays_up_to, with_stated_price, work_out
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.domain.gate.gate_samples import accepted_alone, failed, line_of
from tests.unit.domain.samples import BOOK, MICRO, PUBLISHED, grouped, published

HOUR = PriceLine(
    model=MICRO,
    usage="throughput",
    usd=20.0,
    unit="model unit hour",
    source="made up",
    date="2026-09-01",
    simulated=True,
)


def gate(*, hour: bool = False, units: Sequence[ModelUnit] = (), **document: Any) -> tuple[list[RuleResult], BreakEven]:
    task = TaskDefinition.from_document(document)
    even = work_out(published(), task, BOOK.with_lines([HOUR] if hour else [], units), MICRO)
    return judge_gate(grouped(), published(), task, even, JudgeRecord()).lines, even


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
    lines, found = judge_gate(grouped(), added_up, task, even, JudgeRecord()).lines, needed_approvals(task, even)

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
    # Given a unit that serves it
    serving = {"expected_requests_per_month": 1_000_000_000}

    # When
    lines, even = gate(hour=True, units=[unit_that_serves(2e9)], serving=serving)

    # Then the break-even against the student on demand is month / price of a request
    per_request = published()["student"].usd_per_1k_requests / 1000
    assert failed(lines) == []
    assert even.requests_per_month_at_break_even == pytest.approx(14_600 / per_request)


def test_without_a_price_of_an_hour_nothing_is_guessed_and_a_person_is_asked() -> None:
    # Given / When
    lines, even = gate(serving={"expected_requests_per_month": 1_000_000})

    # Then
    assert accepted_alone(lines) == ["min_cost_reduction"]
    assert even.provisioned_throughput_usd_per_hour is None
    assert even.requests_per_month_at_break_even is None
    assert even.usd_per_month is not None
    assert even.usd_per_month["student_provisioned_throughput"] is None
    said = line_of(lines, "min_cost_reduction").explanation
    assert "not known: the price of a unit hour (prices of the settings), what a unit serves" in said
    assert "at 1,000,000 requests a month 1 model unit would keep the rule up to $0.10 a unit hour" in said


# What is not known is undecided

LITE = "amazon.nova-2-lite-v1:0"
LITE_HOUR = PriceLine(
    model=LITE,
    usage="throughput",
    usd=60.5,
    unit="model unit hour",
    source="made up",
    date="2026-11-24",
    simulated=True,
)


def lite_gate(units: Sequence[ModelUnit] = (), **serving: Any) -> list[RuleResult]:
    """Hold a student of Nova 2 Lite against a teacher who costs 38 times as much by the token."""
    measurements = grouped(student={"model": LITE, "tokens": (150, 146)}, teacher={"tokens": (3_500, 691)})
    task, book = TaskDefinition.from_document({"serving": serving}), BOOK.with_lines([LITE_HOUR], units)
    added_up = {
        role: summarise(found, LITE if role == "student" else PUBLISHED[role].model, book)
        for role, found in measurements.items()
    }
    return judge_gate(measurements, added_up, task, work_out(added_up, task, book, LITE), JudgeRecord()).lines


def lite_unit(tokens_per_minute: float) -> ModelUnit:
    return ModelUnit(model=LITE, tokens_per_minute=tokens_per_minute, source="made up", date="2026-11-24")


def test_what_is_cheap_by_the_token_is_not_promoted_as_a_throughput_of_unknown_volume_without_a_word() -> None:
    # Given
    on_demand = line_of(lite_gate(mode="on_demand"), "min_cost_reduction")

    # When
    lines = lite_gate()

    # Then the case of issue 18: 0.974 by the token, $44,165 a month, and from what volume that pays
    assert on_demand.measured == pytest.approx(0.974, abs=0.0005)
    assert accepted_alone(lines) == ["min_cost_reduction"]
    line = line_of(lines, "min_cost_reduction")
    assert line.measured is None
    assert "1 model unit for $44,165 a month would keep the rule from" in line.explanation
    assert "tokens of its busiest minute" in line.explanation


def test_a_throughput_that_costs_too_much_whatever_its_unit_serves_is_refused() -> None:
    # Given / When
    lines = lite_gate(expected_requests_per_month=100_000)

    # Then
    line = line_of(lines, "min_cost_reduction")
    assert line.measured == pytest.approx(-24.4, abs=0.05)
    assert failed(lines) == ["min_cost_reduction"]
    assert decide(lines) == REJECT
    assert line.explanation.startswith("the most that is saved: ")


def test_where_nobody_knows_what_a_unit_serves_the_units_that_would_still_pay_are_said() -> None:
    # Given / When
    lines = lite_gate(expected_requests_per_month=180_000_000)

    # Then
    line = line_of(lines, "min_cost_reduction")
    assert accepted_alone(lines) == ["min_cost_reduction"]
    assert "at 180,000,000 requests a month up to 3 model units would keep the rule, if each serves" in line.explanation
    assert "not known: what a unit serves (model_units of the settings);" in line.explanation


@pytest.mark.parametrize(("tokens_per_minute", "decision"), [(1_000, REJECT), (1_000_000, PROMOTE)])
def test_a_unit_that_never_pays_is_refused_at_any_volume(tokens_per_minute: float, decision: str) -> None:
    # Given a unit of which it is known what it serves, and a volume that nobody states
    # When
    lines = lite_gate([lite_unit(tokens_per_minute)])

    # Then
    assert decide(lines) == decision
    said = line_of(lines, "min_cost_reduction").explanation
    assert ("units are full all month" in said) is (decision == REJECT)


@pytest.mark.parametrize(("peak", "decision"), [(1, PROMOTE), (4, REJECT)])
def test_units_serve_the_busiest_minute(peak: float, decision: str) -> None:
    # Given a unit that serves the mean minute of 100 million requests a month
    units = [lite_unit(296 * 100e6 / MINUTES_A_MONTH)]

    # When
    lines = lite_gate(units, expected_requests_per_month=100_000_000, peak_to_mean=peak, model_units=1)

    # Then
    assert decide(lines) == decision
    assert to_accept(lines) == []
    assert f"of {peak} model unit" in line_of(lines, "min_cost_reduction").explanation


@given(
    volume=st.none() | st.integers(1, 10**10),
    capacity=st.none() | st.floats(1, 1e9),
    units=st.integers(1, 5),
    peak=st.floats(1, 20),
    threshold=st.floats(0, 1),
)
def test_only_what_is_known_passes_and_no_unknown_capacity_passes_what_a_known_one_refuses(
    volume: int | None, capacity: float | None, units: int, peak: float, threshold: float
) -> None:
    # Given
    serving = {"model_units": units, "peak_to_mean": peak}
    serving |= {} if volume is None else {"expected_requests_per_month": volume}
    task = TaskDefinition.from_document({"serving": serving, "gate": {"min_cost_reduction": threshold}})
    added_up = published()

    def line(known: float | None) -> RuleResult:
        book = BOOK.with_lines([HOUR], [] if known is None else [unit_that_serves(known)])
        even = work_out(added_up, task, book, MICRO)
        return cost_line(added_up["student"], added_up["teacher"], task, even)

    # When
    with_it, without = line(capacity), line(None)

    # Then
    assert not with_it.passed or (volume is not None and capacity is not None)
    assert with_it.acceptable == with_it.undecided
    assert without.undecided or not with_it.passed


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
