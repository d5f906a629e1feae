"""What is charged: one quantity at one price on one day, whatever told of it, and the row of FOCUS that it is."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG, RUN_TAG, TASK_TAG
from lambdas.domain.costs.ledger import LedgerEntry, exact_usd
from lambdas.domain.focus.columns import COLUMNS, LINE_UNIT, UNITS
from lambdas.domain.model_ids import CUSTOM, model_family
from lambdas.domain.prices.priced_parts import PricedPart, exact

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDED_AT = Decimal("1e-11")
"""Share by which the parts of a line may miss its dollars: the registry keeps 12 digits."""

Row = dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class BilledAccount:
    """Whose charges they are.

    Attributes
    ----------
    account_id, region, region_name : str
    environment : str
    simulated : bool
        Whether everything in it is simulated.
    """

    account_id: str
    region: str
    region_name: str
    environment: str
    simulated: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """One charge.

    Attributes
    ----------
    day : date
        Of UTC.
    task, run_id : str
        Empty where it belongs to none.
    stage : str
        Where it was spent: a state of the machine, or ``Serving``, ``Storage``, ``Pipeline``.
    model : str
        What was paid for: a model or profile as it is called, ``custom:<base>``, or an AWS service.
    part : PricedPart or None
        The quantity and its price; ``None`` where only the dollars are known.
    usd : Decimal
        US dollars, exact.
    evidence : str
        ``actual``, ``derived`` or ``at most``, as in the ledger.
    line_id : str
        Names the charge: the same charge has the same one in each export.
    resource : str
        ARN, where something that exists is charged.
    simulated : bool
        Whether the price is made up.
    """

    day: date
    task: str
    run_id: str
    stage: str
    model: str
    part: PricedPart | None
    usd: Decimal
    evidence: str
    line_id: str
    resource: str = ""
    simulated: bool = False

    @property
    def month(self) -> str:
        """The billing period, ``YYYY-MM``."""
        return f"{self.day:%Y-%m}"


def charges_of_line(task: str, run_id: str, entry: LedgerEntry, otherwise: str) -> list[Charge]:
    """Give the charges of a ledger line: one for each kind of token that it paid.

    Parameters
    ----------
    task, run_id : str
    entry : LedgerEntry
    otherwise : str
        Time of a line that says none: the run's end, or its beginning (ISO 8601).

    Returns
    -------
    list of Charge
        Together they are the line's dollars. Where its quantities and prices are not known, or do not come to its
        dollars, it is one charge without them.
    """
    day = date.fromisoformat((entry.at or otherwise)[:10])  # the registry keeps times in UTC
    usd = exact_usd(entry)
    parts: Sequence[PricedPart | None] = entry.priced
    together = sum((part.usd for part in entry.priced), Decimal())
    if not entry.priced or abs(together - usd) > ROUNDED_AT * abs(usd):
        parts = [None]
    return [
        Charge(
            day=day,
            task=task,
            run_id=run_id,
            stage=entry.stage,
            model=entry.model,
            part=part,
            usd=usd if part is None else part.usd,
            evidence=entry.kind,
            line_id=f"{run_id}/{entry.stage}/{entry.id}",
            simulated=bool(part and part.simulated),
        )
        for part in parts
    ]


def row_of(charge: Charge, account: BilledAccount) -> Row:
    """Give the row of FOCUS of a charge; what the specification calls null is empty."""
    begins = charge.day.replace(day=1)
    ends = (begins + timedelta(days=31)).replace(day=1)
    part, cost = charge.part, plain(charge.usd)
    consumed_unit, pricing_unit = UNITS[part.unit] if part else (LINE_UNIT, LINE_UNIT)
    units = part.units if part else Decimal(1)
    price = plain(exact(part.usd_per_unit) if part else charge.usd)
    of_bedrock = not charge.model.startswith(("AWS ", "Amazon ")) or charge.model == "Amazon Bedrock"
    sku = f"{charge.model}/{part.usage if part else 'line'}"
    tags = {
        ENVIRONMENT_TAG: account.environment,
        **({TASK_TAG: charge.task} if charge.task else {}),
        **({RUN_TAG: charge.run_id} if charge.run_id else {}),
    }
    known = {
        "BilledCost": cost,
        "BillingAccountId": account.account_id,
        "BillingAccountName": account.account_id,
        "BillingAccountType": "AWS Account",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _time(ends),
        "BillingPeriodStart": _time(begins),
        "ChargeCategory": "Usage",
        "ChargeDescription": _description(charge),
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _time(charge.day + timedelta(days=1)),
        "ChargePeriodStart": _time(charge.day),
        "ConsumedQuantity": plain(exact(part.quantity) if part else Decimal(1)),
        "ConsumedUnit": consumed_unit,
        "ContractedCost": cost,
        "ContractedUnitPrice": price,
        "EffectiveCost": cost,
        "InvoiceIssuerName": "Amazon Web Services",
        "ListCost": cost,
        "ListUnitPrice": price,
        "PricingCategory": "Standard",
        "PricingCurrency": "USD",
        "PricingCurrencyContractedUnitPrice": price,
        "PricingCurrencyEffectiveCost": cost,
        "PricingCurrencyListUnitPrice": price,
        "PricingQuantity": plain(units),
        "PricingUnit": pricing_unit,
        "ProviderName": "Amazon Web Services",
        "PublisherName": _publisher(charge.model) if of_bedrock else "Amazon Web Services",
        "RegionId": account.region,
        "RegionName": account.region_name,
        "ResourceId": charge.resource,
        "ResourceName": charge.resource.rpartition("/")[2],
        "ResourceType": charge.resource.split(":")[5].split("/")[0] if charge.resource.count(":") > 4 else "",  # noqa: PLR2004 - an ARN has six parts
        "ServiceCategory": "AI and Machine Learning" if of_bedrock else _CATEGORIES.get(charge.model, "Other"),
        "ServiceName": "Amazon Bedrock" if of_bedrock else charge.model,
        "ServiceSubcategory": "Generative AI" if of_bedrock else "",
        "SkuId": sku,
        "SkuMeter": part.usage if part else "",
        "SkuPriceId": f"{sku}/{price}",
        "SubAccountId": account.account_id,
        "SubAccountName": account.account_id,
        "SubAccountType": "AWS Account",
        "Tags": json.dumps(tags, sort_keys=True),
        "x_Environment": account.environment,
        "x_Task": charge.task,
        "x_RunId": charge.run_id,
        "x_Stage": charge.stage,
        "x_ModelId": charge.model,
        "x_TokenType": part.usage if part else "",
        "x_Evidence": charge.evidence,
        "x_Simulated": "true" if account.simulated or charge.simulated else "false",
        "x_LineId": charge.line_id,
    }
    return {column: known.get(column, "") for column in COLUMNS}


def rows_of_charges(charges: Iterable[Charge], account: BilledAccount) -> Iterator[Row]:
    """Give the rows of charges in an order that does not depend on theirs: the same charges are the same file."""
    key = lambda one: (one.day, one.line_id, one.part.usage if one.part else "", one.model)  # noqa: E731
    for charge in sorted(charges, key=key):
        yield row_of(charge, account)


def as_csv(rows: Iterable[Mapping[str, str]], columns: Sequence[str] = COLUMNS) -> str:
    """Write rows as CSV (RFC 4180 with plain line ends), the columns always there."""
    written = io.StringIO()
    writer = csv.DictWriter(written, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def plain(number: Decimal) -> str:
    """Write a number in digits, without an exponent and without zeros that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_CATEGORIES = {
    "AWS Lambda": "Compute", "AWS Step Functions": "Integration", "Amazon S3": "Storage",
    "Amazon DynamoDB": "Databases", "AWS KMS": "Security", "Amazon CloudWatch": "Management and Governance",
    "Amazon Athena": "Analytics", "AWS PrivateLink": "Networking", "Amazon SNS": "Integration",
}  # fmt: skip
"""FOCUS's category of each service around Bedrock."""

_PUBLISHERS = {"amazon": "Amazon Web Services", "anthropic": "Anthropic", "meta": "Meta", "openai": "OpenAI"}


def _publisher(model: str) -> str:
    family = model_family(model.removeprefix(CUSTOM))
    return _PUBLISHERS.get(family, family.title())


def _description(charge: Charge) -> str:
    what = f"{charge.part.usage.replace('_', ' ')} of {charge.model}" if charge.part else charge.model
    whose = f" for task {charge.task}" if charge.task else ""
    return f"{charge.stage}: {what}{whose}"


def _time(day: date) -> str:
    return f"{day:%Y-%m-%d}T00:00:00Z"
