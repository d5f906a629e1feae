"""What a run left in the account, and what that bills by the hour."""

from __future__ import annotations

from typing import Any

from lambdas.domain.report.comparison import short_model
from lambdas.domain.report.figures import NOT_MEASURED, moment, number, rows_of, usd
from lambdas.domain.report.sections import PageTable
from lambdas.domain.report.texts import short

_NO_PRICE = "not known"
_WITHOUT_HOURLY_PRICE = {
    "customization_job": "none",
    "batch_inference_job": "none",
    "custom_model_deployment": "none",
    "custom_model": "by the month",
}


def resources_left(report: dict[str, Any]) -> tuple[PageTable, str | None]:
    """List what was not released as (kind, name, state, dollars per hour, keep until), and the dollars of all."""
    resources = [resource for resource in rows_of(report.get("resources")) if resource.get("state") != "RELEASED"]
    hourly = [number(resource.get("usd_per_hour")) for resource in resources]
    known = [price for price in hourly if price is not None]
    unknown = any(_hourly(resource) == _NO_PRICE for resource in resources)
    rows = [
        (
            short(resource.get("kind") or NOT_MEASURED, 60).replace("_", " "),
            short_model(short(resource.get("name") or NOT_MEASURED, 200)),
            short(resource.get("state") or NOT_MEASURED, 40),
            _hourly(resource),
            moment(resource.get("keep_until")) if resource.get("keep_until") else "no date set",
        )
        for resource in resources
    ]
    if not known:
        return PageTable.of(rows), "an unknown sum" if unknown else None
    return PageTable.of(rows), f"at least {usd(sum(known))}" if unknown else usd(sum(known))


def _hourly(resource: dict[str, Any]) -> str:
    """Write what a resource bills by the hour; jobs, models and deployments bill otherwise or nothing."""
    price = number(resource.get("usd_per_hour"))
    if price is not None:
        return usd(price)
    return _WITHOUT_HOURLY_PRICE.get(str(resource.get("kind")), _NO_PRICE)
