"""Every way to serve as a table: what it costs, and from which volume a throughput pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdas.domain.prices.model_units import pays_up_to_volume
from lambdas.domain.report.break_even import NAMES, TERMS, model_units, positive
from lambdas.domain.report.figures import count, number, pick, plain, rows_of, usd
from lambdas.domain.report.texts import short


@dataclass(frozen=True, slots=True)
class ServingRow:
    """One way to serve, in the words of the table."""

    name: str
    per_1k: str
    month: str
    pays_from: str
    units: str
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class ServingTable:
    """Every way to serve at the measured tokens, and when the run is earned back."""

    rows: tuple[ServingRow, ...]
    recovery: str
    units_unknown: bool


def serving_table(document: dict[str, Any]) -> ServingTable | None:
    """Lay out the ways to serve; ``None`` where the report has no figures of them."""
    per_1k = pick(document, "break_even", "usd_per_1k_requests")
    if not isinstance(per_1k, dict):
        return None
    monthly = pick(document, "break_even", "usd_per_month") or {}
    on_demand = [("teacher", "teacher"), ("baseline", "baseline"), ("student", "student_on_demand")]
    rows = [ServingRow(NAMES[key], usd(per_1k.get(role)), usd(pick(monthly, key)), "", "") for role, key in on_demand]
    rows += _batch_rows(document)
    found = rows_of(pick(document, "break_even", "throughputs"))
    capacity = positive(pick(document, "break_even", "unit_requests_per_month"))
    rows += [_throughput_row(row, model_units(document), capacity) for row in found]
    unknown = any(row.get("units_at_break_even") == "unknown" for row in found)
    return ServingTable(tuple(rows), _recovery(document), unknown)


def _batch_rows(document: dict[str, Any]) -> list[ServingRow]:
    """Give what the large models cost by batch inference, where they have such a price."""
    volume, rows = positive(pick(document, "break_even", "expected_requests_per_month")), []
    for role in ("teacher", "baseline"):
        each = positive(pick(document, "break_even", "batch_usd_per_1k_requests", role))
        if each is not None:
            name = f"{role.capitalize()}, batch inference, for traffic that can wait a day"
            rows.append(ServingRow(name, usd(each), usd(each * volume / 1000 if volume else None), "", ""))
    return rows


def _throughput_row(row: dict[str, Any], purchased: int, capacity: float | None) -> ServingRow:
    term = TERMS.get(str(row.get("commitment")), short(row.get("commitment"), 40))
    border, units = number(row.get("break_even_requests_per_month")), number(row.get("units"))
    needed = row.get("units_at_expected") or row.get("units_at_break_even")
    return ServingRow(
        name=f"Student, provisioned throughput, {term}",
        per_1k=usd(row.get("usd_per_1k_requests")),
        month=f"{usd(row.get('usd_per_month'))} ({count(units)} {'unit' if units == 1 else 'units'})",
        pays_from=_pays_from(border, purchased, capacity),
        units="unknown" if number(needed) is None else count(needed),
        simulated=row.get("simulated") is True,
    )


def _pays_from(border: float | None, purchased: int, capacity: float | None) -> str:
    if border is None:
        return "never"
    last = pays_up_to_volume(border, purchased, capacity)
    return f"{count(border)}{'' if last is None else f' to {count(last)}'} requests a month"


def _recovery(document: dict[str, Any]) -> str:
    months = pick(document, "break_even", "months_to_recover")
    if not isinstance(months, dict):
        return ""
    said = []
    for role in ("baseline", "teacher"):
        figure = number(months.get(role))
        term = "never" if figure is None else f"in {plain(figure)} months" if figure >= 1 else "within a month"
        said.append(f"{term} against the {role}")
    return f"What the run cost is earned back {', '.join(said)}.{_upkeep(document)}"


def _upkeep(document: dict[str, Any]) -> str:
    """Say what a month's saving pays first; reports of earlier versions do not know it."""
    parts = {
        "storage of the model": pick(document, "break_even", "upkeep_usd_per_month", "model_storage"),
        "new distillations": pick(document, "break_even", "upkeep_usd_per_month", "distillations"),
        "the pipeline at rest": pick(document, "break_even", "upkeep_usd_per_month", "pipeline"),
    }
    said = [f"{usd(each)} for {what}" for what, each in parts.items() if positive(each)]
    return f" Each month's saving first pays {', '.join(said)}." if said else ""
