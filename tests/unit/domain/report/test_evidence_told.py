"""Page and terminal say on what a verdict rests: evidence, groups, pairs, labels, looks, and the ceiling."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from cli.clean_console import CleanConsole
from cli.screen import print_report
from lambdas.domain.report.judging import evidence_told, judge_facts
from lambdas.domain.report.render import render_report
from tests.unit.domain.report.page_reader import Page

Sample = Callable[[str], dict[str, Any]]

EVIDENCE: dict[str, Any] = {
    "comparison": "labelled",
    "comparison_may_claim": "better or worse, by people",
    "scores": "fidelity",
    "scores_may_claim": "how close to the teacher",
    "records": 300,
    "groups": 75,
    "pairs": {"student": 90, "other": 40, "tie": 30, "flip": 12, "equal": 120, "unanswered": 5, "no_verdict": 3},
    "teacher_agrees_with_itself": 4.4,
    "labels": {
        "records": 100,
        "drawn_from": 172,
        "people": 2,
        "mean_difference": -0.25,
        "drop": 0.08,
        "outdated": 4,
        "scored_twice": 40,
        "agreeing": 0.85,
        "apart": 0.2,
    },
    "look": 3,
    "error_spent": 0.075,
}
TOLD = {
    "Evidence": "labelled: better or worse, by people; 300 records in 75 groups",
    "Pairs": "student better in 90, other in 40, ties 30, equal texts 120, the order decided 12",
    "Labels": (
        "100 of 172 records with two different answers, by 2 people: the student -0.25 points; they correct the judge; "
        "4 of other answers do not count"
    ),
    "Two people": "85% of 40 answers scored alike, 0.20 points apart on average",
    "Scores rest on": "fidelity: how close to the teacher",
    "Ceiling": "the teacher's own second answers reach 4.40",
    "Looks": "run 3 on these records; 7.5% error spent",
}


def test_a_report_of_before_says_nothing_of_it() -> None:
    # Given / When / Then
    assert evidence_told({}) == []
    assert evidence_told({"evidence": None}) == []


def test_all_that_a_verdict_rests_on_is_told() -> None:
    # Given / When / Then
    assert dict(evidence_told({"evidence": EVIDENCE})) == TOLD


@pytest.mark.parametrize(
    ("change", "label", "said"),
    [
        ({"groups": 300}, "Evidence", "labelled: better or worse, by people; 300 records"),
        ({"labels": {**EVIDENCE["labels"], "drop": None}}, "Labels", "they do not decide"),
        ({"labels": {**EVIDENCE["labels"], "people": 1, "scored_twice": 0}}, "Labels", "by 1 person"),
    ],
)
def test_what_does_not_apply_is_not_claimed(change: dict[str, Any], label: str, said: str) -> None:
    # Given / When
    told = dict(evidence_told({"evidence": {**EVIDENCE, **change}}))

    # Then
    assert said in told[label]
    assert "in 300 groups" not in told["Evidence"]


def test_page_and_terminal_have_every_line_of_it(sample: Sample) -> None:
    # Given a report with an undecided rule
    report = sample("measured") | {"evidence": EVIDENCE, "decision": "PROMOTE"}
    report["gate"][0] |= {"passed": False, "undecided": True, "acceptable": True}
    screen = io.StringIO()

    # When
    page = Page(render_report(report)).text
    print_report(CleanConsole(file=screen, width=400), report, simulated=True)

    # Then
    for label, text in TOLD.items():
        assert text in page
        assert f"{label}: {text}" in screen.getvalue()
    assert "? not shown" in page


def test_in_which_direction_the_judge_errs_for_whom_and_what_its_set_cannot_show_is_told(sample: Sample) -> None:
    # Given
    report = sample("measured")
    report["judge"]["calibration"] |= {
        "signed_errors": [
            {"contestant": "all", "mean": 0.1, "low": -0.05, "high": 0.25, "cases": 31},
            {"contestant": "student", "mean": 0.3, "low": 0.1, "high": 0.5, "cases": 12},
        ],
        "cannot_show": ["31 cases show no error below 0.2 points"],
    }

    # When
    facts = {fact.label: fact.value for fact in judge_facts(report)}

    # Then
    assert facts["Too kind (+) or too strict (-), in points"] == (
        "all answers +0.10 (-0.05 to +0.25, 31 cases); student +0.30 (+0.10 to +0.50, 12 cases)"
    )
    assert facts["Not shown"] == "31 cases show no error below 0.2 points."
