"""A missing price names its line, an estimate stops before the first paid call, and a ledger adds up."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.datasets import Dataset, DatasetCounts
from lambdas.domain.errors import BudgetExceeded, DatasetRefused, PriceMissing
from lambdas.domain.estimate import estimate_run
from lambdas.domain.ledger import LedgerEntry, summed, total_usd
from lambdas.domain.prices import UNITS, PriceLine
from lambdas.domain.prompts import teacher_question
from lambdas.domain.sizes import check_sizes, holdout_records_needed, training_records_needed
from lambdas.domain.task_definition import TaskDefinition
from tests.unit.domain.samples import BOOK, HAIKU, MICRO, models, records

ENTRIES = st.lists(
    st.builds(
        LedgerEntry,
        id=st.uuids().map(str),
        stage=st.sampled_from(["GenerateTeacherData", "EvaluateStudent"]),
        model=st.sampled_from(["a", "b"]),
        kind=st.sampled_from(["actual", "derived", "estimated"]),
        usage=st.dictionaries(st.sampled_from(["calls", "input_tokens"]), st.integers(0, 10**6).map(float)),
        usd=st.integers(0, 10**6).map(lambda millionths: millionths / 1_000_000),
    ),
    max_size=30,
)


@pytest.mark.parametrize("usage", sorted(UNITS))
def test_a_missing_price_is_an_error_with_the_line_to_add(usage: str) -> None:
    # Given / When
    with pytest.raises(PriceMissing) as missing:
        BOOK.usd("acme.model-1", usage, 1)

    # Then the line is one that the settings take, once its blanks are filled in
    message = str(missing.value)
    line = json.loads(message[message.index("{") :])
    assert PriceLine(**line).unit == UNITS[usage]
    assert (line["model"], line["usage"]) == ("acme.model-1", usage)


def test_a_profile_has_its_own_price_or_that_of_its_model() -> None:
    # Given a regional profile that costs a tenth more, and one that costs the same
    # When / Then
    assert BOOK.line(HAIKU, "input").usd == pytest.approx(1.1 * BOOK.line(HAIKU.removeprefix("us."), "input").usd)
    assert BOOK.line(f"us.{MICRO}", "input") == BOOK.line(MICRO, "input")
    assert BOOK.line(f"{MICRO}:128k", "training").usd == 1.0


@pytest.mark.parametrize("line", BOOK.lines.values(), ids=lambda line: f"{line.model} {line.usage}")
def test_every_line_of_the_price_book_says_unit_source_and_date(line: PriceLine) -> None:
    # Given a line / When / Then
    assert line.unit == UNITS[line.usage]
    assert line.usd > 0
    assert len(line.source) > 10
    assert not line.simulated
    assert dt.date(2025, 1, 1) < dt.date.fromisoformat(line.date) <= dt.date(2026, 12, 31)


def test_a_budget_below_the_estimate_stops_the_run_with_what_would_make_it_fit() -> None:
    # Given
    task = TaskDefinition.from_document({"teacher_system_prompt": "be thorough " * 100})
    estimate = estimate_run(records(2_000), records(150), task, models(), BOOK)

    # When
    with pytest.raises(BudgetExceeded) as stopped:
        estimate.check(estimate.usd / 2)

    # Then
    message = str(stopped.value)
    assert all(stage in message for stage in ("RunTeacherBatch $", "LaunchDistillation $", "EvaluateStudent $"))
    assert "Nothing was paid" in message
    assert "about 50% of the prompts" in message
    needed = float(message.split("at least ")[1].split(",", maxsplit=1)[0])
    estimate.check(needed)
    assert needed - estimate.usd <= 0.01


def test_an_estimate_needs_every_price() -> None:
    # Given a judge without a price / When / Then
    with pytest.raises(PriceMissing, match=r"acme\.judge"):
        estimate_run(records(2), records(2), TaskDefinition.default(), models(judge="acme.judge"), BOOK)


def test_an_estimate_counts_what_bedrock_asks_the_teacher_itself_only_when_it_does() -> None:
    # Given
    task = TaskDefinition.default()

    # When
    distilled = estimate_run(records(100), records(10), task, models(), BOOK)
    tuned = estimate_run(records(100), records(10), task, models(training="fine_tuning"), BOOK)

    # Then
    own = [line for line in distilled.lines if line.id == "own-teacher-calls"]
    assert [line.usage["calls"] for line in own] == [100]
    assert distilled.usd - tuned.usd == pytest.approx(own[0].usd)
    assert distilled.low_usd < distilled.usd < distilled.high_usd


def test_an_estimate_counts_no_answer_that_exists() -> None:
    # Given a run whose teacher, baseline and undistilled student were all asked before
    task, chosen, train, holdout = TaskDefinition.default(), models(), records(100), records(10)
    asked = {chosen.teacher: train + holdout, chosen.baseline: holdout, chosen.student: holdout}
    bought = {teacher_question(item, task).key(model) for model, items in asked.items() for item in items}

    # When
    estimate = estimate_run(train, holdout, task, chosen, BOOK, bought=bought)

    # Then the student itself is new, and so is what the judge reads
    calls = {line.id: line.usage.get("calls") for line in estimate.lines}
    assert calls[f"GenerateTeacherData.{chosen.teacher}"] == calls[f"EvaluateStudent.{chosen.baseline}"] == 0
    assert calls[f"EvaluateStudent.{chosen.student}"] == 10
    assert calls[f"EvaluateStudent.{chosen.judge}"] == 40


@given(ENTRIES)
def test_a_summed_ledger_has_the_same_total_and_one_line_a_stage_model_and_kind(entries: list[LedgerEntry]) -> None:
    # Given any entries / When
    lines = summed(entries)

    # Then
    assert total_usd(lines) == pytest.approx(total_usd(entries))
    assert total_usd(entries) == pytest.approx(sum(entry.usd for entry in entries if entry.kind != "estimated"))
    assert len({(line.stage, line.model, line.kind) for line in lines}) == len(lines)
    for name in ("calls", "input_tokens"):
        assert sum(line.usage.get(name, 0) for line in lines) == sum(entry.usage.get(name, 0) for entry in entries)


def dataset(train: int, holdout: int) -> Dataset:
    counts = DatasetCounts(lines=train + holdout)
    return Dataset(records(train), records(holdout), counts)


@pytest.mark.parametrize(("train", "holdout"), [(111, 200), (112, 98), (0, 0)])
def test_a_dataset_that_cannot_train_or_prove_is_refused_with_both_numbers(train: int, holdout: int) -> None:
    # Given the defaults: a tenth may be dropped, a margin of 0.2
    # When
    with pytest.raises(DatasetRefused) as refused:
        check_sizes(dataset(train, holdout), TaskDefinition.default())

    # Then
    message = str(refused.value)
    assert f"{train} training records of at least 112" in message
    assert f"{holdout} holdout records of at least 99" in message
    assert "Nothing was paid" in message


def test_a_dataset_of_just_the_needed_sizes_is_accepted() -> None:
    # Given / When / Then: (1.6449 + 0.8416)^2 * 0.8^2 / 0.2^2 = 98.9 and 100 / 0.9 = 111.1
    assert (training_records_needed(0.1), holdout_records_needed(0.2)) == (112, 99)
    check_sizes(dataset(112, 99), TaskDefinition.default())


@given(st.floats(0.01, 4), st.floats(0.01, 4))
def test_a_narrower_margin_never_needs_fewer_records(one: float, other: float) -> None:
    # Given
    narrow, wide = sorted((one, other))

    # When / Then
    assert holdout_records_needed(narrow) >= holdout_records_needed(wide) >= 1


@given(st.floats(0, 0.9))
def test_the_needed_training_records_leave_a_hundred_after_the_worst_drop(rate: Any) -> None:
    # Given / When
    needed = training_records_needed(rate)

    # Then
    assert needed * (1 - rate) >= 100 - 1e-6
