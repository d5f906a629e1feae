"""What was foreseen and what was spent stand side by side, and nothing of either is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.costs.ledger import LedgerEntry, total_usd
from lambdas.domain.costs.reconciliation import TEACHER_ANSWERS, reconcile
from tests.unit.domain.costs.test_ledger import ENTRIES


def line(stage: str, usd: float, calls: float = 10.0) -> dict[str, Any]:
    return {"stage": stage, "low_usd": usd * 0.8, "usd": usd, "high_usd": usd * 1.2, "usage": {"calls": calls}}


def entry(stage: str, usd: float, kind: str = "actual", **usage: float) -> LedgerEntry:
    return LedgerEntry(id=f"{stage}.{usd}", stage=stage, model="m", kind=kind, usage=usage, usd=usd)


@given(ENTRIES, st.lists(st.sampled_from(["RunTeacherBatch", "EvaluateStudent"]), max_size=4))
def test_all_that_was_spent_and_foreseen_is_in_a_bill(entries: list[LedgerEntry], stages: list[str]) -> None:
    # Given / When
    bills = reconcile([line(stage, 2.0) for stage in stages], entries)

    # Then
    assert sum(bill.actual_usd for bill in bills) == pytest.approx(total_usd(entries))
    assert sum(bill.estimate_usd or 0.0 for bill in bills) == pytest.approx(2.0 * len(stages))


def test_what_a_batch_left_out_counts_against_what_was_foreseen_for_the_batch() -> None:
    # Given
    entries = [entry("RunTeacherBatch", 0.9, batch_calls=9), entry("GenerateTeacherData", 0.2, calls=1)]

    # When
    [bill] = reconcile([line("RunTeacherBatch", 1.0)], entries)

    # Then
    assert (bill.stage, bill.actual_calls, bill.estimated_calls) == (TEACHER_ANSWERS, 10, 10)
    document = bill.to_document()
    assert document["difference_usd"] == pytest.approx(0.1)
    assert document["within_range"] is True


def test_waste_bounds_and_surprises_are_named() -> None:
    # Given a stage nobody foresaw, wasted verdicts, and a training that was stopped
    entries = [
        entry("PromoteStudent", 0.01, calls=5),
        entry("EvaluateStudent", 3.0, calls=12, wasted_calls=2, wasted_usd=0.5),
        entry("LaunchDistillation", 4.0, kind="at most"),
    ]

    # When
    bills = {bill.stage: bill.to_document() for bill in reconcile([line("EvaluateStudent", 2.0)], entries)}

    # Then
    assert (bills["EvaluateStudent"]["wasted_calls"], bills["EvaluateStudent"]["wasted_usd"]) == (2, 0.5)
    assert bills["EvaluateStudent"]["within_range"] is False
    assert bills["LaunchDistillation"]["at_most_usd"] == 4.0
    assert bills["PromoteStudent"]["difference_usd"] is None
