"""Lines of AWS's export of the bill (CUR 2.0), and what is wrong within the file itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG, RUN_TAG
from lambdas.domain.bill.marketplace_lines import is_of_marketplace, meaning_of_listing, tokens_a_unit
from lambdas.domain.bill.service_lines import PRODUCTS, is_not_counted, meaning_of_service
from lambdas.domain.prices.usage_types import FAMILIES, ON_THE_BILL, meaning_of

PRODUCT = "AmazonBedrock"
_CODES = (PRODUCT, "AmazonBedrockService", "AmazonBedrockFoundationModels")
"""Product codes of models: Bedrock's own, and the other service codes under which the price list has models."""

USAGE = ("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage")
OTHER_TYPES = ("Tax", "Credit", "Refund", "Fee", "EdpDiscount", "PrivateRateDiscount", "BundledDiscount")
"""Line item types (AWS Data Exports user guide, CUR 2.0 table dictionary)."""

NEEDED = (
    "identity_line_item_id", "bill_billing_period_start_date", "line_item_line_item_type", "line_item_usage_start_date",
    "line_item_usage_end_date", "line_item_product_code", "line_item_usage_type", "line_item_usage_amount",
    "line_item_unblended_cost", "line_item_currency_code",
)  # fmt: skip
"""Columns without which nothing can be said."""

ROUNDED_AT, ROUNDED_TO = Decimal("1e-6"), Decimal("5e-11")
"""Share by which a cost may miss its amount at its rate, and half of the last of an export's ten digits."""


_FAMILIES = {**FAMILIES, **ON_THE_BILL}


