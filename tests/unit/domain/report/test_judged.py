"""The page says what decided, what did not suffice, who judged and how far that can be believed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from lambdas.domain.report.charts import latency_chart
from lambdas.domain.report.comparison import comparison_rows
from lambdas.domain.report.judging import judge_facts, task_measures
from lambdas.domain.report.render import render_report
from tests.unit.domain.report.page_reader import Page

Sample = Callable[[str], dict[str, Any]]


def text_of(report: dict[str, Any]) -> str:
    page = Page(render_report(report))
    return " ".join(next(element.text for element in page.elements if element.tag == "body").split())


def test_what_was_not_shown_is_neither_passed_nor_failed(sample: Sample) -> None:
    # Given a run that ended for lack of evidence
    report = sample("measured")
    report |= {"outcome": "REJECTED", "decision": "INSUFFICIENT EVIDENCE", "endpoint": None}
    report["reasons"] = ["there is too little evidence for a verdict: max_quality_drop"]
    line = next(line for line in report["gate"] if line["rule"] == "max_quality_drop")
    line |= {"passed": False, "undecided": True}

    # When
    text = text_of(report)

    # Then
    assert "There is too little evidence for a verdict" in text
    assert text.count("? not shown") == 1
    assert "✕ failed" not in text


def test_what_needs_a_persons_word_stands_beside_the_command_that_gives_it(sample: Sample) -> None:
    # Given
    report = sample("measured") | {"outcome": None, "decision": "PROMOTE", "endpoint": None}
    text = "Provisioned throughput does not pay at 5 requests a month"
    report["explicit_reasons"] = [{"name": "dearer_than_on_demand", "sentence": text}]

    # When / Then
    text = text_of(report)
    assert "does not pay at 5 requests a month. It is promoted only with your explicit word (--explicitly)." in text
    assert f"python -m cli --local approve {report['run_id']} --explicitly" in text


def test_a_champion_that_refused_is_named_as_left_out(sample: Sample) -> None:
    # Given
    report = sample("measured")
    report["left_out"] = [{"role": "champion", "model_id": "arn", "reason": "the endpoint was deleted <b>"}]

    # When / Then
    assert "Present champion is left out: The endpoint was deleted <b>." in text_of(report)


def test_a_task_without_known_scores_is_told_that_nothing_shows_the_judge_to_be_right(sample: Sample) -> None:
    # Given
    report = sample("measured")
    report["judge"]["calibration"] = None

    # When / Then
    assert any("nothing shows that this judge can be believed" in fact.value for fact in judge_facts(report))
    assert judge_facts({}) == []


def test_the_judges_agreement_is_told(sample: Sample) -> None:
    # Given / When
    facts = {fact.label: fact.value for fact in judge_facts(sample("measured"))}

    # Then
    assert facts["Known scores"] == "100% of 31 within one point, 0.00 points off on average, rank correlation 1.00"
    assert facts["Persuasion"] == "6 answers that talk to the judge won 0 points at most"
    assert facts["Drift"] == "0.00 points between begin and end of the evaluation"


def test_the_tasks_own_measure_has_a_value_for_each_contestant(sample: Sample) -> None:
    # Given
    report = sample("measured")
    rows = comparison_rows(report)

    # When
    found = {(field, measure): values for field, measure, values in task_measures(report, rows).rows}

    # Then
    student = next(item for item in report["contestants"] if item["role"] == "student")["task_metric"]["numbers"]
    assert len(found) == 8
    for field, errors in student.items():
        assert float(found[field, "largest error"][0]) == round(errors["largest_error"], 4)
    assert all(len(values) == len(rows) for values in found.values())


def test_latencies_are_drawn_as_distributions_and_what_was_kept_out_is_said(sample: Sample) -> None:
    # Given
    report = sample("measured")
    report["contestants"][0]["throttled"] = 3

    # When
    chart = latency_chart(comparison_rows(report))

    # Then
    assert chart is not None
    assert chart.has_spread
    for bar in chart.bars:
        assert bar.spread is not None
        assert bar.p50 is not None
        assert bar.p95 is not None
        assert [*bar.spread[:2], bar.p50, bar.spread[2], bar.p95] == sorted([*bar.spread, bar.p50, bar.p95])
    assert "3 answers that were throttled or tried again are kept out." in chart.note


def test_the_chart_says_what_was_timed_apart_and_what_is_unknown(sample: Sample) -> None:
    # Given
    report = sample("measured")
    roles = {one["role"]: one for one in report["contestants"]}
    roles["teacher"] |= {"timed": 100, "timed_apart": 100}
    roles["baseline"] |= {"timed": 0, "latency_ms": None}

    # When
    chart = latency_chart(comparison_rows(report))

    # Then
    assert chart is not None
    assert "the teacher's answers, without times: 100 of them were asked for once more, on demand" in chart.note
    assert "The baseline's latency is unknown" in chart.note


def test_files_are_links_only_where_an_account_is_behind_them(sample: Sample) -> None:
    # Given
    simulated, real = sample("measured"), sample("measured") | {"simulated": False}
    real["source"] |= {"bucket": "uploads", "key": "task/" + "p" * 600}
    real["files"] = {"report.json": "s3://runs/a b/é.json", "script": "javascript:alert(1)", "folder": "s3://runs/x/"}
    version = real["source"]["version"]

    # When
    links = [item.attributes["href"] for item in Page(render_report(real)).elements if item.tag == "a"]

    # Then
    assert links == [
        f"https://console.aws.amazon.com/s3/object/uploads?prefix=task%2F{'p' * 600}&versionId={version}",
        "https://console.aws.amazon.com/s3/object/runs?prefix=a%20b%2F%C3%A9.json",
        "https://console.aws.amazon.com/s3/buckets/runs?prefix=x%2F",
    ]
    assert not [item for item in Page(render_report(simulated)).elements if item.tag == "a"]


def test_validity_after_repair_is_said_where_repair_mends_something(sample: Sample) -> None:
    # Given / When
    text = text_of(sample("measured"))

    # Then
    assert "98.1% (100% after repair)" in text
    assert "100% (100% after repair)" not in text


def test_the_page_says_what_the_scores_do_not_show(sample: Sample) -> None:
    # Given references that are the teacher's answers, and a baseline that left seven questions open
    report = sample("measured")
    next(one for one in report["contestants"] if one["role"] == "baseline")["unanswered"] = 7
    trusted = copy.deepcopy(report)
    trusted["dataset"]["own_holdout"] = True

    # When
    generated, own = text_of(report), text_of(trusted)

    # Then
    assert "The contestants, on the same 270 records of the holdout" in generated
    assert "Without an answer, and so with score 1: baseline 7." in generated
    assert "The references are the teacher's own answers" in generated
    assert "The references are the teacher's own answers" not in own
