"""What an approval buys, when that can end, where it pays: the page must not promise more than is so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambdas.domain.gate.rule_result import RuleResult, reasons
from lambdas.domain.prices.model_units import pays_up_to_volume
from lambdas.domain.report.break_even import break_even_chart
from lambdas.domain.report.comparison import comparison_rows
from lambdas.domain.report.headline import read_headline
from lambdas.domain.report.judging import quality_note
from lambdas.domain.report.serving_table import serving_table
from lambdas.domain.report.tiles import key_figures
from tests.unit.domain.report.test_judged import text_of

Sample = Callable[[str], dict[str, Any]]


def waiting(sample: Sample, **break_even: Any) -> dict[str, Any]:
    report = sample("measured") | {"outcome": None, "decision": "PROMOTE", "endpoint": None}
    report["break_even"] |= break_even
    return report


@pytest.mark.parametrize(
    ("commitment", "said", "total"), [("OneMonth", "one month", "$1,440"), ("SixMonths", "six months", "$8,640")]
)
def test_a_commitment_is_not_said_to_end_when_somebody_wants_it(
    sample: Sample, commitment: str, said: str, total: str
) -> None:
    # Given $2.00 an hour, as in the message to the approver: 30 or 180 days of 24 hours
    report = waiting(sample, commitment=commitment)

    # When
    step = read_headline(report).next_step

    # Then
    assert step is not None
    assert f"{total} in all. It is purchased for {said} and cannot be ended before." in step.text
    assert "until it is deleted" not in step.text


def test_without_a_commitment_it_bills_until_it_is_deleted(sample: Sample) -> None:
    step = read_headline(waiting(sample, commitment="none")).next_step
    assert step is not None
    assert "$1,460 a month, until it is deleted." in step.text


def test_resources_of_a_commitment_are_not_said_to_go_when_they_are_deleted(sample: Sample) -> None:
    # Given a promoted student on a throughput of six months
    report = sample("measured")
    report["break_even"]["commitment"] = "SixMonths"
    throughput = {"kind": "provisioned_throughput", "name": "dev-video", "state": "IN_USE", "usd_per_hour": 2.0}
    report["resources"] = [{**throughput, "arn": "arn", "keep_until": None}]

    # When / Then
    assert "what is bought for six months cannot be deleted before" in text_of(report)


def test_the_task_s_own_line_names_its_commitment(sample: Sample) -> None:
    report = waiting(sample, commitment="SixMonths")
    chart = break_even_chart(report, comparison_rows(report))
    assert chart is not None
    assert "Student, provisioned throughput, six months" in {line.name for line in chart.lines}


@pytest.mark.parametrize(("month", "title"), [(1_460.0, "Savings"), (200_000.0, "Extra cost")])
def test_what_costs_more_is_no_saving(sample: Sample, month: float, title: str) -> None:
    # Given a student whose throughput costs less, or more, than the baseline at the expected volume
    report = waiting(sample, provisioned_throughput_usd_per_hour=month / 730)

    # When
    tile = key_figures(report, comparison_rows(report))[-1]

    # Then
    assert (tile.title, tile.unit) == (title, "a month")


def test_a_saving_per_request_on_demand_is_named_so_where_the_endpoint_bills_by_the_hour(sample: Sample) -> None:
    # Given no expected volume
    report = waiting(sample, expected_requests_per_month=None, usd_per_month=None)

    # When
    tile = key_figures(report, comparison_rows(report))[-1]

    # Then
    assert tile.notes[:2] == ("than the baseline, per request on demand", "the endpoint bills by the hour")


@pytest.mark.parametrize(
    ("break_even", "units", "capacity", "last"),
    [
        (198e6, 1, None, None),
        (198e6, 1, 210e6, 210e6),
        (198e6, 1, 400e6, None),
        (2 * 198e6, 2, 210e6, 420e6),
        (2 * 198e6, 2, 300e6, None),
    ],
)
def test_another_unit_has_to_pay_too(break_even: float, units: int, capacity: float | None, last: float | None) -> None:
    assert pays_up_to_volume(break_even, units, capacity) == last


def test_where_the_next_unit_does_not_pay_the_page_says_so_everywhere(sample: Sample) -> None:
    # Given a unit that serves 210 million requests and pays from 198 million, and 300 million that are expected
    hours = [{"commitment": "none", "usd_per_unit_hour": 2.0, "break_even_requests_per_month": 198_164_141.0}]
    report = waiting(
        sample, commitment="none", model_units=1, unit_requests_per_month=210e6, throughputs=hours, units_for_volume=2
    )
    report["break_even"]["expected_requests_per_month"] = 300_000_000
    report["break_even"]["usd_per_month"] |= {"student_on_demand": 2_210.0, "student_provisioned_throughput": 2_920.0}
    report["break_even"]["usd_per_1k_requests"] = {"student": 0.0074}

    # When
    chart, table = break_even_chart(report, comparison_rows(report)), serving_table(report)

    # Then
    assert chart is not None
    assert table is not None
    assert "to 210,000,000 requests a month, which its units serve. Beyond, another unit is needed" in chart.takeaway
    assert "the cheapest is the student on demand" in chart.takeaway
    assert table.rows[-1].pays_from == "198,164,141 to 210,000,000 requests a month"
    assert "Advice: on_demand, while the task says provisioned_throughput" in text_of(report)


def test_the_verdict_does_not_repeat_its_reasons(sample: Sample) -> None:
    # Given the reasons as the gate writes them, and the outcome's sentence with all of them
    line = {"threshold": 0.2, "measured": 0.1, "bound": 0.203, "passed": False, "undecided": True}
    found = reasons([RuleResult(rule=rule, **line, explanation="why " * 40) for rule in ("one", "two", "three")])  # type: ignore[arg-type]
    report = sample("measured") | {"outcome": "REJECTED", "decision": "INSUFFICIENT EVIDENCE"}
    report["reasons"] = [f"there is too little evidence for a verdict: {'; '.join(found)}", *found]

    # When
    verdict = read_headline(report)

    # Then
    assert verdict.sentence == "There is too little evidence for a verdict."
    assert [reason[:5] for reason in verdict.reasons] == ["one: ", "two: ", "three"]


@pytest.mark.parametrize(("golden", "said"), [(0, "near 5 by construction"), (12, "golden answers of the upload")])
def test_the_teacher_is_not_said_to_be_its_own_reference_where_golden_answers_are(
    sample: Sample, golden: int, said: str
) -> None:
    # Given
    report = sample("measured")
    report["dataset"] |= {"own_holdout": False, "golden": golden}

    # When
    note = quality_note(report, comparison_rows(report))

    # Then
    assert said in note
    assert ("by construction" in note) == (golden == 0)
