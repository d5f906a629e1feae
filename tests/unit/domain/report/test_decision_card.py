"""The first screen answers: promote or not, what is saved on which condition, what is at risk, until when, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambdas.domain.report.decision_card import card_lines, command_of, decision_card
from lambdas.domain.report.headline import read_headline
from lambdas.domain.report.render import render_report
from tests.unit.domain.report.page_reader import Page

Sample = Callable[[str], dict[str, Any]]


def waiting(sample: Sample, **changes: Any) -> dict[str, Any]:
    about = {"outcome": None, "decision": "PROMOTE", "answer_until": "2026-11-30T10:00:00.000Z"}
    return sample("measured") | about | changes


def text(report: dict[str, Any]) -> str:
    card = decision_card(report)
    assert card is not None
    return "\n".join(card_lines(card))


@pytest.mark.parametrize("document", [{}, {"decision": "PROMOTE"}, {"contestants": [{"role": "student"}]}])
def test_without_a_decision_there_is_no_card(document: dict[str, Any]) -> None:
    assert decision_card(document) is None


def test_a_report_with_next_to_nothing_says_what_is_not_known() -> None:
    said = text({"decision": "PROMOTE", "contestants": [{"role": "student"}]})
    assert "dollars a month are not known: the task gives no expected volume" in said.lower()
    assert "judge: not started" in said
    assert "no floors were given" in said
    assert "on what the scores rest is not recorded" in said
    assert "python -m cli approve RUN" in said


def test_a_person_who_is_asked_finds_everything_at_one_place(sample: Sample) -> None:
    # Given
    report = waiting(sample)
    # When
    said = text(report)
    # Then
    assert said.startswith("Promote this student?")
    assert "$67,581 a month less than the teacher" in said
    assert "on condition of 200,000,000 requests a month, served by provisioned throughput" in said
    assert "it bills a simulated $2.00 every hour, called or not, and pays from 198,164,141 requests a month" in said
    assert "judge: within one point for 100% of 31 known scores" in said
    assert "likeness to the teacher, not truth" in said
    assert "Answer before 30 Nov 2026, 10:00 UTC" in said
    assert f"python -m cli --local approve {report['run_id']}" in said
    assert f"python -m cli --local reject {report['run_id']} --why '...'" in said


@pytest.mark.parametrize(
    ("environment", "simulated", "command"),
    [
        ("local", True, "python -m cli --local"),
        ("dev", False, "python -m cli"),
        ("prod", False, "python -m cli --environment prod"),
        ("x; rm -rf ~", False, "python -m cli --environment 'x; rm -rf ~'"),
        (None, None, "python -m cli"),
    ],
)
def test_the_commands_reach_the_deployment_of_the_report(environment: Any, simulated: Any, command: str) -> None:
    assert command_of({"environment": environment, "simulated": simulated}) == command


def test_an_unknown_price_is_to_be_stated_and_an_explicit_word_to_be_said(sample: Sample) -> None:
    report = waiting(sample, explicit_reasons=[{"name": "dear", "sentence": "Provisioned throughput does not pay"}])
    report["break_even"] |= {"provisioned_throughput_usd_per_hour": None, "usd_per_month": None}
    said = text(report)
    assert f"approve {report['run_id']} --hourly-price USD --explicitly" in said
    assert "needs your explicit word: Provisioned throughput does not pay" in said
    assert "97.9% cheaper than the teacher for each request on demand" in said.replace("97.9% Cheaper", "97.9% cheaper")
    assert "the price of an hour is not given" in said


def test_the_worst_group_the_answers_found_least_and_a_close_rule_are_named(sample: Sample) -> None:
    rule = {"passed": True, "bound": None, "undecided": False, "explanation": ""}
    report = waiting(
        sample,
        gate=[
            {**rule, "rule": "slices.queue=billing", "threshold": 3.5, "measured": 4.4},
            {**rule, "rule": "slices.queue=safety", "threshold": 3.5, "measured": 3.6},
            {**rule, "rule": "recall.stuck=true", "threshold": 0.8, "measured": 0.71, "passed": False},
            {**rule, "rule": "min_cost_reduction", "threshold": 0.95, "measured": 0.956},
        ],
        evidence={"scores": "trusted", "comparison": "pairwise"},
    )
    said = text(report)
    assert "worst group: queue=safety at 3.60, floor 3.50" in said
    assert "found least: stuck=true at 71%, floor 80%" in said
    assert "close: min_cost_reduction with 95.6% against 95%" in said
    assert "scores rest on trusted answers: what it says is about truth; compared with the reference by blinded" in said
    assert "no floors were given" not in said


def test_who_is_not_asked_gets_no_command(sample: Sample) -> None:
    for outcome in ("PROMOTED", "REJECTED"):
        card = decision_card(waiting(sample, outcome=outcome))
        assert card is not None
        assert (card.commands, card.until) == ((), "")


def test_the_page_has_the_card_before_the_figures_and_folds_the_rules_that_passed(sample: Sample) -> None:
    # Given
    report = waiting(sample)
    report["gate"][0] |= {"passed": False, "undecided": False}
    # When
    html = render_report(report)
    page = Page(html)
    # Then
    assert html.index('class="decision"') < html.index('class="tiles"')
    folded = " ".join(element.text for element in page.elements if element.tag == "details")
    assert f"{len(report['gate']) - 1} rules passed" in folded
    assert "✕ failed" not in folded
    assert "✕ failed" in page.text
    assert page.text.count(f"approve {report['run_id']}") == 1


def test_a_student_promoted_on_throughput_has_its_headline_figure_there(sample: Sample) -> None:
    # Given a month of throughput at a volume that is known
    report = sample("measured")
    tile = next(tile for tile in Page(render_report(report)).all("div", "tile") if "Cost per" in tile.text)
    served = report["break_even"]["usd_per_month"]["student_provisioned_throughput"] / 200_000
    assert f"${served:.4f} throughput" in " ".join(tile.text.split())
    # And without a volume it says so
    report["break_even"] |= {"usd_per_month": None, "expected_requests_per_month": None}
    tile = next(tile for tile in Page(render_report(report)).all("div", "tile") if "Cost per" in tile.text)
    assert "on throughput not known" in " ".join(tile.text.split())


def test_who_serves_alone_has_one_latency_in_every_table(sample: Sample) -> None:
    report = sample("promoted")
    teacher = next(one for one in report["contestants"] if one["role"] == "teacher")
    report["cascade"]["teacher"]["latency_ms"] = {"p50": None, "p95": None}
    said = f"{teacher['latency_ms']['p50']:,.0f} ms / {teacher['latency_ms']['p95']:,.0f} ms"
    assert said in Page(render_report(report)).text


def test_refused_answers_of_the_teacher_are_shown_three_a_reason_and_escaped(sample: Sample) -> None:
    # Given
    samples: list[dict[str, Any]] = [
        {"reason": "not JSON", "part": "training", "record_id": str(at), "question": f"ask {at}", "answer": "<b>no</b>"}
        for at in range(5)
    ]
    samples.append({**samples[0], "reason": "refusal", "answer": None})
    error = {"name": "TeacherDataRefused", "message": "34% of the teacher's answers were dropped"}
    report = sample("failed") | {"error": error}
    report["training"] = {"drop_samples": samples, "drop_reasons": {"not JSON": 412, "refusal": 1}}
    # When
    html = render_report(report)
    page = Page(html).text
    # Then
    assert "not JSON (412)" in page
    assert "ask 2" in page
    assert "ask 3" not in page
    assert "<b>no</b>" not in html
    assert page.index("What the teacher answered and was dropped") < page.index("The run did not get to")


@pytest.mark.parametrize(
    ("name", "changes", "first"),
    [
        ("promoted", {}, True),
        ("measured", {"outcome": None, "decision": "PROMOTE"}, True),
        ("rejected", {}, True),
        ("failed", {}, False),
    ],
)
def test_where_prompting_is_enough_page_and_terminal_begin_with_it(
    sample: Sample, name: str, changes: dict[str, Any], *, first: bool
) -> None:
    # Given
    told = "Prompting is enough: the base model with the long prompt scores 4.50 beside the student's 4.60"
    report = sample(name) | changes
    before = read_headline(report)

    # When
    enough = read_headline({**report, "prompting": {"enough": True, "sentence": told}})
    dearer = read_headline({**report, "prompting": {"enough": False, "sentence": told}})

    # Then what was said first is said next
    assert dearer == before
    if first:
        assert enough.sentence == f"{told}."
        assert enough.reasons[0].rstrip(".") == before.sentence.rstrip(".")
    else:
        assert enough == before
