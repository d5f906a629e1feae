"""Which months are exported: the present one, and the one before while its lines may still come."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from lambdas.domain.focus.own_services import PIPELINE
from lambdas.domain.focus.serving import SERVING
from lambdas.domain.metrics import (
    MONTH_IDLE_USD,
    MONTH_RUNS_USD,
    MONTH_SAVED_USD,
    MONTH_SERVICES_USD,
    MONTH_SERVING_USD,
)
from lambdas.operations.export_costs.stage import measure_month, months_due
from lambdas.workflow.money.month import MonthlyMoney
from lambdas.workflow.money.serving_charges import ServedMonth
from tests.unit.domain.showback.test_sums import charge


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 11, 24, tzinfo=UTC), ["2026-10", "2026-11"]),
        (datetime(2026, 11, 5, 23, tzinfo=UTC), ["2026-10", "2026-11"]),
        (datetime(2028, 3, 31, 23, 59, tzinfo=UTC), ["2028-02", "2028-03"]),
        (datetime(2027, 1, 1, tzinfo=UTC), ["2026-12", "2027-01"]),
    ],
)
def test_a_month_is_exported_until_its_last_lines_have_come(now: datetime, due: list[str]) -> None:
    assert months_due(now) == due


def test_a_month_without_a_dollar_is_measured_as_that() -> None:
    nothing = MonthlyMoney(charges=[], served=ServedMonth(), savings=[])
    assert {one.value for one in measure_month(nothing)} == {0.0}


def test_what_is_measured_is_what_is_shown() -> None:
    idle = charge("a", SERVING, "4.5")
    own = charge("", PIPELINE, 3)
    month = MonthlyMoney(charges=[idle, charge("b", "CheckRun", 2), own], served=ServedMonth(idle=[idle]), savings=[])
    measured = {one.metric: Decimal(str(one.value)) for one in measure_month(month)}
    assert measured == {
        MONTH_RUNS_USD: 2, MONTH_SERVING_USD: Decimal("4.5"), MONTH_IDLE_USD: Decimal("4.5"), MONTH_SAVED_USD: 0,
        MONTH_SERVICES_USD: 3,
    }  # fmt: skip
