"""What the runs of a month may cost is reserved once, released with what was not spent, and never lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from lambdas.domain.errors import MonthlyLimitExceeded, RetryLater
from lambdas.gateways.registry.monthly_budget import MonthlyBudget
from lambdas.gateways.registry.table import ConditionFailed, Table
from tests.unit.gateways.registry.embedded_table import dynamodb, table

__all__ = ["dynamodb", "table"]

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 3, tzinfo=UTC)


@pytest.fixture
def months(table: Table) -> MonthlyBudget:
    return MonthlyBudget(table)


def usd(months: MonthlyBudget, now: datetime = NOW) -> float:
    return months.month(now).usd


def test_a_run_that_could_exceed_the_month_is_refused_with_the_figures(months: MonthlyBudget) -> None:
    # Given
    months.reserve("a-1", 1, 60.0, 100.0, NOW)
    # When
    with pytest.raises(MonthlyLimitExceeded) as refused:
        months.reserve("b-1", 1, 40.5, 100.0, NOW)
    # Then nothing was reserved, and the message says what is missing and when to come again
    assert "$60.00 of 2026-11 (UTC); this one may come to $40.50, and 'max_monthly_usd' is 100.00" in str(refused.value)
    assert "from 2026-12-01 on" in str(refused.value)
    assert usd(months) == 60.0
    assert months.month(NOW).unsettled == {"a-1"}


def test_a_lambda_that_is_tried_again_reserves_once(months: MonthlyBudget) -> None:
    for _ in range(3):
        months.reserve("a-1", 1, 60.0, 100.0, NOW)
    assert usd(months) == 60.0


def test_the_next_model_of_a_list_is_reserved_in_place_of_the_first(months: MonthlyBudget) -> None:
    months.reserve("a-1", 1, 60.0, 100.0, NOW)
    months.reserve("a-1", 1, 90.0, 100.0, NOW)
    assert usd(months) == 90.0
    months.reserve("a-1", 1, 20.0, 100.0, NOW)
    assert usd(months) == 20.0


def test_what_was_not_spent_is_released_once_and_what_was_spent_stays(months: MonthlyBudget) -> None:
    # Given
    months.reserve("a-1", 1, 60.0, 100.0, NOW)
    # When it ended, and both the event and the schedule look after it
    for _ in range(2):
        months.settle("a-1", 1, 12.5, NOW)
    # Then
    assert usd(months) == 12.5
    assert months.month(NOW).unsettled == frozenset()
    # When a line of a stopped job comes later
    months.settle("a-1", 1, 13.5, NOW)
    # Then it counts too
    assert usd(months) == 13.5


def test_what_cost_more_than_it_reserved_counts_as_what_it_cost(months: MonthlyBudget) -> None:
    months.reserve("a-1", 1, 90.0, 100.0, NOW)
    months.settle("a-1", 1, 130.0, NOW)
    assert usd(months) == 130.0
    with pytest.raises(MonthlyLimitExceeded):
        months.reserve("b-1", 1, 0.01, 100.0, NOW)


def test_a_retry_reserves_what_is_missing_and_not_what_its_first_attempt_paid(months: MonthlyBudget) -> None:
    # Given
    months.reserve("a-1", 1, 60.0, 100.0, NOW)
    months.settle("a-1", 1, 40.0, NOW)
    # When the second attempt may cost 25 more
    months.reserve("a-1", 2, 40.0 + 25.0, 100.0, NOW)
    # Then
    assert usd(months) == 65.0
    # When the schedule comes late to the end of the first one
    months.settle("a-1", 1, 40.0, NOW)
    # Then the reservation of the second stays
    assert usd(months) == 65.0
    assert months.month(NOW).unsettled == {"a-1"}


def test_months_begin_in_utc_and_each_has_what_was_paid_in_it(months: MonthlyBudget) -> None:
    # Given a run on the last evening of November in America, which is December in UTC
    evening = datetime(2026, 11, 30, 20, 0, tzinfo=timezone(-timedelta(hours=8)))
    months.reserve("b-1", 1, 5.0, 100.0, evening)
    # And one whose first attempt paid in November and whose second one pays in December
    months.reserve("a-1", 1, 60.0, 100.0, NOW)
    months.settle("a-1", 1, 40.0, NOW)
    months.reserve("a-1", 2, 40.0 + 25.0, 100.0, DECEMBER)
    # Then
    assert (usd(months), usd(months, DECEMBER)) == (40.0, 30.0)
    # When it ends
    months.settle("a-1", 2, 52.0, DECEMBER)
    # Then
    assert (usd(months), usd(months, DECEMBER)) == (40.0, 17.0)


def test_a_reservation_of_a_month_that_nobody_settled_is_found_in_the_next(months: MonthlyBudget) -> None:
    # Given an attempt that reserved in November and of which nobody saw the end
    months.reserve("a-1", 1, 60.0, 100.0, NOW)
    # When
    found = list(months.unsettled(DECEMBER))
    months.settle("a-1", 1, 3.0, DECEMBER)
    # Then it counts where it was reserved
    assert found == [("2026-11", "a-1")]
    assert list(months.unsettled(DECEMBER)) == []
    assert (usd(months), usd(months, DECEMBER)) == (3.0, 0.0)


def test_a_run_that_reserved_nothing_counts_with_what_it_cost(months: MonthlyBudget) -> None:
    months.settle("of-an-earlier-version", 1, 7.0, NOW)
    months.settle("refused-before", 1, 0.0, NOW)
    assert usd(months) == 7.0


def test_a_forgotten_run_keeps_its_dollars_and_is_looked_for_no_more(months: MonthlyBudget) -> None:
    months.reserve("a-1", 1, 60.0, 100.0, NOW)
    months.leave("2026-11", "a-1")
    assert usd(months) == 60.0
    assert list(months.unsettled(NOW)) == []


def test_runs_that_reserve_at_once_never_exceed_the_month(months: MonthlyBudget) -> None:
    # Given twelve runs of 10 dollars each, and 60 dollars
    def reserve(number: int) -> bool:
        for _ in range(20):
            try:
                months.reserve(f"run-{number}", 1, 10.0, 60.0, NOW)
            except MonthlyLimitExceeded:
                return False
            except RetryLater:
                continue
            return True
        raise AssertionError("it never comes to its turn")

    # When
    with ThreadPoolExecutor(6) as executor:
        had = list(executor.map(reserve, range(12)))
    # Then
    assert sum(had) == 6
    assert usd(months) == 60.0


def test_others_that_write_all_the_time_are_waited_for_and_nothing_is_half_written(
    months: MonthlyBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    def never(*_requests: object) -> None:
        raise ConditionFailed

    monkeypatch.setattr(months._table, "update_together", never)
    # When / Then
    with pytest.raises(RetryLater):
        months.reserve("a-1", 1, 1.0, 100.0, NOW)
    with pytest.raises(RetryLater):
        months.settle("a-1", 1, 1.0, NOW)
    assert usd(months) == 0.0
