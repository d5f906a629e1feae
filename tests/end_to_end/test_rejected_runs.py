"""The first fear: a student that is quietly worse. It must be refused, and nothing of it may go on billing."""

from __future__ import annotations

import pytest

from tests.end_to_end.account import Account

pytestmark = pytest.mark.end_to_end


@pytest.mark.parametrize(
    ("fault", "options"),
    [("permuted_labels", {}), ("one_category_only", {}), ("keep_records", {"records": 100})],
    ids=["permuted labels", "one category only", "100 records"],
)
def test_a_badly_trained_student_is_rejected(account: Account, fault: str, options: dict[str, int]) -> None:
    # Given
    account.simulator.order(fault, **options)
    # When
    upload = account.example(f"bad-{fault.replace('_', '-')[:12]}")
    run = account.ended(upload.run_id)
    # Then
    assert run.outcome == "REJECTED", run.reason
    report = account.report(run)
    failed = [line for line in report["gate"] if not line["passed"]]
    assert failed
    assert all(isinstance(line["measured"], float) for line in failed)
    assert failed[0]["rule"] in str(run.reason)
    resources = account.resources().of_run(run.run_id)
    assert {item.state for item in resources} == {"RELEASED"}
    made = {item.arn for item in resources}
    held = account.simulator.resources()
    assert not made & {thing["arn"] for thing in [*held.throughputs, *held.deployments, *held.models]}
