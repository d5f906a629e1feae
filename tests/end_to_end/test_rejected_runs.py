"""The first fear: a student that is quietly worse. It must be refused, and nothing of it may go on billing."""

from __future__ import annotations

import pytest

from tests.end_to_end.account import Account

pytestmark = pytest.mark.end_to_end


@pytest.mark.parametrize(
    ("fault", "options", "rule"),
    [
        ("permuted_labels", {}, "max_quality_drop"),
        ("one_category_only", {}, "max_quality_drop"),
        ("keep_records", {"records": 100}, "max_quality_drop"),
        ("label_noise", {"fraction": 0.2}, "min_judge_score"),
        ("remove_category", {"category": "metadata"}, "slices.intent=metadata"),
    ],
    ids=["permuted labels", "one category only", "100 records", "a fifth of the labels wrong", "one slice removed"],
)
def test_a_badly_trained_student_is_rejected_for_what_is_wrong_with_it(
    account: Account, fault: str, options: dict[str, float], rule: str
) -> None:
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
    assert rule in {line["rule"] for line in failed}
    assert rule in str(run.reason)
    assert report["decision"] == "REJECT"
    resources = account.resources().of_run(run.run_id)
    assert {item.state for item in resources} == {"RELEASED"}
    made = {item.arn for item in resources}
    held = account.simulator.resources()
    assert not made & {thing["arn"] for thing in [*held.throughputs, *held.deployments, *held.models]}
