"""Hold a month's charges against AWS's own bill, and say what matches, what differs and why."""

from __future__ import annotations

import csv
import gzip
import io
import json
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from cli.errors import CHECK_FAILED, CliError
from cli.fitting_table import TableColumn, print_table
from cli.focus_export import read_month
from cli.months import month_option, this_month
from cli.screen import SIMULATED
from cli.session import Session, pass_session
from lambdas.domain.bill.cost_lines import BillLine, NoCostExportError, read_cost_lines
from lambdas.domain.bill.factors import learn_factors
from lambdas.domain.bill.reconciliation import (
    EXPLAINED,
    MATCHED,
    UNEXPLAINED,
    BillFinding,
    MonthComparison,
    reconcile_month,
)
from lambdas.domain.report.figures import usd
from lambdas.gateways.registry.runs import QUEUED, RUNNING

if TYPE_CHECKING:
    from cli.deployment import Deployment

Rows = Iterator[dict[str, str]]

_SHOWN = 40


@click.command()
@month_option
@click.option(
    "--export", "files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV file of AWS Data Exports (CUR 2.0), also .gz; else setting 'cost_export' says where they are.",
)  # fmt: skip
@click.option("--within", default=1.0, show_default=True, type=click.FloatRange(0, 50), help="Per cent that match.")
@click.option("--learn", is_flag=True, help="Propose factors for what is worked out, as a line of settings.")
@pass_session
def reconcile(session: Session, month: str | None, files: tuple[Path, ...], within: float, learn: bool) -> None:
    """Hold ledger and serving of a month against the bill, by usage and day.

    Each difference is explained by name, with its evidence, or is unexplained; then the exit code is 1. Nothing is
    corrected.
    """
    deployment, wanted = session.deployment, month or this_month()
    charges = read_month(deployment, wanted).charges
    lines = _lines(deployment, files, wanted)
    found = reconcile_month(
        charges,
        lines,
        environment=deployment.environment,
        principals=f"distillation-{deployment.environment}-",
        running={run.run_id for state in (QUEUED, RUNNING) for run in deployment.registry.in_state(state)},
        within=Decimal(str(within)) / 100,
    )
    factors = learn_factors(found, charges) if learn else []
    if session.as_json:
        session.show(_document(wanted, found) | ({"factors": [one.to_document() for one in factors]} if learn else {}))
    else:
        _show(session, wanted, found)
        for factor in factors:
            session.screen.say(f"{factor.said()}")
        if factors:
            setting = json.dumps({"derived_factors": {one.name: float(one.value) for one in factors}})
            session.screen.say(f"Into the environment in cdk.json, then deploy: {setting}")
        elif learn:
            session.screen.say("Nothing was learned: no line of this month is worked out and on the bill.")
        if deployment.local:
            session.screen.say(SIMULATED)
    if found.usd(UNEXPLAINED):
        raise click.exceptions.Exit(CHECK_FAILED)


def _lines(deployment: Deployment, files: tuple[Path, ...], month: str) -> list[BillLine]:
    """Read the export: the files that were given, the setting's, or the simulator's own."""
    found: list[BillLine] = []
    for name, rows in _exports(deployment, files, month):
        try:
            found += read_cost_lines(rows, month)
        except NoCostExportError as problem:
            raise CliError(f"{name} cannot be read as an export of the bill: {problem}.", CHECK_FAILED) from None
    if not found:
        raise CliError(f"The export has no line about Bedrock in {month}.", CHECK_FAILED)
    return found


def _exports(deployment: Deployment, files: tuple[Path, ...], month: str) -> Iterator[tuple[str, Rows]]:
    if files:
        for file in files:
            yield str(file), _rows(str(file), file.read_bytes())
        return
    if deployment.settings.cost_export:
        yield from _from_s3(deployment, month)
        return
    if deployment.simulator:
        address = f"{deployment.simulator}/_simulator/cost-export?month={month}"
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - this machine's own simulator
            yield "the simulator's export", _rows("", json.load(answer)["csv"].encode())
        return
    raise CliError(
        "There is no export of the bill: give one with --export FILE, or deploy with setting 'cost_export' "
        "(s3://bucket/prefix of a CUR 2.0 export as CSV).",
        CHECK_FAILED,
    )


def _from_s3(deployment: Deployment, month: str) -> Iterator[tuple[str, Rows]]:
    """Read every CSV file of the month's partition (``BILLING_PERIOD=YYYY-MM``, AWS Data Exports user guide)."""
    place = urlsplit(deployment.settings.cost_export)
    s3, prefix = deployment.client("s3"), place.path.strip("/")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=prefix):
        for item in page.get("Contents", []):
            key = item["Key"]
            if f"BILLING_PERIOD={month}/" in key and key.endswith((".csv", ".csv.gz")):
                body = s3.get_object(Bucket=place.netloc, Key=key)["Body"].read()
                yield f"s3://{place.netloc}/{key}", _rows(key, body)


def _rows(name: str, content: bytes) -> Rows:
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode("utf-8-sig")
    yield from csv.DictReader(io.StringIO(text))


def _document(month: str, found: MonthComparison) -> dict[str, object]:
    sums = {status: str(found.usd(status)) for status in (MATCHED, EXPLAINED, UNEXPLAINED)}
    return {"month": month, "usd": sums, "findings": [_line(one) for one in found.findings]}


def _line(one: BillFinding) -> dict[str, str]:
    return {
        "status": one.status, "why": one.why, "model": one.model, "usage": one.usage, "day": str(one.day or ""),
        "our_usd": str(one.ours), "their_usd": str(one.theirs), "our_quantity": str(one.our_quantity),
        "their_quantity": str(one.their_quantity), "evidence": one.evidence,
    }  # fmt: skip


_COLUMNS = (
    TableColumn("Status"),
    TableColumn("Why", rank=2, least=16),
    TableColumn("Lines", rank=1, right=True),
    TableColumn("Dollars", right=True),
)


def _show(session: Session, month: str, found: MonthComparison) -> None:
    sums: dict[tuple[str, str], list[Decimal]] = {}
    for one in found.findings:
        sums.setdefault((one.status, one.why), []).append(one.usd)
    rows = [
        (status, why, str(len(dollars)), usd(float(sum(dollars, Decimal()))))
        for (status, why), dollars in sorted(sums.items())
    ]
    print_table(session.screen, _COLUMNS, rows, title=f"Bedrock in {month}, ours against the bill")
    apart = [one for one in found.findings if one.status != MATCHED]
    apart.sort(key=lambda one: (one.status != UNEXPLAINED, -one.usd))
    for one in apart[:_SHOWN]:
        about = (
            f"{one.day or month} {one.model} {one.usage}: ours {usd(float(one.ours))}, bill {usd(float(one.theirs))}"
        )
        session.screen.say(f"{one.status}, {one.why}: {about}; {one.evidence}")
    if len(apart) > _SHOWN:
        session.screen.say(f"and {len(apart) - _SHOWN} more; --json has all of them")
