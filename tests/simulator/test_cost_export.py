"""The bill as AWS exports it: every dollar of the billing record, in its columns, with its delays and gaps."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest

from local.bedrock_simulator.cost_export import COLUMNS
from local.bedrock_simulator.protocol.service import Request
from tests.simulator.conftest import Account


def exported(account: Account, **how: str) -> list[dict[str, str]]:
    query = "&".join(f"{name}={value}" for name, value in how.items())
    request = Request("GET", "/_simulator/cost-export", query, {}, b"")
    answer = account.simulator.handle(request)
    assert answer.status == 200, answer.body
    document = json.loads(answer.body)
    assert document["simulated"] is True
    return list(csv.DictReader(io.StringIO(document["csv"])))


def month(account: Account) -> str:
    return f"{account.clock.now():%Y-%m}"


def cost(rows: list[dict[str, str]]) -> Decimal:
    return sum((Decimal(row["line_item_unblended_cost"]) for row in rows), Decimal())


def test_a_month_that_is_not_named_is_refused(account: Account) -> None:
    assert account.simulator.handle(Request("GET", "/_simulator/cost-export", "", {}, b"")).status == 400


def test_every_dollar_is_in_it_at_its_rate(account: Account) -> None:
    # Given calls and a training
    account.ask("us.amazon.nova-pro-v1:0", "drone over a beach")
    account.ask("us.amazon.nova-pro-v1:0", "a goal")
    # When
    rows = exported(account, month=month(account))
    # Then
    usd = sum(charge.usd or 0.0 for charge in account.control.billing())
    assert list(rows[0]) == list(COLUMNS)
    assert float(cost(rows)) == pytest.approx(usd)
    assert {row["line_item_usage_type"] for row in rows} == {"USE1-NovaPro-input-tokens", "USE1-NovaPro-output-tokens"}
    for row in rows:
        assert Decimal(row["line_item_unblended_cost"]) == Decimal(row["line_item_usage_amount"]) * Decimal(
            row["line_item_unblended_rate"]
        )
    assert len({row["identity_line_item_id"] for row in rows}) == len(rows)


def test_another_month_has_none_of_it(account: Account) -> None:
    account.ask("us.amazon.nova-pro-v1:0", "drone over a beach")
    assert exported(account, month="2020-01") == []


def test_what_is_late_is_not_in_it_and_what_is_beside_usage_is(account: Account) -> None:
    # Given
    account.ask("us.amazon.nova-pro-v1:0", "drone over a beach")
    # When / Then
    assert exported(account, month=month(account), delay_hours="5") == []
    rows = exported(
        account, month=month(account), tax_share="0.1", credit_usd="2", discount_share="0.25", closed="true"
    )
    by_type = {row["line_item_line_item_type"]: row for row in rows}
    usage = [row for row in rows if row["line_item_line_item_type"] == "Usage"]
    assert set(by_type) == {"Usage", "Tax", "Credit"}
    assert Decimal(by_type["Credit"]["line_item_unblended_cost"]) == -2
    assert float(Decimal(by_type["Tax"]["line_item_unblended_cost"])) == pytest.approx(float(cost(usage)) * 0.1)
    for row in usage:
        assert float(row["line_item_unblended_rate"]) == pytest.approx(
            0.75 * float(row["pricing_public_on_demand_rate"])
        )
    assert all(row["bill_invoice_id"] for row in rows)
