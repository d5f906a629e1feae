"""What AWS would export of the bill: the billing record in the columns of CUR 2.0, with its delays and gaps.

Columns: AWS Data Exports user guide, "Cost and Usage Report (CUR) 2.0" table dictionary; ``line_item_iam_principal``
since April 2026. A subset: those that say what, when, who, how much and at which price. Rows are by the hour, and the
services are late: what was used in the last hours before the export is not in it yet.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from local.bedrock_simulator.billing import so_far
from local.bedrock_simulator.records import BillingEntry, ServiceEntry
from local.bedrock_simulator.world import World

COLUMNS = (
    "identity_line_item_id", "identity_time_interval", "bill_bill_type", "bill_billing_period_start_date",
    "bill_billing_period_end_date", "bill_invoice_id", "bill_payer_account_id", "line_item_usage_account_id",
    "line_item_line_item_type", "line_item_usage_start_date", "line_item_usage_end_date", "line_item_product_code",
    "line_item_usage_type", "line_item_operation", "line_item_resource_id", "line_item_iam_principal",
    "line_item_usage_amount", "line_item_unblended_rate", "line_item_unblended_cost", "line_item_currency_code",
    "line_item_line_item_description", "pricing_public_on_demand_rate", "pricing_public_on_demand_cost", "pricing_unit",
    "product_region_code", "resource_tags",
)  # fmt: skip

ACCOUNT, PRODUCT, REGION = "000000000000", "AmazonBedrock", "us-east-1"
_HOUR = timedelta(hours=1)
_UNITS = {"Storage": "Model-Month", "Provisioned": "Hour"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportSettings:
    """How an export is made.

    Attributes
    ----------
    month : str
        ``YYYY-MM``.
    delay_hours : float
        What was used in so many hours before now is not in it. AWS refreshes reports within a day.
    closed : bool
        Whether the bill is final and has an invoice.
    tax_share : float
        Tax, on a line of its own.
    discount_share : float
        What an agreement takes off the public prices: the unblended rate is that much lower.
    credit_usd : float
        A credit, on a line of its own.
    """

    month: str
    delay_hours: float = 0.0
    closed: bool = False
    tax_share: float = 0.0
    discount_share: float = 0.0
    credit_usd: float = 0.0


def cost_export(world: World, settings: ExportSettings) -> list[dict[str, str]]:
    """Make the rows of a month.

    Returns
    -------
    list of dict
        Texts by column, ordered by time, usage type and resource.
    """
    begins = datetime.fromisoformat(f"{settings.month}-01T00:00:00+00:00")
    ends = (begins + timedelta(days=31)).replace(day=1)
    known_until = world.clock.now() - timedelta(hours=settings.delay_hours)
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for entry in world.billing:
        for hour, part in _by_hour(world, so_far(world, entry)):
            if begins <= hour < ends and hour <= known_until:
                for row in _rows(world, part, hour, settings, begins, ends):
                    _add(rows, row)
    for service in world.services:
        if begins <= service.time < ends and service.time <= known_until:
            _add(rows, _service_row(service, settings, begins, ends))
    found = [rows[key] for key in sorted(rows)]
    return found + list(_other_lines(found, settings, begins, ends))


def as_csv(rows: list[dict[str, str]]) -> str:
    """Write rows as the CSV of an export."""
    written = io.StringIO()
    writer = csv.DictWriter(written, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def _by_hour(world: World, entry: BillingEntry) -> Iterator[tuple[datetime, BillingEntry]]:
    """Give an entry's parts by the hour in which they were used."""
    if entry.start is None:
        yield _hour(entry.time), entry
        return
    end = entry.end or world.clock.now()
    total = (end - entry.start).total_seconds()
    at = _hour(entry.start)
    while at < end and total > 0:
        seconds = (min(end, at + _HOUR) - max(entry.start, at)).total_seconds()
        share = seconds / total
        usage = {name: quantity * share for name, quantity in entry.usage.items()}
        yield at, replace(entry, usage=usage, usd=None if entry.usd is None else entry.usd * share)
        at += _HOUR


def _rows(
    world: World, entry: BillingEntry, hour: datetime, settings: ExportSettings, begins: datetime, ends: datetime
) -> Iterator[dict[str, str]]:
    for usage_type, quantity in entry.usage.items():
        if not quantity:
            continue
        public = _decimal(entry.rates.get(usage_type, 0.0))
        rate = public * (1 - _decimal(settings.discount_share))
        amount = _decimal(quantity)
        yield {
            **_frame(settings, begins, ends, hour, hour + _HOUR),
            "line_item_line_item_type": "Usage",
            "line_item_product_code": PRODUCT,
            "line_item_usage_type": usage_type,
            "line_item_operation": entry.kind,
            "line_item_resource_id": entry.resource,
            "line_item_iam_principal": entry.caller or "",
            "line_item_usage_amount": _text(amount),
            "line_item_unblended_rate": _text(rate),
            "line_item_unblended_cost": _text(amount * rate),
            "line_item_line_item_description": f"${_text(rate)} per unit of {usage_type}",
            "pricing_public_on_demand_rate": _text(public),
            "pricing_public_on_demand_cost": _text(amount * public),
            "pricing_unit": "Model-Month"
            if "Storage" in usage_type
            else "Hour"
            if "Provisioned" in usage_type
            else "Token",
            "resource_tags": json.dumps(_tags(world, entry.resource), sort_keys=True),
        }


