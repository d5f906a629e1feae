"""The page as a whole: what each outcome shows, that it is self-contained, and what is missing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from lambdas.domain.report.render import render_report
from tests.unit.domain.report.page_reader import SAMPLES, Page, assert_closed

Sample = Callable[[str], dict[str, Any]]
NAMES = sorted(path.stem for path in SAMPLES.glob("*.json"))


def _page(report: dict[str, Any]) -> Page:
    return Page(render_report(report))


def _verdict(page: Page) -> str:
    return " ".join(page.all("section", "verdict")[0].text.split())


def test_a_run_that_failed_at_the_dataset_says_why_and_what_to_do(sample: Sample) -> None:
    # Given a run that never came to a contestant
    report = sample("failed")
    # When its page is made
    page = _page(report)
    # Then the verdict has the error's name, its message and the command, and empty sections are not drawn
    verdict = _verdict(page)
    assert "FAILED" in verdict
    assert "DatasetRefused" in verdict
    assert report["error"]["message"] in verdict
    assert f"python -m cli retry {report['run_id']}" in verdict
    assert "did not get to: the choice of models, the training, the evaluation, the gate." in page.text
    assert not page.all("svg", "chart")
    assert "Nothing was purchased." in page.text


def test_an_error_of_the_upload_asks_for_a_new_upload_first(sample: Sample) -> None:
    # Given the same failed run with an error that lies in the upload, and one that does not
    report = sample("failed")
    elsewhere = report | {"error": {"name": "QuotaTooLow", "message": "The quota is 0."}}
    # When both pages are made
    in_upload, in_account = _verdict(_page(report)), _verdict(_page(elsewhere))
    # Then only the first one says that a retry reads the same version again
    assert "a new version of the file is a new run" in in_upload
    assert "a new version of the file is a new run" not in in_account
    assert "Remove the cause" in in_account


@pytest.mark.parametrize("error", ["SecretsFound", "TeacherDataRefused", "InvalidTaskDefinition", "BudgetExceeded"])
def test_what_only_an_upload_can_mend_is_not_left_to_a_retry(sample: Sample, error: str) -> None:
    # Given an error whose remedy lies in the prompts or in task.json, to whose version a retry is bound
    report = sample("failed") | {"error": {"name": error, "message": "Why."}}
    # When / Then
    assert "upload the prompts again: a new version of the file is a new run" in _verdict(_page(report))


def test_the_failure_is_not_told_twice(sample: Sample) -> None:
    # Given a report whose reason repeats the error, as PublishReport writes it
    report = sample("failed")
    report["reasons"] = [f"DatasetRefused: {report['error']['message']}"]
    # When the page is made
    verdict = _verdict(_page(report))
    # Then the message stands there once
    assert verdict.count(report["error"]["message"]) == 1


@pytest.mark.parametrize(
    "document", [{}, {"outcome": "FAILED"}, {"outcome": "SOMETHING NEW", "contestants": [None, {}]}]
)
def test_a_document_with_next_to_nothing_is_still_a_page(document: dict[str, Any]) -> None:
    # Given hardly any field
    # When the page is made
    page = _page(document)
    # Then it names the outcome and says what is missing
    assert len(page.all("h2")) >= 2
    assert "not measured" in page.text
    assert "None" not in page.text.replace("None: whatever", "")


@pytest.mark.parametrize("name", NAMES)
def test_any_field_may_be_null(sample: Sample, name: str) -> None:
    # Given a sample in which one field after the other is null, on the first and on the second level
    report = sample(name)
    variants = [{**report, key: None} for key in report]
    for key, value in report.items():
        if isinstance(value, dict):
            variants += [{**report, key: {**value, inner: None}} for inner in value]
        if isinstance(value, list) and value and isinstance(value[0], dict):
            variants += [{**report, key: [{**item, inner: None} for item in value]} for inner in value[0]]
    # When each is made a page
    pages = [render_report(variant) for variant in variants]
    # Then none breaks, and none shows Python's own words for nothing
    assert len(pages) > len(report)
    words = re.compile(r"\b(None|nan|Undefined|inf)\b")
    # To read a page takes longer than to make it: only those are read that have such a word anywhere.
    suspects = [page for page in pages if words.search(page.replace("None: whatever the run made", ""))]
    for page in pages:
        assert_closed(page)
    for page in suspects:
        assert not words.search(Page(page).text.replace("None: whatever the run made", ""))


def test_the_promoted_run_shows_its_figures_as_people_write_them(sample: Sample) -> None:
    # Given
    report = sample("promoted")
    # When
    page = _page(report)
    # Then
    tiles = " ".join(" ".join(tile.text.split()) for tile in page.all("div", "tile"))
    for figure in (
        "4.29 of 5",
        "401 ms",
        "baseline 1,688 ms",
        "on demand $0.012",
        "98.1% cheaper than the teacher",
        "$36,242 a month",
    ):
        assert figure in tiles
    assert report["endpoint"]["arn"] in _verdict(page)
    assert "$0.62 per hour" in _verdict(page)
    assert "28 Nov 2026, 09:02 UTC" in page.text
    assert page.text.count("✓ passed") == 5


def test_the_rejected_run_puts_the_failed_rules_on_top(sample: Sample) -> None:
    # Given
    report = sample("rejected")
    # When
    page = _page(report)
    # Then the first reason is the sentence, the others follow, and the gate marks three failures
    verdict = _verdict(page)
    assert verdict.startswith("✕ REJECTED The student's mean judge score is 3.04; at least 4.00 is asked for.")
    assert all(reason in verdict for reason in report["reasons"])
    assert page.text.count("✕ failed") == 3
    assert page.text.count("✓ passed") == 2
    assert "None: whatever the run made has been deleted" in page.text
    assert not page.all("div", "next")


def test_the_expired_run_offers_to_ask_again_and_the_waiting_one_to_approve(sample: Sample) -> None:
    # Given an expired run, and the same one while it was waiting
    expired = sample("expired")
    waiting = expired | {"outcome": None}
    # When
    texts = [_verdict(_page(report)) for report in (expired, waiting)]
    # Then
    assert "EXPIRED" in texts[0]
    assert f"python -m cli retry {expired['run_id']}" in texts[0]
    assert "AWAITING APPROVAL" in texts[1]
    assert f"approve {expired['run_id']}" in _page(waiting).text
    assert "Approval purchases provisioned throughput at a simulated $0.62 per hour, $452.60 a month" in texts[1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"mode": "on_demand"}, "Serving on demand costs nothing while nobody asks."),
        ({"provisioned_throughput_usd_per_hour": None}, "at a price per hour that the price book does not know"),
    ],
)
def test_an_approver_reads_what_the_approval_costs(sample: Sample, change: dict[str, Any], expected: str) -> None:
    # Given a run that waits for approval, without a price per hour
    report = sample("expired") | {"outcome": None}
    report["break_even"] |= change
    # When
    verdict = _verdict(_page(report))
    # Then
    assert expected in verdict


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "Advice: "),
        ({"provisioned_throughput_usd_per_hour": None}, "the price of a throughput hour is not known"),
        ({"expected_requests_per_month": None}, "below that take on_demand"),
        (
            {"usd_per_month": {"student_provisioned_throughput": 9.0, "student_on_demand": 10.0}},
            "Advice: provisioned_throughput, as the task says",
        ),
        (
            {"usd_per_month": {"student_provisioned_throughput": 10.0, "student_on_demand": 9.0}},
            "Advice: on_demand, while the task says provisioned_throughput",
        ),
        ({"price_stated": True}, "is the one that was stated with the approval"),
    ],
)
def test_the_page_says_which_serving_mode_it_advises(sample: Sample, change: dict[str, Any], expected: str) -> None:
    # Given
    report = sample("promoted")
    report["break_even"] |= change
    # When, Then
    assert expected in " ".join(_page(report).text.split())


def test_an_approver_without_a_price_is_told_to_state_one(sample: Sample) -> None:
    # Given
    waiting = sample("expired") | {"outcome": None}
    waiting["break_even"]["provisioned_throughput_usd_per_hour"] = None
    # When, Then
    assert f"approve {waiting['run_id']} --hourly-price USD" in _page(waiting).text


@pytest.mark.parametrize("name", NAMES)
def test_simulated_figures_are_labelled_and_real_ones_are_not(sample: Sample, name: str) -> None:
    # Given a simulated report and the same from a real account
    simulated = sample(name)
    real = simulated | {"simulated": False, "ledger": [], "break_even": None}
    # When
    pages = _page(simulated), _page(real)
    # Then
    assert "Simulated figures." in pages[0].all("aside", "simulated")[0].text
    assert pages[0].all("title")[0].text.endswith("(simulated)")
    assert "imulated" not in pages[1].text


@pytest.mark.parametrize("name", NAMES)
def test_the_page_needs_nothing_but_itself(sample: Sample, name: str) -> None:
    # Given
    report = sample(name)
    # When
    html = render_report(report)
    page = Page(html)
    # Then there is no script, no link, no other file, and the page forbids every style but its own
    assert not {element.tag for element in page.elements} & {"script", "link", "img", "iframe", "a", "object", "form"}
    attributes = {attribute for element in page.elements for attribute in element.attributes}
    assert not attributes & {"src", "href", "style", "srcset", "action"}
    assert not any(attribute.startswith("on") for attribute in attributes)
    assert "url(" not in html
    assert "@import" not in html
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page.all("meta")[1].attributes["content"]
    assert len(html.encode()) < 150_000


@pytest.mark.parametrize("name", NAMES)
def test_every_chart_and_table_can_be_read_without_seeing_it(sample: Sample, name: str) -> None:
    # Given
    # When
    page = _page(sample(name))
    # Then each chart names itself and says in words what it shows, ids are unique, headings have an order
    for chart in page.all("svg", "chart"):
        assert chart.attributes["role"] == "img"
        assert chart.attributes.get("aria-label") or chart.attributes["aria-labelledby"]
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in page.elements:
        for label in element.attributes.get("aria-labelledby", "").split():
            assert label in ids
    assert all(cell.attributes.get("scope") in ("col", "row") for cell in page.all("th"))
    levels = [int(element.tag[1]) for element in page.elements if re.fullmatch(r"h[1-4]", element.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_of_text_is_readable_in_light_and_dark(sample: Sample) -> None:
    # Given the two palettes of the style sheet
    style = render_report(sample("promoted"))
    palettes = [
        dict(re.findall(r"--(\w+(?:-\w+)?): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]
    # When each is held against what it stands on (WCAG 2.2: 4.5 to 1 for text)
    pairs = [(name, ground) for name in palettes[0] for ground in ("page", "card")]
    decorations = {"page", "card", "line", "well", "warn-page", "warn-ink", "warn-line"}
    ratios = {}
    for number, palette in enumerate(palettes[:2]):
        grounds = [pair for pair in pairs if pair[0] not in decorations] + [("warn-ink", "warn-page")]
        for name, ground in grounds:
            light, dark = sorted((_luminance(palette[name]), _luminance(palette[ground])), reverse=True)
            ratios[number, name, ground] = (light + 0.05) / (dark + 0.05)
    # Then
    assert len(ratios) > 50
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}


def test_equal_reports_give_equal_pages_and_are_not_changed(sample: Sample) -> None:
    # Given
    report, untouched = sample("promoted"), sample("promoted")
    # When
    first, second = render_report(report), render_report(report)
    # Then
    assert first == second
    assert report == untouched


def test_estimates_are_shown_but_not_added_to_what_was_spent(sample: Sample) -> None:
    # Given a ledger with one actual and one foreseen line of the same stage
    report = sample("promoted")
    line = {"stage": "PromoteStudent", "model": "m", "usage": {"calls": 2}, "simulated": False}
    report["ledger"] = [line | {"kind": "actual", "usd": 1.25}, line | {"kind": "estimated", "usd": 90.0}]
    # When
    page = _page(report)
    # Then
    stages = " ".join(page.all("table", "stages")[0].text.split())
    assert stages.endswith("PromoteStudent100%$1.25")
    assert "estimated, not in the total" in page.text


def test_an_estimate_that_nobody_made_is_no_missing_measurement(sample: Sample) -> None:
    # Given a run that ended before its plan
    report = sample("failed") | {"estimate_usd": None}
    # When
    sums = " ".join(_page(report).all("dl", "sums")[0].text.split())
    # Then
    assert "Estimatenone was made" in sums


def test_rules_that_were_not_passed_stand_first_and_are_never_cut_off(sample: Sample) -> None:
    # Given more rules than a table holds, of which the last ones were not passed
    report = sample("measured") | {"outcome": "REJECTED", "decision": "REJECT"}
    passed = report["gate"][0]
    report["gate"] = [{**passed, "rule": f"slices.topic={n}"} for n in range(40)]
    report["gate"] += [
        {**passed, "rule": "holdout_records", "passed": False, "undecided": True},
        {**passed, "rule": "min_latency_reduction", "passed": False},
    ]
    # When
    page = _page(report)
    rules = [" ".join(row.text.split()) for row in page.all("tr") if "Measured" not in row.text]
    # Then
    assert "✕ failed Faster by at least" in rules[0]
    assert "? not shown Holdout records at least" in rules[1]
    assert "The gate: 40 of 42 rules passed, 1 failed, 1 not shown" in page.text


def test_too_little_evidence_is_not_headed_like_a_proof(sample: Sample) -> None:
    # Given
    unproven = sample("measured") | {"outcome": "REJECTED", "decision": "INSUFFICIENT EVIDENCE"}
    # When
    pages = _page(unproven), _page(unproven | {"decision": "REJECT"})
    # Then
    assert "? REJECTED: insufficient evidence" in _verdict(pages[0])
    assert pages[0].all("title")[0].text.startswith("REJECTED (insufficient evidence): ")
    assert "✕ REJECTED" in _verdict(pages[1])
    assert "insufficient" not in pages[1].all("title")[0].text


def test_a_piece_of_a_simulated_page_still_says_so(sample: Sample) -> None:
    # Given
    report = sample("measured")
    # When
    page = _page(report)
    # Then each chart and each key figure can be cut out of the page and stays labelled
    pieces = page.all("figure") + page.all("div", "tile")
    assert len(pieces) >= 8
    assert all("simulated" in piece.text for piece in pieces)
    assert "The judge simulated" in [" ".join(heading.text.split()) for heading in page.all("h2")]
    assert page.all("body")[0].attributes["class"] == "is-simulated"


def test_savings_do_not_hide_that_nobody_knows_what_a_unit_serves(sample: Sample) -> None:
    # Given throughput of one unit for a volume, and no word on what a unit serves
    report = sample("measured")
    # When
    unknown = _page(report).text
    report["break_even"]["unit_requests_per_month"] = 500_000_000
    known = _page(report).text
    # Then
    assert "provided that one model unit serves it, which is not known" in unknown
    assert "provided that" not in known
