"""What the logs see of the bill, by model and day, and what they do not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.bill.cost_lines import BillLine
from lambdas.domain.discovery.coverage import LoggedDay, cover, unread_places
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.task.log_request import LogSource

PRICES, PRO = PriceBook.shipped(), "us.amazon.nova-pro-v1:0"
DAY = date(2026, 11, 10)
SOURCES = [LogSource(bucket="the-logs", prefix="app", key=None)]
LOGGING = {"s3Config": {"bucketName": "the-logs", "keyPrefix": "app"}, "textDataDeliveryEnabled": True}


def logged(millions: int = 10, model: str = PRO, hours: str = "09 10", day: date = DAY) -> LoggedDay:
    row = {
        "day": f"{day}", "model": model, "calls": "5", "input_tokens": str(millions * 1_000_000),
        "cache_read_tokens": "0", "cache_write_tokens": "", "output_tokens": "0", "hours": hours,
    }  # fmt: skip
    return LoggedDay.from_row(row)


def billed(usd: str, hour: int = 10, day: date = DAY, **changes: Any) -> BillLine:
    about = {
        "number": 2, "line_id": "l", "kind": "Usage", "day": day,
        "ends": datetime(day.year, day.month, day.day, hour + 1, tzinfo=UTC),
        "usage_type": "USE1-NovaPro-input-tokens", "model": "amazon.nova-pro-v1:0", "usage": "input",
        "amount": Decimal(1), "cost": Decimal(usd), "rate": None, "public_rate": None, "currency": "USD",
        "resource": "", "principal": "", "environment": "", "run": "", "invoice": "", "month": f"{day:%Y-%m}",
    }  # fmt: skip
    return BillLine(**{**about, **changes})


@pytest.mark.parametrize(
    ("log", "bill", "status"),
    [
        ([], [billed("8")], "not logged"),
        ([logged(5)], [billed("8")], "partly"),
        ([logged()], [billed("8.1")], "seen"),
        ([logged()], [], "not billed"),
        ([logged(model="acme.unheard-of-v1:0")], [], "no price known"),
        ([logged(model="arn:aws:bedrock:us-east-1:1:application-inference-profile/x")], [], "no price known"),
    ],
)
def test_each_day_says_how_far_the_log_sees_the_bill(log: Any, bill: Any, status: str) -> None:
    assert [one.status for one in cover(log, bill, PRICES, {}).days] == [status]


def test_profiles_and_geographies_are_one_model_as_on_the_bill() -> None:
    # Given the same model, called by a profile of ours and by a geography's
    profile = "arn:aws:bedrock:us-east-1:1:application-inference-profile/x"
    log = [logged(5), logged(5, model=profile)]
    found = cover(log, [billed("8")], PRICES, {profile: PRO})
    assert [(one.log_usd, one.status) for one in found.days] == [(Decimal(8), "seen")]
    assert found.share == 1


def test_hours_and_days_without_a_line_are_named() -> None:
    lost = date(2026, 11, 11)
    bill = [billed("4", 9), billed("4", 10), billed("2", 17), billed("6", day=lost)]
    assert cover([logged()], bill, PRICES, {}).gaps == [
        "2026-11-10: no line of amazon.nova-pro-v1:0 in the hours 17:00 (UTC), which the bill has",
        "2026-11-11: no line of amazon.nova-pro-v1:0 in the log, $6.00 on the bill",
    ]
    # A bill by the day has no hours
    midnight = datetime(2026, 11, 11, tzinfo=UTC)
    assert cover([logged()], [billed("8", ends=midnight)], PRICES, {}).gaps == []


def test_a_day_that_no_discovery_has_read_is_not_said_to_lack_lines() -> None:
    # Given tokens of two models on the bill of a day that was never read, and of one that was read in part
    bill = [billed("4"), billed("2", model="amazon.nova-micro-v1:0"), billed("8", day=date(2026, 11, 11))]

    # When they are held against the log
    found = cover([logged(day=date(2026, 11, 11))], bill, PRICES, {}, {DAY, date(2026, 11, 11)})

    # Then the first is said once with its dollars, and what was read of the other counts as it is
    assert found.gaps == ["2026-11-10: not read yet, $6.00 on the bill: 'discover' reads it"]
    assert [one.status for one in found.days] == ["not read yet", "not read yet", "seen"]


@pytest.mark.parametrize(
    ("logging", "said"),
    [
        (None, "logging is off"),
        ({"cloudWatchConfig": {}}, "CloudWatch Logs alone"),
        ({"s3Config": {"bucketName": "other"}}, "s3://other, which is not in 'log_sources'"),
        ({**LOGGING, "textDataDeliveryEnabled": False}, "no texts"),
    ],
)
def test_a_log_that_is_not_read_is_named(logging: Any, said: str) -> None:
    assert said in " ".join(unread_places([], SOURCES, logging, "us-east-1"))


def test_a_region_that_is_not_read_is_named_with_its_dollars() -> None:
    bill = [billed("8"), billed("90", usage_type="EUC1-NovaPro-input-tokens"), billed("5", usage="training")]
    assert list(unread_places(bill, SOURCES, LOGGING, "us-east-1")) == [
        "Region EUC1: $90.00 of tokens on the bill, and discovery reads us-east-1 alone"
    ]
    assert list(unread_places([billed("8")], SOURCES, LOGGING, "us-east-1")) == []


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 50), st.integers(0, 5_000))))
def test_sums_are_those_of_the_lines_and_the_share_is_one(days: list[tuple[int, int, int]]) -> None:
    log = [logged(millions, day=date(2026, 11, day)) for day, millions, _ in days]
    bill = [billed(f"{cents / 100:.2f}", day=date(2026, 11, day)) for day, _, cents in days]
    found = cover(log, bill, PRICES, {})
    assert found.bill_usd == sum((line.cost for line in bill), Decimal())
    assert found.log_usd == sum(millions for _, millions, _ in days) * Decimal("0.8")
    assert found.share is None or 0 <= found.share <= 1
    assert len(found.to_document()["days"]) == len({day for day, _, _ in days})
