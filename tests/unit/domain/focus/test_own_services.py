"""What the pipeline's own services cost: a row for each service, usage and day, at the book's price, and none twice."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.costs.at_rest import AT_REST
from lambdas.domain.focus.own_services import MeasuredDay, OwnResources, own_charges
from lambdas.domain.prices.price_book import PriceBook

PRICES = PriceBook.shipped()
PREFIX = "distillation-dev-pipeline-"
STAGE, SCHEDULE = f"{PREFIX}EvaluateStudent7A1B-x", f"{PREFIX}ReconcileRuns1C-y"
NEXT_YEAR = datetime(2027, 6, 1, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def own(since: datetime | None = LONG_AGO, zones: int = 0) -> OwnResources:
    return OwnResources(
        functions={STAGE: 1024, SCHEDULE: 512}, prefix=PREFIX, since=since, endpoint_zones=zones,
    )  # fmt: skip


def quantities(
    month: str, measured: dict[date, MeasuredDay], of: OwnResources, now: datetime = NEXT_YEAR
) -> Counter[str]:
    charges, _ = own_charges(month, measured, of, PRICES, now)
    found: Counter[str] = Counter()
    for charge in charges:
        assert charge.part is not None
        found[f"{charge.model}.{charge.part.usage}"] += charge.part.quantity  # type: ignore[assignment]
    return found


def test_what_has_no_price_is_named_once_and_never_a_zero() -> None:
    day = MeasuredDay(calls={STAGE: 3}, milliseconds={STAGE: 100})
    charges, unpriced = own_charges("2026-11", {date(2026, 11, 2): day}, own(), PriceBook({}), NEXT_YEAR)
    assert charges == []
    assert len(unpriced) == len(set(unpriced)) >= 8
    assert "AWS Lambda: the price book has no price for 'request' in us-east-1" in unpriced


def test_an_environment_that_is_not_there_costs_nothing() -> None:
    assert own_charges("2026-11", {}, own(since=None), PRICES, NEXT_YEAR) == ([], [])
    assert own_charges("2026-11", {}, own(since=datetime(2026, 12, 1, tzinfo=UTC)), PRICES, NEXT_YEAR) == ([], [])
    assert own_charges("2026-11", {}, own(), PRICES, datetime(2026, 11, 1, tzinfo=UTC)) == ([], [])


@pytest.mark.parametrize(("month", "days"), [("2026-11", 30), ("2028-02", 29), ("2027-02", 28), ("2026-12", 31)])
def test_a_whole_month_costs_each_monthly_price_once(month: str, days: int) -> None:
    charges, _ = own_charges(month, {}, own(), PRICES, datetime(2029, 1, 1, tzinfo=UTC))
    assert len({charge.day for charge in charges}) == days
    for (service, usage), count in AT_REST.items():
        usd = sum(one.usd for one in charges if (one.model, one.part and one.part.usage) == (service, usage))
        assert float(usd) == pytest.approx(count * PRICES.line(service, usage).usd, rel=1e-7)


@given(begins_h=st.floats(0, 700), lasts_h=st.floats(0.1, 700))
def test_what_exists_is_charged_for_its_hours_alone(begins_h: float, lasts_h: float) -> None:
    since = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=begins_h)
    now = since + timedelta(hours=lasts_h)
    within = min(begins_h + lasts_h, 720.0) - min(begins_h, 720.0)
    found = quantities("2026-11", {}, own(since, zones=18), now)
    assert found["AWS PrivateLink.endpoint"] == pytest.approx(18 * within, abs=1e-6)
    assert found["AWS KMS.key"] == pytest.approx(within / 720, abs=1e-7)


def test_lambdas_are_charged_by_what_was_measured_and_bring_what_is_estimated() -> None:
    # Given ten calls of a stage in two hours, and 288 of the schedule
    day = MeasuredDay(
        calls={STAGE: 10, SCHEDULE: 288}, milliseconds={STAGE: 60_000, SCHEDULE: 144_000}, busy_hours={3, 4},
        read_units=500, write_units=100, stored_bytes=30 * 2**30, log_bytes=2**29,
    )  # fmt: skip
    # When
    found = quantities("2026-11", {date(2026, 11, 2): day}, own())
    # Then
    assert found["AWS Lambda.request"] == 298
    assert found["AWS Lambda.gb_second"] == 60 + 72
    assert (found["Amazon DynamoDB.read_unit"], found["Amazon DynamoDB.write_unit"]) == (500, 100)
    assert found["Amazon S3.stored"] == pytest.approx(1)  # 30 GB on one day of thirty
    assert found["Amazon CloudWatch.log"] == 0.5
    assert found["AWS Step Functions.transition"] == 30  # the schedule is none of the machine's
    assert found["Amazon S3.get"] == 10 * 5 + 288
    assert found["AWS KMS.request"] == 10 * 3 + 288
    assert found["Amazon CloudWatch.metric"] == pytest.approx(3 + 6 * 2 / 720)


def test_each_row_is_its_quantity_at_its_price_and_there_once() -> None:
    days = {date(2026, 11, day): MeasuredDay(calls={STAGE: 1 / 3}, milliseconds={STAGE: 1 / 7}) for day in range(1, 31)}
    charges, _ = own_charges("2026-11", days, own(), PRICES, NEXT_YEAR)
    assert len({charge.line_id for charge in charges}) == len(charges)
    for charge in charges:
        assert charge.part is not None
        assert charge.usd == charge.part.units * Decimal(str(charge.part.usd_per_unit))
        assert charge.evidence in ("actual", "derived", "estimated")
        assert (charge.task, charge.run_id) == ("", "")
