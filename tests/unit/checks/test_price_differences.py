"""The price book beside a public table: what differs is a problem until somebody says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from checks.prices import ACCEPTED, BOOK, differences

LINE = {
    "region": "us-east-1",
    "model": "a.model-v1:0",
    "usage": "input",
    "usd": 0.33,
    "date": "2026-08-02",
    "source": "s",
}
TABLE = {"a.model-v1:0": {"input_cost_per_token": 3e-07}}
ACCEPTANCE = {
    "region": "us-east-1",
    "model": "a.model-v1:0",
    "usage": "input",
    "book": 0.33,
    "table": 0.3,
    "source": "the AWS Price List",
    "date": "2026-11-29",
}


def test_a_difference_that_nobody_accepted_is_a_problem_with_both_figures() -> None:
    (problem,) = differences([LINE], TABLE, [])
    assert "$0.33 of 2026-08-02 in the book" in problem
    assert "$0.3 in LiteLLM's table" in problem


def test_a_difference_that_is_accepted_with_its_source_is_none() -> None:
    assert list(differences([LINE], TABLE, [ACCEPTANCE])) == []


@pytest.mark.parametrize(
    ("accepted", "line", "said"),
    [
        ({**ACCEPTANCE, "table": 0.31}, LINE, "look again"),
        ({**ACCEPTANCE, "source": ""}, LINE, "look again"),
        (ACCEPTANCE, {**LINE, "usd": 0.3}, "take its acceptance out"),
        ({**ACCEPTANCE, "usage": "output"}, {**LINE, "usd": 0.3}, "not compared any more"),
    ],
    ids=["other figures", "no source", "both agree", "gone"],
)
def test_an_acceptance_holds_for_the_figures_that_it_names(
    accepted: dict[str, Any], line: dict[str, Any], said: str
) -> None:
    assert any(said in problem for problem in differences([line], TABLE, [accepted]))


def test_a_table_of_which_nothing_is_known_is_no_agreement() -> None:
    (problem,) = differences([LINE], {"other": {}}, [])
    assert "nothing could be compared" in problem


def test_what_the_table_cannot_know_is_not_compared() -> None:
    # Given a custom model, a bare model of another Region, and an hour
    lines = [
        {**LINE, "model": "custom:a.model-v1:0"},
        {**LINE, "region": "eu-central-1"},
        {**LINE, "usage": "throughput"},
    ]
    assert list(differences([*lines, {**LINE, "usd": 0.3}], TABLE, [])) == []


def test_what_is_accepted_stands_in_the_book_with_source_and_date() -> None:
    book = {
        (line["region"], line["model"], line["usage"]): line["usd"] for line in json.loads(BOOK.read_text())["prices"]
    }
    for item in json.loads(ACCEPTED.read_text()):
        assert book[item["region"], item["model"], item["usage"]] == item["book"]
        assert len(item["source"]) > 10
        assert item["date"] >= "2026-11-29"
