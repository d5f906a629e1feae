"""The comparison that page and terminal share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambdas.domain.report.comparison import comparison_columns, comparison_rows, reduction, short_model
from lambdas.domain.report.render import render_report
from tests.unit.domain.report.page_reader import Page

Sample = Callable[[str], dict[str, Any]]


@pytest.mark.parametrize("contestants", [None, [], "text", [None, 3]])
def test_without_contestants_there_are_no_rows(contestants: Any) -> None:
    # Given a run that did not get to the evaluation
    # When
    rows = comparison_rows({"contestants": contestants})
    # Then
    assert rows == []


def test_a_contestant_without_measurements_says_so_in_every_column() -> None:
    # Given contestants of which nothing was measured
    rows = comparison_rows({"contestants": [{"role": role} for role in ("student", "baseline", "teacher")]})
    # When
    texts = [column.text(rows[0]) for column in comparison_columns(rows)]
    # Then
    assert texts[:2] == ["Student", "not known"]
    assert texts[2:] == ["not measured"] * 6


def test_rows_come_in_the_order_in_which_people_compare(sample: Sample) -> None:
    # Given contestants in another order, one of them unknown
    report = sample("expired")
    report["contestants"] = [{"role": "rival"}, *reversed(report["contestants"])]
    # When
    roles = [row.role for row in comparison_rows(report)]
    # Then
    assert roles == ["student", "undistilled_student", "baseline", "teacher", "champion", "rival"]


def test_reductions_are_computed_against_baseline_and_teacher() -> None:
    # Given the published latencies and round costs
    def contestant(role: str, p50: float, usd: float) -> dict[str, Any]:
        return {"role": role, "latency_ms": {"p50": p50}, "usd_per_1k_requests": usd}

    contestants = [
        contestant("student", 833, 0.02),
        contestant("baseline", 1741, 0.8),
        contestant("teacher", 2000, 0.4),
    ]
    # When
    student, baseline, teacher = comparison_rows({"contestants": contestants})
    # Then
    assert student.latency_reduction_vs_baseline == pytest.approx(0.5215, abs=1e-4)
    assert student.cost_reduction_vs_baseline == pytest.approx(0.975)
    assert student.cost_reduction_vs_teacher == pytest.approx(0.95)
    assert baseline.cost_reduction_vs_teacher == pytest.approx(-1.0)
    texts = [column.text(student) for column in comparison_columns([student, baseline, teacher])]
    assert texts[-2:] == ["97.5% cheaper, 52.2% faster", "95% cheaper, 58.4% faster"]
    assert comparison_columns([student, baseline])[-1].text(baseline) == "—"


def test_columns_against_absent_contestants_are_left_out() -> None:
    # Given a student alone
    rows = comparison_rows({"contestants": [{"role": "student"}]})
    # When
    titles = [column.title for column in comparison_columns(rows)]
    # Then
    assert titles[-1] == "$ per 1,000 requests"


@pytest.mark.parametrize(("value", "reference"), [(None, 1.0), (1.0, None), (1.0, 0.0), (1.0, -2.0)])
def test_nothing_is_compared_with_nothing(value: float | None, reference: float | None) -> None:
    # Given a missing figure or a reference that is not positive
    # When
    result = reduction(value, reference)
    # Then
    assert result is None


def test_the_page_shows_exactly_the_shared_comparison(sample: Sample) -> None:
    # Given
    report = sample("promoted")
    rows = comparison_rows(report)
    columns = comparison_columns(rows)
    # When
    page = Page(render_report(report))
    # Then every cell of the table is what the terminal would print
    cells = [
        element.text.strip()
        for element in page.elements
        if element.tag in ("td", "th")
        and element.attributes.get("data-label") in {column.title for column in columns[2:]}
    ]
    assert cells == [column.text(row) for row in rows for column in columns[2:]]


def test_control_characters_of_a_model_name_do_not_reach_the_terminal() -> None:
    # Given
    rows = comparison_rows({"contestants": [{"role": "student\x1b[2J", "model_id": "m\x1b[31m"}]})
    # When
    texts = [column.text(rows[0]) for column in comparison_columns(rows)]
    # Then
    assert not any("\x1b" in text for text in texts)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("arn:aws:bedrock:us-east-1:111122223333:provisioned-model/abc", "provisioned-model/abc"),
        (
            "arn:aws:bedrock:us-east-1:1:custom-model/amazon.nova-micro-v1:0:128k/x",
            "custom-model/amazon.nova-micro-v1:0:128k/x",
        ),
        ("us.amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0"),
        (None, "not known"),
    ],
)
def test_arns_are_shortened_and_identifiers_are_not(model: str | None, expected: str) -> None:
    # Given a model as it was called
    # When
    name = short_model(model)
    # Then
    assert name == expected
