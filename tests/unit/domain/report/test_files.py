"""The run's files: what a person can open, and what the run never wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambdas.domain.report.dataset import dataset_facts
from lambdas.domain.report.files import console_link, file_facts
from lambdas.domain.report.render import render_report
from tests.unit.domain.report.page_reader import Page

Sample = Callable[[str], dict[str, Any]]
KEYS = {
    "rejected lines": "dataset/rejected.jsonl",
    "training data": "teacher_data/training.jsonl",
    "dropped answers": "teacher_data/dropped.jsonl",
    "job output": "distillation/",
    "measurements": "attempts/1/evaluation/",
    "report.json": "attempts/1/report/report.json",
}
NOTHING_YET: dict[str, Any] = {"training": None, "contestants": [], "judge": None, "ledger": []}
FILES = {name: f"s3://runs/task/{key}" for name, key in KEYS.items()}
AFTER_THE_DATASET = ["training data", "dropped answers", "job output", "measurements"]


@pytest.mark.parametrize(
    ("reached", "missing"),
    [
        ({"dataset": None}, ["rejected lines", *AFTER_THE_DATASET]),
        ({}, AFTER_THE_DATASET),
        ({"ledger": [{"stage": "CalibrateJudge"}]}, ["training data", "dropped answers", "job output"]),
        ({"training": {"learnt": None, "job_name": None, "failed_tries": []}}, ["job output", "measurements"]),
        ({"training": {"learnt": None, "job_name": "job"}}, ["measurements"]),
        ({"training": {"learnt": None, "failed_tries": [{"reason": "stalled"}]}}, ["measurements"]),
        ({"training": {"learnt": {}, "job_name": "job"}, "ledger": [{"stage": "EvaluateStudent"}]}, []),
        ({"training": {"job_name": "job"}, "contestants": [{"role": "student"}]}, []),
    ],
)
def test_what_the_run_never_wrote_has_no_link(reached: dict[str, Any], missing: list[str]) -> None:
    # Given a run in a real account that ended at some stage
    report = NOTHING_YET | {"simulated": False, "dataset": {"lines": 61}, "files": FILES} | reached
    # When
    facts = file_facts(report).rows
    # Then each file is named, and what is not there says so instead of leading nowhere
    assert [fact.value for fact in facts] == list(FILES.values())
    assert [fact.label for fact in facts if not fact.link] == missing
    assert [fact.label for fact in facts if fact.note == "(not written)"] == missing


def test_the_page_of_a_failed_run_says_which_files_there_are_not(sample: Sample) -> None:
    # Given a run that failed at its dataset
    report = sample("failed") | {"simulated": False, "files": FILES}
    # When
    page = Page(render_report(report))
    # Then
    assert page.text.count("(not written)") == len(AFTER_THE_DATASET)
    assert f"{FILES['training data']} (not written)" in " ".join(page.text.split())
    assert len([link for link in page.all("a") if "%2Frejected.jsonl" in link.attributes["href"]]) == 1


def test_the_link_to_the_prompts_opens_the_version_of_the_run() -> None:
    # Given prompts of which a newer version may have been uploaded since
    source = {"bucket": "uploads", "key": "task/prompts.jsonl", "version": "a/b+c"}
    # When
    [prompts, *_] = dataset_facts({"simulated": False, "source": source})
    # Then
    address = "https://console.aws.amazon.com/s3/object/uploads?prefix=task%2Fprompts.jsonl"
    assert prompts.link == f"{address}&versionId=a%2Fb%2Bc"


@pytest.mark.parametrize("version", [None, "", 7, ["a"]])
def test_what_is_no_version_does_not_come_into_an_address(version: object) -> None:
    # Given / When
    link = console_link("s3://uploads/key", version)
    # Then
    assert link == "https://console.aws.amazon.com/s3/object/uploads?prefix=key"


def test_half_a_character_in_a_key_breaks_no_page() -> None:
    # Given / When
    link = console_link("s3://uploads/\ud800", "\udfff")
    # Then
    assert link == "https://console.aws.amazon.com/s3/object/uploads?prefix=%3F&versionId=%3F"
