"""Lines of the bill as AWS writes them: in other units, rounded, of other accounts, and sold by the marketplace."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from lambdas.domain.bill.cost_lines import BillLine, flaws, read_cost_lines
from lambdas.domain.bill.marketplace_lines import SOLD_AS
from lambdas.domain.bill.reconciliation import FLAW, MATCHED, OTHERS, UNEXPLAINED, MonthComparison, reconcile_month
from lambdas.domain.focus.charges import Charge
from lambdas.domain.model_ids import is_profile
from lambdas.domain.prices.priced_parts import PricedPart
from tests.unit.domain.bill.export_rows import MONTH, Row, amount_of, charges, rows

DAYS = 20
HAIKU = "Claude Haiku 4.5 (Amazon Bedrock Edition)"
LISTING = "c4ysxdw8o5cv5szjb4c3yh0hm"


def compared(bill: list[Row], ours: list[Charge] | None = None, account: str = "") -> MonthComparison:
    lines = read_cost_lines(bill, MONTH, account=account)
    known = charges(DAYS) if ours is None else ours
    return reconcile_month(known, lines, environment="dev", principals="distillation-dev-")


def in_units(unit: str, tokens: int) -> list[Row]:
    """Give the same bill with amounts and rates of another unit."""
    bill = [{**one, "pricing_unit": unit} for one in rows(DAYS)]
    for one in bill:
        amount, rate = (Decimal(one[f"line_item_{name}"]) for name in ("usage_amount", "unblended_rate"))
        amount_of(one, amount / tokens, rate * tokens)
        one["pricing_public_on_demand_rate"] = one["line_item_unblended_rate"]
    return bill


@pytest.mark.parametrize(("unit", "tokens"), [("1K tokens", 1_000), ("1M Tokens", 1_000_000), ("Token", 1), ("", 1)])
def test_the_same_tokens_match_in_whatever_unit_the_bill_has_them(unit: str, tokens: int) -> None:
    found = compared(in_units(unit, tokens))
    assert {one.status for one in found.findings} == {MATCHED}
    assert found.usd(MATCHED) == sum(charge.usd for charge in charges(DAYS))


def test_a_unit_that_is_no_count_of_tokens_is_a_flaw_that_names_it() -> None:
    bill = rows(DAYS)
    bill[7]["pricing_unit"] = "Bushel"
    flawed = [one for one in compared(bill).findings if one.why == FLAW]
    assert [one.evidence for one in flawed] == ["line 9: its unit 'Bushel' is no count of tokens"]


def test_a_cost_of_ten_digits_is_not_flawed_by_its_rounding() -> None:
    # Given a line as exports write it, whose digits are few
    lambda_hour = {
        **rows(1)[0], "line_item_product_code": "AWSLambda", "line_item_usage_type": "Lambda-GB-Second-ARM",
        "line_item_usage_amount": "0.5500000000", "line_item_unblended_rate": "0.0000133334",
        "line_item_unblended_cost": "0.0000073334",
    }  # fmt: skip
    # Then
    assert list(flaws(read_cost_lines([lambda_hour], MONTH))) == []
    # But not one that is a digit more off
    lambda_hour["line_item_unblended_cost"] = "0.0000073344"
    assert [said for _, said in flaws(read_cost_lines([lambda_hour], MONTH))] == [
        "its cost $0.0000073344 is not 0.5500000000 at $0.0000133334"
    ]


def test_the_usage_of_another_account_on_the_same_bill_is_not_compared() -> None:
    # Given an environment of the same name in two accounts that one of them pays
    ours = [{**one, "line_item_usage_account_id": "111111111111"} for one in rows(DAYS)]
    theirs = [
        {**one, "line_item_usage_account_id": "222222222222", "identity_line_item_id": f"other {number}"}
        for number, one in enumerate(rows(DAYS))
    ]
    # Then
    assert {one.status for one in compared([*ours, *theirs], account="111111111111").findings} == {MATCHED}
    assert compared([*ours, *theirs]).usd(UNEXPLAINED) > 0
    # And an export without that column is read whole
    assert {one.status for one in compared(rows(DAYS), account="111111111111").findings} == {MATCHED}


def listed(usage_type: str, amount: str, rate: str, **more: str) -> Row:
    """Give a line of the marketplace, in the million tokens of its units."""
    row = {
        **rows(1)[0], "line_item_product_code": LISTING, "line_item_usage_type": usage_type, "pricing_unit": "Units",
        "product": json.dumps({"product_name": HAIKU}), "identity_line_item_id": usage_type, **more,
    }  # fmt: skip
    amount_of(row, Decimal(amount), Decimal(rate))
    row["pricing_public_on_demand_rate"] = rate
    return row


def read(row: Row) -> BillLine:
    (line,) = read_cost_lines([row], MONTH)
    return line


@pytest.mark.parametrize(
    ("counted", "scope", "usage"),
    [
        ("InputTokenCount", "", "input"),
        ("OutputTokenCount_Global", "global.", "output"),
        ("CacheReadInputTokenCount", "", "cache_read"),
        ("CacheWriteInputTokenCount_Global", "global.", "cache_write"),
        ("InputTokenCount_Global_Batch", "global.", "batch_input"),
    ],
)
def test_what_the_marketplace_sells_on_bedrock_is_read_by_the_name_of_its_listing(
    counted: str, scope: str, usage: str
) -> None:
    line = read(listed(f"USW2-MP:USW2_{counted}-Units", "0.25", "1.1"))
    assert (line.model, line.usage) == (scope + SOLD_AS["Claude Haiku 4.5"], usage)
    assert (line.amount, line.rate, line.of_bedrock) == (Decimal(250_000), Decimal("0.0000011"), True)


def test_a_judges_tokens_match_the_marketplaces_line() -> None:
    # Given
    model = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    assert is_profile(model)
    part = PricedPart(usage="input", quantity=100_000, usd_per_unit=1.1)
    ours = Charge(
        day=date(2026, 11, 1), task="t", run_id="r", stage="JudgeAnswers", model=model, part=part, usd=part.usd,
        evidence="actual", line_id="r/j/1",
    )  # fmt: skip
    # When
    found = compared([listed("USE1-MP:USE1_InputTokenCount-Units", "0.1", "1.1")], [ours])
    # Then
    assert [one.status for one in found.findings] == [MATCHED]


@pytest.mark.parametrize(
    ("usage_type", "product"),
    [
        ("USE1-MP:USE1_DreamtTokenCount-Units", HAIKU),
        ("USE1-MP:USE1_InputTokenCount-Units", "Claude Nobody 9 (Amazon Bedrock Edition)"),
        ("USE1-MP:USE1_InputTokenCount-Units", ""),
        ("USE1-MP:USE1_Reserved_1Month-Units", HAIKU),
    ],
)
def test_a_listing_of_which_nobody_knows_what_it_counts_is_a_flaw_that_names_its_usage_type(
    usage_type: str, product: str
) -> None:
    unknown = listed(usage_type, "1", "1", product=json.dumps({"product_name": product}))
    (found,) = compared([unknown], []).findings
    assert (found.why, found.evidence) == (FLAW, f"line 2: what usage type '{usage_type}' counts is not known")


def test_what_somebody_else_used_of_an_unknown_kind_is_theirs_and_no_flaw() -> None:
    else_ = {"resource_tags": "{}", "line_item_iam_principal": "arn:aws:sts::1:assumed-role/somebody/else"}
    unknown = listed("USE1-MP:USE1_DreamtTokenCount-Units", "1", "1", **else_)
    assert [one.why for one in compared([unknown], []).findings] == [OTHERS]


def test_other_listings_of_the_marketplace_are_none_of_ours() -> None:
    other = listed("USE1-MP:seats-Units", "1", "1", product=json.dumps({"product_name": "A Firewall"}))
    assert read_cost_lines([other], MONTH) == []


@pytest.mark.parametrize("code", ["AmazonBedrockService", "AmazonBedrockFoundationModels"])
def test_models_under_another_of_bedrocks_product_codes_are_read(code: str) -> None:
    line = read(
        {
            **rows(1)[0],
            "line_item_product_code": code,
            "line_item_usage_type": "USE1-Claude4.5Haiku-input-tokens-cross-region-global",
        }
    )
    assert (line.model, line.usage) == ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "input")