def _service_row(entry: ServiceEntry, settings: ExportSettings, begins: datetime, ends: datetime) -> dict[str, str]:
    """Give the line of another service; agreements are about Bedrock alone here."""
    amount, rate, hour = _decimal(entry.quantity), _decimal(entry.rate), _hour(entry.time)
    return {
        **dict.fromkeys(COLUMNS, ""),
        **_frame(settings, begins, ends, hour, hour + _HOUR),
        "line_item_line_item_type": "Usage",
        "line_item_product_code": entry.product,
        "line_item_usage_type": entry.usage_type,
        "line_item_resource_id": entry.resource,
        "line_item_usage_amount": _text(amount),
        "line_item_unblended_rate": _text(rate),
        "line_item_unblended_cost": _text(amount * rate),
        "line_item_line_item_description": f"${_text(rate)} per unit of {entry.usage_type}",
        "pricing_public_on_demand_rate": _text(rate),
        "pricing_public_on_demand_cost": _text(amount * rate),
        "resource_tags": json.dumps(_as_exported(entry.tags), sort_keys=True),
    }


def _as_exported(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"user_{key.replace(':', '_')}": value for key, value in tags.items()}


def _tags(world: World, resource: str) -> dict[str, str]:
    """Give the tags of a resource as an export names them: those that a user made."""
    profile = world.application_profiles.get(resource)
    arn = profile.arn if profile else resource
    return _as_exported(world.tags.get(arn, {}))


def _add(rows: dict[tuple[str, ...], dict[str, str]], row: dict[str, str]) -> None:
    """Add what was used in the same hour by the same principal on the same resource."""
    names = ("line_item_usage_start_date", "line_item_product_code", "line_item_usage_type", "line_item_resource_id",
             "line_item_iam_principal", "line_item_operation", "line_item_unblended_rate", "resource_tags")  # fmt: skip
    key = tuple(row[name] for name in names)
    row["identity_line_item_id"] = hashlib.sha256(repr(key).encode()).hexdigest()[:40]
    known = rows.setdefault(key, row)
    if known is not row:
        for name in ("line_item_usage_amount", "line_item_unblended_cost", "pricing_public_on_demand_cost"):
            known[name] = _text(Decimal(known[name]) + Decimal(row[name]))


def _other_lines(
    rows: list[dict[str, str]], settings: ExportSettings, begins: datetime, ends: datetime
) -> Iterator[dict[str, str]]:
    """Give what is on a bill beside usage."""
    total = sum((Decimal(row["line_item_unblended_cost"]) for row in rows), Decimal())
    for kind, usd in (("Tax", total * _decimal(settings.tax_share)), ("Credit", -_decimal(settings.credit_usd))):
        if usd:
            yield {
                **dict.fromkeys(COLUMNS, ""),
                **_frame(settings, begins, ends, begins, ends),
                "identity_line_item_id": hashlib.sha256(f"{kind}{settings.month}".encode()).hexdigest()[:40],
                "line_item_line_item_type": kind,
                "line_item_product_code": PRODUCT,
                "line_item_unblended_cost": _text(usd),
                "line_item_line_item_description": f"{kind} for {settings.month}",
                "resource_tags": "{}",
            }


def _frame(
    settings: ExportSettings, begins: datetime, ends: datetime, since: datetime, until: datetime
) -> dict[str, str]:
    return {
        "identity_time_interval": f"{_time(since)}/{_time(until)}",
        "bill_bill_type": "Anniversary",
        "bill_billing_period_start_date": _time(begins),
        "bill_billing_period_end_date": _time(ends),
        "bill_invoice_id": f"SIM{settings.month.replace('-', '')}" if settings.closed else "",
        "bill_payer_account_id": ACCOUNT,
        "line_item_usage_account_id": ACCOUNT,
        "line_item_usage_start_date": _time(since),
        "line_item_usage_end_date": _time(until),
        "line_item_currency_code": "USD",
        "product_region_code": REGION,
    }


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def _decimal(number: float) -> Decimal:
    return Decimal(f"{number:.15g}")


def _text(number: Decimal) -> str:
    return f"{number:f}"
