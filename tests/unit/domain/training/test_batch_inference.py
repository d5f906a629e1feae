"""How questions become the input files of batch jobs, and how the account's limits are read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.dataset.records import Turn
from lambdas.domain.questions.answers import Question, Tool
from lambdas.domain.training.batch_inference import (
    BatchLimits,
    BatchOutput,
    InputLine,
    input_line,
    split,
    why_on_demand,
)

TEACHER = "us.amazon.nova-pro-v1:0"


def question(text: str = "red cats", tool: Tool | None = None) -> Question:
    return Question(record_id="0" * 16, system="Be short.", turns=(Turn("user", text),), tool=tool)


# What is refused


def test_a_question_that_needs_a_tool_is_no_record_of_a_batch() -> None:
    tool = Tool(name="score", description="", input_schema="{}")
    with pytest.raises(ValueError, match="take no tool"):
        input_line(question(tool=tool), TEACHER)
    reason = why_on_demand(500, BatchLimits(), deadline_hours=24, tool=True, priced=True)
    assert reason is not None
    assert "refuse tools" in reason


@given(st.binary() | st.text().map(lambda text: json.dumps({"recordId": text, "modelOutput": text}).encode()))
def test_no_output_breaks_the_reader(line: bytes) -> None:
    output = BatchOutput()
    output.read([line], {}, TEACHER)
    output.read_manifest(line)
    assert output.answers == {}


# Lines and files


def test_a_record_has_the_content_key_as_id_and_the_converse_request_as_input() -> None:
    key, line = input_line(question(), TEACHER)
    assert json.loads(line) == {"recordId": key, "modelInput": question().to_api()}
    assert line.endswith(b"\n")
    assert key == question().key(TEACHER)


@given(
    st.sets(st.integers(0, 10**6), max_size=400),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(200, 5_000),
)
def test_files_keep_every_limit_and_no_line_is_in_two(
    numbers: set[int], least: int, most: int, most_bytes: int
) -> None:
    # Given
    lines = [InputLine(f"{number:032x}", b"x" * (10 + number % 90)) for number in numbers]
    limits = BatchLimits(min_records=least, max_records=most, max_bytes=most_bytes)
    # When
    files = split(lines, limits)
    # Then
    placed = [item.key for file in files for item in file]
    assert len(placed) == len(set(placed))
    for file in files:
        assert least <= len(file) <= most
        assert sum(len(item.line) for item in file) <= most_bytes
    assert split(lines[::-1], limits) == files


def test_what_fits_is_one_job() -> None:
    lines = [InputLine(f"{number:032x}", b"x") for number in range(10_000)]
    assert [len(file) for file in split(lines, BatchLimits())] == [10_000]


# Limits


def test_limits_are_read_from_the_quotas_of_that_model_alone() -> None:
    quotas = {
        "Minimum number of records per batch inference job for Nova Pro V1": 200.0,
        "Records per input file per batch inference job for Nova Pro V1": 40_000.0,
        "Records per batch inference job for Nova Pro V1": 30_000.0,
        "Batch inference input file size (in GB) for Nova Pro V1": 0.5,
        "Batch inference job size (in GB) for Nova Pro V1": 5.0,
        "Sum of in-progress and submitted batch inference jobs using a base model for Amazon Nova Pro": 7.0,
        "Minimum number of records per batch inference job for Nova Micro V1": 1.0,
        "On-demand model inference requests per minute for Amazon Nova Pro": 3.0,
    }
    expected = BatchLimits(min_records=200, max_records=30_000, max_bytes=500_000_000, jobs_at_once=7)
    assert BatchLimits.from_quotas(quotas, TEACHER) == expected
    assert BatchLimits.from_quotas(quotas, "us.anthropic.claude-haiku-4-5-20251001-v1:0") == BatchLimits()


def test_a_model_of_another_name_is_found_by_its_words() -> None:
    quotas = {"Minimum number of records per batch inference job for Claude Haiku 4.5": 120.0}
    assert BatchLimits.from_quotas(quotas, "us.anthropic.claude-haiku-4-5-20251001-v1:0").min_records == 120
