"""What people stated with the approval stands in the report."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from lambdas.domain.prices.price_book import HOURS_A_MONTH
from lambdas.domain.run_facts import Approval
from lambdas.domain.serving.break_even import advice, with_stated_price
from lambdas.workflow.report import gather
from tests.unit.support.workshop import Workshop

UNKNOWN = {
    "mode": "provisioned_throughput",
    "expected_requests_per_month": 1_000,
    "usd_per_month": {
        "teacher": 9.0,
        "baseline": 3.0,
        "student_on_demand": 0.1,
        "student_provisioned_throughput": None,
    },
    "units_for_volume": 2,
    "unit_requests_per_month": None,
    "provisioned_throughput_usd_per_hour": None,
    "requests_per_month_at_break_even": None,
    "price_simulated": False,
    "price_stated": False,
}


PRICED = {"provisioned_throughput_usd_per_hour": 2.0, "requests_per_month_at_break_even": 1_460.0}


def report(workshop: Workshop, approval: Approval | None, **known: float) -> dict[str, Any]:
    run = workshop.run()
    workshop.bucket.write_json(run.files.task_definition, {"serving": {"model_units": 2}})
    per_1k = 1_000.0 if known else 0.1
    student = {"role": "student", "usd_per_1k_requests": per_1k, "tokens": {"input_mean": 700.0, "output_mean": 60.0}}
    evaluation = {"contestants": [student], "break_even": UNKNOWN | known}
    workshop.bucket.write_json(run.files.evaluation(1, "evaluation.json"), evaluation)
    workshop.pipeline.registry.record_facts(run.run_id, endpoint_arn="arn")
    if approval:
        workshop.pipeline.registry.record_facts(run.run_id, approval=approval)
    return dict(gather(workshop.stage("PublishReport", run), outcome="PROMOTED", reason=None))


@pytest.mark.parametrize("approval", [None, {"answer": "approved", "usd_per_unit_hour": None}])
def test_without_a_stated_price_the_break_even_stays_unknown(workshop: Workshop, approval: Approval | None) -> None:
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


@pytest.mark.parametrize(("capacity", "border"), [(None, 4e7), (1e9, 4e7), (1e7, None)])
def test_a_stated_price_of_a_unit_that_serves_too_little_never_pays(
    capacity: float | None, border: float | None
) -> None:
    # Given two units for a student that costs $0.0001 a request
    known = UNKNOWN | {"unit_requests_per_month": capacity}
    # When
    money = with_stated_price(known, 2_000 / HOURS_A_MONTH, 2, 0.1)
    # Then
    assert money["requests_per_month_at_break_even"] == (None if border is None else pytest.approx(border))
    assert ("never costs less" in advice(money)) == (border is None)


def test_a_stated_price_counts_the_units_that_the_volume_needs() -> None:
    # Given a volume for three units, and a task that buys two
    known = UNKNOWN | {"units_for_volume": 3, "unit_requests_per_month": 400.0}
    # When
    money = with_stated_price(known, 5.0, 2, 0.1)
    # Then an hour is what is bought, a month what serves the volume
    assert money["provisioned_throughput_usd_per_hour"] == 10.0
    assert money["usd_per_month"]["student_provisioned_throughput"] == pytest.approx(15.0 * HOURS_A_MONTH)


@pytest.mark.parametrize(
    ("task", "evaluation", "outcome", "told"),
    [
        ({}, {"decision": "PROMOTE"}, None, True),
        ({"approval": "automatic"}, {"decision": "PROMOTE"}, None, False),
        (
            {"approval": "automatic"},
            {"decision": "PROMOTE", "explicit_reasons": [{"name": "dear", "sentence": "It does not pay"}]},
            None,
            True,
        ),
        ({}, {"decision": "REJECT"}, None, False),
        ({}, {"decision": "PROMOTE"}, "PROMOTED", False),
    ],
)
def test_until_when_an_answer_counts_is_told_where_a_person_is_asked(
    workshop: Workshop, task: dict[str, Any], evaluation: dict[str, Any], outcome: str | None, told: bool
) -> None:
    # Given
    run = workshop.run()
    workshop.bucket.write_json(run.files.task_definition, task)
    workshop.bucket.write_json(run.files.evaluation(1, "evaluation.json"), evaluation)
    stage = workshop.stage("ScoreEvaluation", run)
    # When
    until = gather(stage, outcome=outcome, reason=None)["answer_until"]
    # Then
    assert (until is not None) is told
    if until is not None:
        left = datetime.fromisoformat(until) - datetime.fromisoformat(stage.now())
        hours = stage.pipeline.environment.settings.approval_expiry_hours
        assert abs(left - timedelta(hours=hours)) < timedelta(minutes=1)


def test_a_run_that_failed_before_its_task_was_kept_has_its_report(workshop: Workshop) -> None:
    run = workshop.run()
    made = gather(workshop.stage("PublishReport", run), outcome="FAILED", reason="no log source")
    assert made["answer_until"] is None
