"""A run that goes on over midnight of a month's last day: each of its lines is in the month in which it was paid."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.domain.focus.charges import charges_of_line
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
