"""A month of charges, and the bill that says the same, line by line."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from lambdas.domain.focus.charges import Charge
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.prices.priced_parts import PricedPart

MONTH = "2026-11"
NOVA_PRO, NOVA_MICRO, STUDENT = "us.amazon.nova-pro-v1:0", "us.amazon.nova-micro-v1:0", "custom:amazon.nova-micro-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:1:application-inference-profile/p1"
OURS = "arn:aws:sts::1:assumed-role/distillation-dev-pipeline-EvaluateStudentRole/x"
TYPES = {
    (NOVA_PRO, "input"): "USE1-NovaPro-input-tokens", (NOVA_PRO, "output"): "USE1-NovaPro-output-tokens",
    (NOVA_PRO, "batch_input"): "USE1-NovaPro-input-tokens-batch",
    (NOVA_MICRO, "input"): "USE1-NovaMicro-input-tokens",
    (STUDENT, "input"): "USE1-NovaMicro-input-tokens-custom-model",
    ("amazon.nova-micro-v1:0:128k", "training"): "USE1-NovaMicro-Customization-Training",
}  # fmt: skip
Row = dict[str, str]


def charges(days: int = 20) -> list[Charge]:
    """Give some tokens of each usage for the first days of the month."""
    prices, found = PriceBook.shipped(), []
    for number, (model, usage) in enumerate(TYPES):
        for day in range(days):
            quantity = 10_000.0 * (number + 1) + 77 * day
            part = PricedPart(usage=usage, quantity=quantity, usd_per_unit=prices.line(model, usage).usd)
            evidence = "derived" if usage == "training" else "actual"
            at = date(2026, 11, 1) + timedelta(days=day)
            found.append(
                Charge(
                    day=at,
                    task="video",
                    run_id="video-1",
                    stage="s",
                    model=model,
                    part=part,
                    usd=part.usd,
                    evidence=evidence,
                    line_id=f"video-1/s/{number}.{day}",
                )
            )
    return found


def row(charge: Charge, number: int) -> Row:
    """Give the line of the bill of a charge."""
    assert charge.part is not None
    singles = 1_000_000
    rate = Decimal(str(charge.part.usd_per_unit)) / singles
    amount = Decimal(str(charge.part.quantity))
    return {
        "identity_line_item_id": f"id{number}",
        "bill_billing_period_start_date": "2026-11-01T00:00:00.000Z",
        "bill_invoice_id": "",
        "line_item_line_item_type": "Usage",
        "line_item_usage_start_date": f"{charge.day}T10:00:00.000Z",
        "line_item_usage_end_date": f"{charge.day}T11:00:00.000Z",
        "line_item_product_code": "AmazonBedrock",
        "line_item_usage_type": TYPES[charge.model, charge.part.usage],
        "line_item_resource_id": PROFILE,
        "line_item_iam_principal": OURS,
        "line_item_usage_amount": f"{amount:f}",
        "line_item_unblended_rate": f"{rate:f}",
        "line_item_unblended_cost": f"{amount * rate:f}",
        "line_item_currency_code": "USD",
        "pricing_public_on_demand_rate": f"{rate:f}",
        "resource_tags": '{"user_distillation_environment": "dev"}',
    }


def rows(days: int = 20) -> list[Row]:
    """Give the bill of :func:`charges`."""
    return [row(charge, number) for number, charge in enumerate(charges(days))]


def amount_of(line: Row, amount: Decimal, rate: Decimal | None = None) -> None:
    """Change a line's amount, and its cost with it."""
    rate = Decimal(line["line_item_unblended_rate"]) if rate is None else rate
    line["line_item_usage_amount"], line["line_item_unblended_rate"] = f"{amount:f}", f"{rate:f}"
    line["line_item_unblended_cost"] = f"{amount * rate:f}"