class NoCostExportError(ValueError):
    """What was read is not an export of the bill in the form of CUR 2.0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BillLine:
    """One line of the export.

    ``model`` is a model or a service around Bedrock; with ``usage`` it is empty where neither is known. ``number`` is
    that of the line in ``file``, of which the name may be empty. Tokens are counted one by one, and rates are for one,
    whatever the line's ``unit``; with a ``scale`` of ``None`` nobody knows how many a unit is.
    """

    number: int
    line_id: str
    kind: str
    day: date
    ends: datetime
    usage_type: str
    model: str
    usage: str
    amount: Decimal
    cost: Decimal
    rate: Decimal | None
    public_rate: Decimal | None
    currency: str
    resource: str
    principal: str
    environment: str
    run: str
    invoice: str
    month: str
    product: str = PRODUCT
    description: str = ""
    file: str = ""
    unit: str = ""
    scale: int | None = 1

    @property
    def of_bedrock(self) -> bool:
        """Whether it is about models, and not about a service around them."""
        return self.product == PRODUCT

    @property
    def not_counted(self) -> bool:
        """Whether it is of a service around Bedrock, and no row of ours has what it counts."""
        return not self.of_bedrock and is_not_counted(self.product, self.usage_type)

    @property
    def unread(self) -> bool:
        """Whether it is usage of which nobody knows what it counts."""
        return self.kind in USAGE and not self.usage and not self.not_counted

    @classmethod
    def from_row(cls, number: int, row: Mapping[str, str], file: str = "") -> BillLine:
        """Read a row of a file.

        Raises
        ------
        NoCostExportError
            With its number and what is wrong.
        """
        try:
            product, usage_type = _product(row), row["line_item_usage_type"]
            model, usage = _meaning(product, row)
            scale = tokens_a_unit(row, usage)
            begins, ends = _moment(row["line_item_usage_start_date"]), _moment(row["line_item_usage_end_date"])
            return cls(
                number=number,
                line_id=row["identity_line_item_id"],
                kind=row["line_item_line_item_type"],
                day=begins.date(),
                ends=ends,
                usage_type=usage_type,
                model=model,
                usage=usage,
                amount=(_number(row["line_item_usage_amount"]) or Decimal()) * (scale or 1),
                cost=_number(row["line_item_unblended_cost"]) or Decimal(),
                rate=_rate(row, "line_item_unblended_rate", scale),
                public_rate=_rate(row, "pricing_public_on_demand_rate", scale),
                currency=row["line_item_currency_code"],
                resource=row.get("line_item_resource_id", ""),
                principal=row.get("line_item_iam_principal", ""),
                environment=_tag(row.get("resource_tags", ""), ENVIRONMENT_TAG),
                run=_tag(row.get("resource_tags", ""), RUN_TAG),
                invoice=row.get("bill_invoice_id", ""),
                month=row["bill_billing_period_start_date"][:7],
                product=product,
                description=row.get("line_item_line_item_description", "") or "",
                file=file,
                unit=row.get("pricing_unit", "") or "",
                scale=scale,
            )
        except KeyError as missing:
            raise NoCostExportError(f"it has no column {missing}; CUR 2.0 with {', '.join(NEEDED)} is needed") from None
        except (ValueError, InvalidOperation) as problem:
            raise NoCostExportError(f"line {number}: {problem}") from None


def read_cost_lines(rows: Iterable[Mapping[str, str]], month: str, file: str = "", account: str = "") -> list[BillLine]:
    """Read the lines of a month about Bedrock, and those of the services around it that have an environment's tag.

    Other people use these services too, and nothing but the tag tells which of them is the pipeline's. Models that AWS
    Marketplace sells on Bedrock are read too: their lines have product codes of their own.

    Parameters
    ----------
    rows : iterable of mapping
        Texts by column.
    month : str
        ``YYYY-MM``.
    file : str
        Name of the file: each one's lines are counted from its own first.
    account : str
        Whose usage is read, where the export says whose it is: a payer's bill has other accounts too.

    Raises
    ------
    NoCostExportError
    """
    found = []
    for number, row in enumerate(rows, 2):  # the first line has the columns
        _check_whole(number, row)
        if account and row.get("line_item_usage_account_id", account) not in (account, ""):
            continue
        product = _product(row) if "line_item_product_code" in row else None
        if product == PRODUCT or (product in PRODUCTS and _tag(row.get("resource_tags", ""), ENVIRONMENT_TAG)):
            line = BillLine.from_row(number, row, file)
            if line.month == month:
                found.append(line)
        elif "line_item_product_code" not in row:
            raise NoCostExportError(f"it has no column 'line_item_product_code'; CUR 2.0 with {', '.join(NEEDED)}")
    return found


def _product(row: Mapping[str, str]) -> str:
    """Give the product's code, and Bedrock's own for all that is about models."""
    code = row["line_item_product_code"]
    return PRODUCT if code in _CODES or is_of_marketplace(row) else code


def _meaning(product: str, row: Mapping[str, str]) -> tuple[str, str]:
    usage_type = row["line_item_usage_type"]
    if product != PRODUCT:
        return meaning_of_service(product, usage_type)
    return meaning_of(usage_type, _FAMILIES) or meaning_of_listing(row)


def _check_whole(number: int, row: Mapping[str, str]) -> None:
    """Refuse a row that was cut off: an amount that is missing would count as nothing."""
    if None in row or None in row.values():
        raise NoCostExportError(
            f"row {number} has not as many fields as there are columns: the file is cut off or torn"
        )


def flaws(lines: Iterable[BillLine]) -> Iterator[tuple[BillLine, str]]:
    """Name what is wrong within the file itself, line by line: nothing that we wrote down explains that.

    A line that is :attr:`BillLine.unread` may be somebody else's, and is not named here.
    """
    lines = list(lines)
    seen = Counter(line.line_id for line in lines)
    for line in lines:
        if seen[line.line_id] > 1:
            yield line, f"the line's id is there {seen[line.line_id]} times"
        if line.currency != "USD":
            yield line, f"its currency is '{line.currency}', not USD"
        if line.kind not in (*USAGE, *OTHER_TYPES):
            yield line, f"its line item type '{line.kind}' is not known"
        if f"{line.day:%Y-%m}" != line.month:
            yield line, f"its usage of {line.day} is not in its billing period {line.month}"
        if line.kind in USAGE:
            yield from _flaws_of_usage(line)
        elif line.kind in ("Credit", "Refund") and line.cost > 0:
            yield line, f"a {line.kind.lower()} of ${line.cost:f} adds to the bill"


def _flaws_of_usage(line: BillLine) -> Iterator[tuple[BillLine, str]]:
    if line.amount < 0 or line.cost < 0:
        yield line, "its usage is negative"
    if line.scale is None:
        yield line, f"its unit '{line.unit}' is no count of tokens"
    if line.rate is not None and abs(line.amount * line.rate - line.cost) > _rounding(line, line.rate):
        yield line, f"its cost ${line.cost:f} is not {line.amount:f} at ${line.rate:f}"


def _rounding(line: BillLine, rate: Decimal) -> Decimal:
    """Give the dollars by which the cost may miss: amount, rate and cost of an export each end at a digit."""
    scale = line.scale or 1
    return ROUNDED_AT * abs(line.cost) + ROUNDED_TO * (1 + abs(line.amount) / scale + abs(rate) * scale)


def _rate(row: Mapping[str, str], column: str, scale: int | None) -> Decimal | None:
    rate = _number(row.get(column, ""))
    return None if rate is None else rate / (scale or 1)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(text: str) -> Decimal | None:
    if not text:
        return None
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(f"'{text}' is not a number")
    return number


def _tag(text: str, name: str) -> str:
    """Give one of the pipeline's tags, under any name that exports give to tags of users."""
    try:
        tags = json.loads(text or "{}")
    except ValueError:
        return ""
    names = (f"user_{name.replace(':', '_')}", f"resourceTags/user:{name}", name)
    return next((str(tags[one]) for one in names if one in tags), "") if isinstance(tags, dict) else ""
