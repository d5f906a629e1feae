"""Figures for people: never more precise than sensible, never rounded to a lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.report import figures
from lambdas.domain.report.sections import gate_lines


@pytest.mark.parametrize("form", [figures.usd, figures.milliseconds, figures.percent, figures.score, figures.count])
@pytest.mark.parametrize("value", [None, math.nan, math.inf, True, "12", [], 10**400])
def test_what_is_no_figure_was_not_measured(form: Callable[[object], str], value: object) -> None:
    # Given null, NaN, infinity, a boolean, text or a number beyond all measure
    # When
    text = form(value)
    # Then
    assert text == "not measured"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "$0.00"),
        (0.012042, "$0.012"),
        (0.00000012, "less than $0.000001"),
        (0.5, "$0.50"),
        (0.999, "$1.00"),
        (4.4345, "$4.43"),
        (452.6, "$452.60"),
        (36242.4, "$36,242"),
        (-3.5, "\N{MINUS SIGN}$3.50"),
    ],
)
def test_dollars(value: float, expected: str) -> None:
    # Given
    # When
    text = figures.usd(value)
    # Then
    assert text == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "100%"),
        (0.9999, "over 99.9%"),
        (0.995, "99.5%"),
        (0.95, "95%"),
        (0.0004, "under 0.1%"),
        (0, "0%"),
        (-0.5, "\N{MINUS SIGN}50%"),
    ],
)
def test_only_a_whole_is_one_hundred_percent(value: float, expected: str) -> None:
    # Given
    # When
    text = figures.percent(value)
    # Then
    assert text == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(411.6, "412 ms"), (1741.2, "1,741 ms"), (12_345, "12.3 s"), (0.2, "0 ms")]
)
def test_times(value: float, expected: str) -> None:
    # Given
    # When
    text = figures.milliseconds(value)
    # Then
    assert text == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.52, "52% faster"), (-0.125, "12.5% slower"), (0.0, "the same"), (None, "not measured")]
)
def test_changes_in_words(value: float | None, expected: str) -> None:
    # Given
    # When
    text = figures.change(value, "slower", "faster")
    # Then
    assert text == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-28T09:02:17Z", "28 Nov 2026, 09:02 UTC"),
        ("2026-11-28T10:02:17+01:00", "28 Nov 2026, 09:02 UTC"),
        ("2026-11-28T09:02:17", "28 Nov 2026, 09:02 UTC"),
        ("yesterday", "yesterday"),
        (None, "not measured"),
        ("", "not measured"),
    ],
)
def test_times_of_day_are_in_utc(value: str | None, expected: str) -> None:
    # Given
    # When
    text = figures.moment(value)
    # Then
    assert text == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-11-28T09:00:00Z", "2026-11-28T12:07:31Z", "3 h 07 min"),
        ("2026-11-28T09:00:00Z", "2026-11-28T09:12:00Z", "12 min"),
        ("2026-11-28T09:00:00Z", "2026-11-28T09:00:08Z", "8 s"),
        ("2026-11-28T09:00:00Z", None, "not measured"),
        ("2026-11-28T09:00:00Z", "2026-11-28T09:00:08", "not measured"),
    ],
)
def test_durations(start: str, end: str | None, expected: str) -> None:
    # Given two times, or one without its zone
    # When
    text = figures.duration(start, end)
    # Then
    assert text == expected


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_every_finite_figure_is_written_shortly(value: float) -> None:
    # Given any figure
    # When
    texts = [
        figures.usd(value),
        figures.percent(value),
        figures.score(value),
        figures.count(value),
        figures.plain(value),
    ]
    # Then
    assert all(0 < len(text) <= 26 for text in texts)
    assert figures.NOT_MEASURED not in texts


@pytest.mark.parametrize(
    ("rule", "threshold", "measured", "expected"),
    [
        ("min_judge_score", 4.0, 3.9981, "just below 4.00"),
        ("min_judge_score", 4.0, 4.0, "4.00"),
        ("max_quality_drop", 0.2, 0.2004, "just above 0.20"),
        ("min_schema_validity", 0.99, 0.98999, "just below 99%"),
        ("min_cost_reduction", 0.95, -0.3, "\N{MINUS SIGN}30%"),
        ("something_new", 12, None, "not measured"),
    ],
)
def test_rounding_never_makes_a_failed_rule_look_kept(
    rule: str, threshold: float, measured: Any, expected: str
) -> None:
    # Given
    report = {"gate": [{"rule": rule, "threshold": threshold, "measured": measured, "passed": None}]}
    # When
    line = gate_lines(report).rows[0]
    # Then
    assert line.measured == expected
    assert line.passed is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (250_000.5, "250,000"),
        (-12_345.6, "-12,346"),
        (1_234.5678, "1,235"),
        (999.96, "1,000"),
        (0.12345, "0.1235"),
        (7, "7"),
    ],
)
def test_a_large_figure_of_unknown_unit_is_not_in_powers_of_ten(value: float, expected: str) -> None:
    # Given
    # When
    text = figures.plain(value)
    # Then
    assert text == expected


@pytest.mark.parametrize(
    ("threshold", "bound", "expected"),
    [(0.2, 0.2031, "just above 0.20"), (0.2, 0.1996, "just below 0.20"), (0.2, 0.2, "0.20"), (0.2, 0.35, "0.35")],
)
def test_a_bound_that_decides_never_reads_equal_to_the_threshold_it_breaks(
    threshold: float, bound: float, expected: str
) -> None:
    # Given a drop that is well within the threshold, and the bound that decides
    line = {"rule": "max_quality_drop", "threshold": threshold, "measured": 0.05, "bound": bound, "passed": False}
    # When
    shown = gate_lines({"gate": [line]}).rows[0]
    # Then
    assert (shown.threshold, shown.measured, shown.bound) == ("0.20", "0.05", expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (850, "850"),
        (12_345, "12.3 k"),
        (999_999, "1,000 k"),
        (3.45e9, "3.45 B"),
        (999.9e9, "1,000 B"),
        (1e16, "10,000 T"),
    ],
)
def test_large_counts_are_short_and_never_in_powers_of_ten(value: float, expected: str) -> None:
    # Given
    # When
    text = figures.large_count(value)
    # Then
    assert text == expected
