"""What people stated with the approval stands in the report."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.break_even import with_stated_price
from lambdas.domain.prices import HOURS_A_MONTH
from lambdas.reporting import gather
from tests.unit.stages.workshop import Workshop

UNKNOWN = {
    "mode": "provisioned_throughput",
    "expected_requests_per_month": 1_000,
    "usd_per_month": {
        "teacher": 9.0,
        "baseline": 3.0,
        "student_on_demand": 0.1,
        "student_provisioned_throughput": None,
    },
    "provisioned_throughput_usd_per_hour": None,
    "requests_per_month_at_break_even": None,
    "price_simulated": False,
    "price_stated": False,
}


def report(workshop: Workshop, approval: dict[str, Any] | None) -> dict[str, Any]:
    run = workshop.run()
    workshop.bucket.write_json(run.files.task_definition, {"serving": {"model_units": 2}})
    student = {"role": "student", "usd_per_1k_requests": 0.1, "tokens": {"input_mean": 700.0, "output_mean": 60.0}}
    evaluation = {"contestants": [student], "break_even": UNKNOWN}
    workshop.bucket.write_json(run.files.evaluation(1, "evaluation.json"), evaluation)
    workshop.pipeline.registry.record_facts(
        run.run_id, endpoint_arn="arn", **({"approval": approval} if approval else {})
    )
    return gather(workshop.stage("PublishReport", run), outcome="PROMOTED", reason=None)


@pytest.mark.parametrize("approval", [None, {"answer": "approved", "usd_per_unit_hour": None}])
def test_without_a_stated_price_the_break_even_stays_unknown(
    workshop: Workshop, approval: dict[str, Any] | None
) -> None:
    # When
    made = report(workshop, approval)
    # Then
    money = made["break_even"]
    assert {key: money[key] for key in UNKNOWN} == UNKNOWN
    assert money["throughputs"] == []
    assert money["months_to_recover"] is None
    assert made["endpoint"]["usd_per_hour"] is None


def test_the_price_of_the_approval_reaches_break_even_and_endpoint(workshop: Workshop) -> None:
    # When two units at three dollars were approved
    made = report(workshop, {"answer": "approved", "usd_per_unit_hour": 3.0})
    # Then
    money = made["break_even"]
    assert made["endpoint"]["usd_per_hour"] == money["provisioned_throughput_usd_per_hour"] == 6.0
    assert money["usd_per_month"]["student_provisioned_throughput"] == 6.0 * HOURS_A_MONTH
    assert money["usd_per_month"]["teacher"] == 9.0
    assert money["requests_per_month_at_break_even"] == pytest.approx(6.0 * HOURS_A_MONTH / 0.0001)
    assert money["price_stated"] is True


def test_a_price_of_the_book_goes_before_a_stated_one() -> None:
    known = UNKNOWN | {"provisioned_throughput_usd_per_hour": 1.0}
    assert with_stated_price(known, 5.0, 1, 0.1) == known
