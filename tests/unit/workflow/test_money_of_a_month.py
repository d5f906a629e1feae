"""Each line is in the month in which it was paid, and each day's saving is that of the champion of the day."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.domain.focus.charges import Charge, charges_of_line
from lambdas.domain.focus.savings import savings
from lambdas.domain.focus.serving import SERVING
from lambdas.workflow.money.baselines import BaselineReader
from lambdas.workflow.money.ledger_charges import lines_of_month, run_charges
from tests.unit.support.workshop import Workshop

AT = {
    "before midnight": "2026-10-31T23:59:59.999Z",
    "at midnight": "2026-11-01T00:00:00.000Z",
    "of a leap year": "2028-02-29T23:59:59.999Z",
    "after it": "2028-03-01T00:00:00.000Z",
}


def line(name: str, at: str) -> LedgerEntry:
    return LedgerEntry(id=name, stage="EvaluateStudent", model="m", kind="actual", usage={}, usd=0.25, at=at)


def test_each_line_is_in_one_month_alone(workshop: Workshop) -> None:
    # Given
    registry, run = workshop.pipeline.registry, workshop.run()
    for name, at in AT.items():
        registry.record_cost(run.run_id, line(name, at))
    # When
    found = {month: [entry.id for _, entry in lines_of_month(registry, month)] for month in months()}
    # Then
    assert found == {
        "2026-10": ["before midnight"],
        "2026-11": ["at midnight"],
        "2028-02": ["of a leap year"],
        "2028-03": ["after it"],
    }
    together = [charge for month in months() for charge in run_charges(lines_of_month(registry, month))]
    assert sum(charge.usd for charge in together) == Decimal("0.25") * len(AT)
    assert all(charge.month in found for charge in together)


def months() -> list[str]:
    return ["2026-10", "2026-11", "2028-02", "2028-03"]


@given(day=st.dates(date(2024, 1, 1), date(2032, 12, 31)), second=st.integers(0, 86_399))
def test_a_lines_day_is_that_of_its_time_in_utc(day: date, second: int) -> None:
    at = f"{day}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000Z"
    (charge,) = charges_of_line("t", "t-1", line("a", at), "2020-01-01T00:00:00Z")
    assert (charge.day, charge.month) == (day, f"{day:%Y-%m}")


def measured_run(workshop: Workshop, version: str, usd_per_1k: float) -> str:
    """Give a run whose report says what the baseline cost."""
    run = workshop.run(version)
    workshop.pipeline.registry.record_report(run.run_id, f"{run.run_id}/report.html", "ab")
    found = {"role": "baseline", "model_id": "haiku", "records": 200, "usd_per_1k_requests": usd_per_1k}
    report = {"schema_version": 1, "contestants": [found]}
    workshop.bucket.write(f"{run.run_id}/report.json", json.dumps(report).encode())
    return run.run_id


def october_and_november(workshop: Workshop, served_by: str = "") -> list[str]:
    """Name the runs whose baselines the savings of October 5 and November 20 rest on."""
    days = (date(2026, 10, 5), date(2026, 11, 20))
    charges = [
        Charge(day=day, task="video", run_id=served_by, stage=SERVING, model="m", part=None, usd=Decimal(1),
               evidence="actual", line_id=str(day))
        for day in days if served_by
    ]  # fmt: skip
    pipeline = workshop.pipeline
    baselines = BaselineReader(pipeline.registry, pipeline.tasks, workshop.bucket, charges)
    found = savings({("video", day): 1_000 for day in days}, baselines.of_day, charges)
    return [one.baseline.run_id for one in found]


def test_a_later_promotion_changes_no_saving_of_an_earlier_month(workshop: Workshop) -> None:
    # Given a champion of September, on whose throughput another follows in November
    first, second = measured_run(workshop, "1", 0.5), measured_run(workshop, "2", 0.2)
    workshop.time = datetime(2026, 9, 1, tzinfo=UTC)
    workshop.crown(first, "model-1", "endpoint-1")
    before = october_and_november(workshop, first)
    # When
    workshop.time = datetime(2026, 11, 10, tzinfo=UTC)
    workshop.crown(second, "model-2", "endpoint-2")
    # Then
    assert before == [first, first]
    assert october_and_november(workshop, first) == [first, second]


def test_where_no_history_says_who_served_what_was_charged_does(workshop: Workshop) -> None:
    # Given a registry that was built anew in November
    first, second = measured_run(workshop, "1", 0.5), measured_run(workshop, "2", 0.2)
    workshop.time = datetime(2026, 11, 10, tzinfo=UTC)
    workshop.crown(second, "model-2", "endpoint-2")
    # Then
    assert october_and_november(workshop, first) == [first, second]
    assert october_and_november(workshop) == [second, second]


def test_without_the_report_of_a_days_champion_the_one_before_it_says_what_the_baseline_cost(
    workshop: Workshop,
) -> None:
    # Given
    first, second = measured_run(workshop, "1", 0.5), measured_run(workshop, "2", 0.2)
    for month, run_id in ((9, first), (11, second)):
        workshop.time = datetime(2026, month, 1, tzinfo=UTC)
        workshop.crown(run_id, f"model-{month}", f"endpoint-{month}")
    # When its report has expired
    workshop.bucket.delete_all(f"{second}/")
    # Then
    assert october_and_november(workshop) == [first, first]
