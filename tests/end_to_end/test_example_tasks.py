"""The other examples end to end: promoted with good data, refused by name of what is wrong with the student."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.account import Account, small_example

pytestmark = pytest.mark.end_to_end

TRIAGE, SUMMARY = "ticket-triage", "ticket-summary"


@pytest.mark.parametrize(
    ("fault", "options", "tasks", "reason"),
    [
        pytest.param(None, {}, (TRIAGE, SUMMARY), None, id="good data"),
        pytest.param("permuted_labels", {}, (TRIAGE, SUMMARY), "max_quality_drop", id="permuted labels"),
        pytest.param("remove_category", {"category": "safety"}, (TRIAGE,), "slices.queue=safety", id="a lost class"),
    ],
)
def test_an_example_is_promoted_by_what_its_student_learned(
    account: Account, fault: str | None, options: dict[str, Any], tasks: tuple[str, ...], reason: str | None
) -> None:
    # Given
    if fault:
        account.simulator.order(fault, **options)

    # When each is submitted, side by side
    uploads = [small_example(account, task, f"{task}-{(fault or 'good').replace('_', '-')}") for task in tasks]
    runs = [account.ended(upload.run_id, seconds=240) for upload in uploads]

    # Then
    for run in runs:
        report = account.report(run)
        failed = [line for line in report["gate"] if not line["passed"]]
        if reason is None:
            assert run.outcome == "PROMOTED", run.reason
            assert not failed
        else:
            assert run.outcome == "REJECTED", run.reason
            assert reason in str(run.reason)
            assert reason in {line["rule"] for line in failed}
