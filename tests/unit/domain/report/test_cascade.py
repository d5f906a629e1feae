"""The page on asking the student first: what it says, and what it draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambdas.domain.report.cascade import PLOT_HEIGHT, cascade_section
from lambdas.domain.report.render import render_report
from tests.unit.domain.report.page_reader import Page

Sample = Callable[[str], dict[str, Any]]


@pytest.mark.parametrize("cascade", [None, {}, [], {"records": 0}, "text"])
def test_a_report_without_the_what_if_has_no_section(sample: Sample, cascade: object) -> None:
    # Given
    report = {**sample("promoted"), "cascade": cascade}

    # When / Then
    assert cascade_section(report) is None
    assert "What if the student is asked first" not in render_report(report)


def test_the_page_says_whether_routing_beats_promotion_alone(sample: Sample) -> None:
    # Given / When
    page = Page(render_report(sample("promoted")))

    # Then
    assert (
        "The student first, and the teacher for 9% of the requests, scores 4.41 instead of 4.29. It is better than the "
        "student alone: +0.12 (one-sided 95% bounds +0.07 and +0.17). 1,000 requests cost $0.055, instead of $0.012 "
        "for the student alone and $0.48 for the teacher alone." in page.text
    )
    assert (
        "Passed on: 18 of 200 answers, of which 1 break the output schema (1 of them a repair would mend), 1 are cut "
        "off, 16 are not sure enough." in page.text
    )
    assert "“confidence” of the answer is below 0.6" in page.text
    labels = ("Way", "Mean score", "Valid", "Latency p50 / p95", "$ per 1,000", "$ a month")
    cells = [item.text.strip() for item in page.elements if item.attributes.get("data-label") in labels]
    rows = [cells[start : start + 6] for start in range(0, len(cells), 6)]
    assert ["Student first, then the teacher", "4.41", "100%", "409 ms / 1,730 ms", "$0.055", "$2,617"] in rows
    assert ["Teacher alone", "4.50", "100%", "1,254 ms / 2,210 ms", "$0.48", "$24,044"] in rows


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        ({"mean": 0.1, "low": 0.0, "high": 0.2}, "That it is better than the student alone is not shown"),
        ({"mean": -0.2, "low": -0.3, "high": -0.1}, "It is worse than the student alone"),
        (None, "is not shown: not measured"),
    ],
)
def test_a_gain_that_is_not_shown_is_not_claimed(sample: Sample, gain: object, said: str) -> None:
    # Given
    report = sample("promoted")
    report["cascade"]["against_student"] = gain

    # When / Then
    assert said in Page(render_report(report)).text


def test_nothing_passed_on_is_said_so(sample: Sample) -> None:
    # Given
    report = sample("promoted")
    report["cascade"] |= {"escalated": 0, "escalated_share": 0.0, "reasons": {}}

    # When
    text = Page(render_report(report)).text

    # Then
    assert "None of 200 answers of the student would have been passed on" in text
    assert "Passed on:" not in text


def test_without_a_confidence_field_the_page_says_what_is_missing(sample: Sample) -> None:
    # Given / When
    text = Page(render_report(sample("rejected"))).text

    # Then
    assert "The task names no field in which the student says how sure it is (“cascade” in task.json)" in text
    assert "A routing that always chose the better answer of the two would score 4.52." in text
    assert "409 ms / not measured" in text


def test_the_picture_puts_dear_to_the_right_and_good_on_top(sample: Sample) -> None:
    # Given / When
    section = cascade_section(sample("promoted"))

    # Then
    assert section is not None
    assert section.chart is not None
    student, cascade, teacher = section.chart.points
    assert student.at < cascade.at < teacher.at
    assert PLOT_HEIGHT >= student.y > cascade.y > teacher.y >= 0
    assert section.chart.best is not None
    assert section.chart.best.at < teacher.y
    assert len(section.chart.curve.split()) == 5


def test_a_way_without_a_cost_has_no_picture_but_keeps_its_row(sample: Sample) -> None:
    # Given a teacher that costs nothing
    report = sample("promoted")
    report["cascade"]["teacher"]["usd_per_1k_requests"] = 0

    # When
    section = cascade_section(report)

    # Then
    assert section is not None
    assert section.chart is None
    assert section.rows[2].per_1k == "$0.00"
