"""What the page says of an upload: what was left out, what to mend, and each thing once."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.dataset.builder import Dataset, DatasetCounts
from lambdas.domain.report.dataset import dataset_facts
from lambdas.domain.report.render import render_report

COUNTS = {"lines": 1_249, "rejected": 0, "duplicates": 0, "train": 979, "holdout": 270, "own_holdout": True}
LOST = {
    "lines": 314,
    "rejected": 40,
    "damaged": 3,
    "duplicates": 4,
    "secrets": 0,
    "secrets_allowed": 0,
    "not_chosen": 0,
}


def said(dataset: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fact.label, fact.value) for fact in dataset_facts({"dataset": COUNTS | dataset})]


def test_what_is_wrong_with_the_holdout_is_said_beside_prompts_without_a_fault() -> None:
    # Given prompts of which none was rejected, and a holdout of which a seventh was
    counts = DatasetCounts(lines=314, rejected=40, damaged=3, duplicates=4)
    made = Dataset([], [], DatasetCounts(lines=1_249, leaked=12), counts).summary()
    # When
    facts = said(made)
    # Then each count is said once
    assert ("Lines of holdout.jsonl", "314; 3 of them no text or no JSON") in facts
    leaked, holdout = (text for name, text in facts if name == "To mend")
    assert leaked.startswith(
        "12 lines ask what holdout.jsonl asks, or are in a group with it; they are kept out of the"
    )
    assert holdout == "314 lines of holdout.jsonl: 40 rejected, 4 merged as duplicates."
    assert "Kept out: the holdout asks the same" not in dict(facts)


def test_without_warnings_the_counts_stand_there_themselves() -> None:
    # Given a report from before there were warnings
    facts = dict(said({"leaked": 12, "secrets": 2, "golden": 100, "holdout_file": LOST}))
    # When / Then
    assert facts["Lines of holdout.jsonl"] == "314; 40 rejected; 3 of them no text or no JSON; 4 merged as duplicates"
    assert facts["Kept out: the holdout asks the same"] == "12"
    assert facts["Rejected for a secret"] == "2"
    assert facts["Golden answers"] == "100"
    assert not {"To mend", "Advice"} & facts.keys()


def test_advice_names_the_golden_answers_itself() -> None:
    # Given
    facts = dict(said({"golden": 100, "advice": ["100 of 979 training records bring a golden answer"]}))
    # When / Then
    assert facts["Advice"] == "100 of 979 training records bring a golden answer."
    assert "Golden answers" not in facts


def test_of_many_warnings_six_are_shown_and_the_rest_is_counted() -> None:
    # Given
    facts = said({"warnings": [f"warning {number}" for number in range(9)]})
    # When
    shown = [text for name, text in facts if name == "To mend"]
    # Then
    assert shown == [*(f"Warning {number}." for number in range(6)), "and 3 more in report.json"]


@pytest.mark.parametrize("texts", [None, "a warning", {"a": 1}, [None, "", "   "]])
def test_what_is_no_list_of_sentences_is_nothing_to_mend(texts: object) -> None:
    # Given / When
    facts = dict(said({"warnings": texts, "advice": texts, "holdout_file": texts, "leaked": 3}))
    # Then
    assert not {"To mend", "Advice"} & facts.keys()
    assert facts["Kept out: the holdout asks the same"] == "3"


def test_a_hostile_warning_is_cut_and_stays_text() -> None:
    # Given
    hostile = ["<script>alert(1)</script>\u202e" + "x" * 5_000, ["no", "text"]]
    # When
    page = render_report({"dataset": COUNTS | {"warnings": hostile, "advice": hostile}})
    # Then
    assert "<script" not in page
    assert "\u202e" not in page
    assert "x" * 400 not in page
