"""The services around Bedrock on the bill: ours by the tag, explained by what shows it, and errors named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from lambdas.domain.bill.cost_lines import read_cost_lines
from lambdas.domain.bill.reconciliation import (
    CLOCKS,
    DELAY,
    ESTIMATED,
    FLAW,
    FREE,
    MATCHED,
    NOT_COUNTED,
    NOT_TAGGED,
    OURS_ONLY,
    PRICE,
    QUANTITY,
    THEIRS_ONLY,
    UNEXPLAINED,
    MonthComparison,
    reconcile_month,
)
from lambdas.domain.bill.service_lines import COUNTED, meaning_of_service
from lambdas.domain.focus.charges import Charge
from lambdas.domain.focus.own_services import MeasuredDay, OwnResources, own_charges
from lambdas.domain.prices.price_book import PriceBook, singles_of

Row = dict[str, str]
TYPES = {
    (service, usage): (product, kind)
    for product, (service, usages) in COUNTED.items()
    for kind, usage in usages.items()
}
STAGE = "distillation-dev-pipeline-EvaluateStudent1"


def charges() -> list[Charge]:
    day = MeasuredDay(
        calls={STAGE: 40}, milliseconds={STAGE: 90_000}, busy_hours={1, 2}, read_units=900, write_units=70,
        stored_bytes=2**33, log_bytes=2**27,
    )  # fmt: skip
    own = OwnResources(
        functions={STAGE: 1024}, prefix="distillation-dev-pipeline-", since=datetime(2026, 10, 1, tzinfo=UTC),
        endpoint_zones=18,
    )  # fmt: skip
    days = {date(2026, 11, number): day for number in range(1, 31)}
    found, unpriced = own_charges("2026-11", days, own, PriceBook.shipped(), datetime(2026, 12, 3, tzinfo=UTC))
    assert unpriced == []
    return found


CHARGES = charges()


def bill(environment: str = "dev") -> list[Row]:
    return [row(number, charge, environment) for number, charge in enumerate(CHARGES)]


def row(number: int, charge: Charge, environment: str) -> Row:
    assert charge.part is not None
    product, usage_type = TYPES[charge.model, charge.part.usage]
    amount = Decimal(str(charge.part.quantity))
    rate = Decimal(str(charge.part.usd_per_unit)) / singles_of(charge.part.usage)
    return {
        "identity_line_item_id": f"id{number}",
        "bill_billing_period_start_date": "2026-11-01T00:00:00.000Z",
        "line_item_line_item_type": "Usage",
        "line_item_usage_start_date": f"{charge.day}T23:00:00.000Z",
        "line_item_usage_end_date": f"{charge.day + timedelta(days=1)}T00:00:00.000Z",
        "line_item_product_code": product,
        "line_item_usage_type": f"USW2-{usage_type}",
        "line_item_usage_amount": f"{amount:f}",
        "line_item_unblended_cost": f"{amount * rate:f}",
        "line_item_currency_code": "USD",
        "resource_tags": f'{{"user_distillation_environment": "{environment}"}}' if environment else "{}",
    }


def compared(rows: list[Row]) -> MonthComparison:
    lines = read_cost_lines(rows, "2026-11")
    return reconcile_month(CHARGES, lines, environment="dev", principals="distillation-dev-pipeline-")


def why(found: MonthComparison, service: str, usage: str) -> set[str]:
    return {one.why or one.status for one in found.findings if (one.model, one.usage) == (service, usage)}


def times(rows: list[Row], usage_type: str, factor: str, *, amount: bool = True) -> list[Row]:
    for one in rows:
        if one["line_item_usage_type"].endswith(usage_type):
            names = ("line_item_usage_amount",) * amount + ("line_item_unblended_cost",)
            one.update({name: f"{Decimal(one[name]) * Decimal(factor):f}" for name in names})
    return rows


def test_the_same_bill_matches_whole() -> None:
    found = compared(bill())
    assert {one.status for one in found.findings} == {MATCHED}
    assert found.usd(MATCHED) == pytest.approx(sum(one.usd for one in CHARGES))


@pytest.mark.parametrize(
    ("usage_type", "factor", "service", "usage", "said"),
    [
        ("StateTransition", "2.5", "AWS Step Functions", "transition", ESTIMATED),
        ("StateTransition", "9", "AWS Step Functions", "transition", QUANTITY),
        ("Lambda-GB-Second-ARM", "1.2", "AWS Lambda", "gb_second", ESTIMATED),
        ("Lambda-GB-Second-ARM", "2.5", "AWS Lambda", "gb_second", QUANTITY),
        ("AlarmMonitorUsage", "3", "Amazon CloudWatch", "alarm", QUANTITY),
        ("KMS-Keys", "2", "AWS KMS", "key", QUANTITY),
        ("KMS-Keys", "0.9988", "AWS KMS", "key", MATCHED),
        ("VpcEndpoint-Hours", "1.5", "AWS PrivateLink", "endpoint", QUANTITY),
        ("Request-ARM", "1.05", "AWS Lambda", "request", QUANTITY),
        ("WriteRequestUnits", "40", "Amazon DynamoDB", "write_unit", QUANTITY),
    ],
)
def test_more_than_is_known_is_explained_as_far_as_it_is_estimated(
    usage_type: str, factor: str, service: str, usage: str, said: str
) -> None:
    assert why(compared(times(bill(), usage_type, factor)), service, usage) == {said}


@pytest.mark.parametrize("usage_type", ["StateTransition", "KMS-Keys", "ReadRequestUnits"])
def test_a_dearer_price_is_never_an_estimate(usage_type: str) -> None:
    found = compared(times(bill(), usage_type, "1.5", amount=False))
    assert {one.why for one in found.findings if one.status == UNEXPLAINED} == {PRICE}


def drop_a_service(rows: list[Row]) -> list[Row]:
    return [one for one in rows if "ReadRequestUnits" not in one["line_item_usage_type"]]


def unknown_type(rows: list[Row]) -> list[Row]:
    return [*rows, {**rows[0], "line_item_usage_type": "Lambda-Provisioned-GB-Second", "identity_line_item_id": "x"}]


def idle_endpoint_of_nobody(rows: list[Row]) -> list[Row]:
    return [one for one in rows if "VpcEndpoint" not in one["line_item_usage_type"]]


@pytest.mark.parametrize(
    ("corrupt", "said"),
    [(drop_a_service, OURS_ONLY), (unknown_type, FLAW), (idle_endpoint_of_nobody, OURS_ONLY)],
)
def test_what_is_on_one_side_alone_is_named(corrupt: Callable[[list[Row]], list[Row]], said: str) -> None:
    found = compared(corrupt(bill()))
    assert {one.why for one in found.findings if one.status == UNEXPLAINED} == {said}


def test_theirs_alone_is_named_too() -> None:
    lines = read_cost_lines(bill(), "2026-11")
    ours = [one for one in CHARGES if one.model != "AWS PrivateLink"]
    found = reconcile_month(ours, lines, environment="dev", principals="x")
    assert {one.why for one in found.findings if one.status == UNEXPLAINED} == {THEIRS_ONLY}


def test_a_bill_without_the_tag_says_what_to_activate() -> None:
    found = compared(bill(environment=""))
    assert {one.why for one in found.findings} == {NOT_TAGGED}
    assert "activate it for cost allocation" in found.findings[0].evidence


def test_another_environments_lines_are_none_of_ours() -> None:
    others = [{**one, "identity_line_item_id": f"o{number}"} for number, one in enumerate(bill("dev-eu"))]
    found = compared([*bill(), *others])
    assert [one for one in found.findings if one.status == UNEXPLAINED] == []


def test_what_is_free_is_explained_by_its_line() -> None:
    rows = times(bill(), "Request-ARM", "0", amount=False)
    for one in rows:
        one["line_item_line_item_description"] = "AWS Lambda - Requests Free Tier"
    found = compared(rows)
    assert why(found, "AWS Lambda", "request") == {FREE}
    assert any("Free Tier" in one.evidence for one in found.findings)


def test_what_no_row_has_is_named_and_what_is_late_is_delay() -> None:
    rows = [one for one in bill() if one["line_item_usage_start_date"] < "2026-11-20"]
    storage = {"line_item_usage_type": "TimedPITRStorage-ByteHrs", "line_item_product_code": "AmazonDynamoDB"}
    rows.append({**rows[0], **storage, "identity_line_item_id": "pitr"})
    found = compared(rows)
    assert [one for one in found.findings if one.status == UNEXPLAINED] == []
    assert {one.why for one in found.findings} == {"", DELAY, NOT_COUNTED}


def test_a_product_that_is_behind_the_others_is_late_by_its_own_lines() -> None:
    # Given an export that has the key for all days, and DynamoDB up to the nineteenth
    rows = [one for one in bill() if one["line_item_product_code"] != "AmazonDynamoDB"]
    rows += [
        one for one in bill()
        if one["line_item_product_code"] == "AmazonDynamoDB" and one["line_item_usage_start_date"] < "2026-11-20"
    ]  # fmt: skip
    # When
    found = compared(rows)
    # Then
    assert [one for one in found.findings if one.status == UNEXPLAINED] == []
    assert why(found, "Amazon DynamoDB", "read_unit") == {MATCHED, DELAY}
    assert why(found, "AWS KMS", "key") == {MATCHED}
    # But not where the bill has no line of it at all, and others go on
    without = [one for one in rows if one["line_item_product_code"] != "AmazonDynamoDB"]
    assert why(compared(without), "Amazon DynamoDB", "read_unit") == {OURS_ONLY}


def test_an_hour_on_either_side_is_the_clocks() -> None:
    # Given an environment of two days, whose key is billed from half an hour after the registry was made
    first = date(2026, 11, 2)
    ours = [one for one in CHARGES if one.day <= first and one.model == "AWS KMS"]
    rows = [row(number, one, "dev") for number, one in enumerate(ours)]
    # When
    lines = read_cost_lines(times(rows, "KMS-Keys", "0.98"), "2026-11")
    found = reconcile_month(ours, lines, environment="dev", principals="x")
    # Then
    assert why(found, "AWS KMS", "key") == {CLOCKS}


def test_a_usage_type_is_read_in_any_region_and_never_guessed() -> None:
    assert meaning_of_service("awskms", "eu-central-1-KMS-Keys") == ("AWS KMS", "key")
    assert meaning_of_service("AWSLambda", "APN1-Request-ARM") == ("AWS Lambda", "request")
    assert meaning_of_service("AmazonS3", "EU-TimedStorage-ByteHrs") == ("Amazon S3", "stored")
    assert meaning_of_service("AWSLambda", "Request-ARM-Edge") == ("AWS Lambda", "")
