"""The first fear: a student that is quietly worse. It must be refused, and nothing of it may go on billing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.account import Account

pytestmark = pytest.mark.end_to_end


def thorough(name: str, *given: object) -> Any:
    """Give the parameters of a student that ``make thorough`` alone trains."""
    return pytest.param(*given, id=name, marks=pytest.mark.thorough)


@pytest.mark.parametrize(
    ("fault", "options", "rule"),
    [
        pytest.param("label_noise", {"fraction": 0.2}, "min_judge_score", id="a fifth of the labels wrong"),
        # Whether the rules that these break reject a student `make test` sees by the other examples (decision 0180).
        thorough("permuted labels", "permuted_labels", {}, "max_quality_drop"),
        thorough("one category only", "one_category_only", {}, "max_quality_drop"),
        thorough("100 records", "keep_records", {"records": 100}, "max_quality_drop"),
        thorough("one slice removed", "remove_category", {"category": "metadata"}, "slices.intent=metadata"),
    ],
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
