"""Hold a month's charges against AWS's own bill, and say what matches, what differs and why."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import click

from cli.bill_files import read_bill
from cli.errors import CHECK_FAILED
from cli.fitting_table import TableColumn, print_table
from cli.focus_export import account_of, read_month
from cli.months import month_option, this_month
from cli.screen import SIMULATED
from cli.session import Session, pass_session
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
    lines = read_bill(deployment, files, wanted, account_of(deployment).account_id)
    found = reconcile_month(
        charges,
        lines,
        environment=deployment.environment,
        principals=f"distillation-{deployment.environment}-pipeline-",
        running={run.run_id for state in (QUEUED, RUNNING) for run in deployment.registry.in_state(state)},
        within=Decimal(str(within)) / 100,
    )
    factors = learn_factors(found, charges, deployment.settings.derived_factors) if learn else []
    if session.as_json:
        session.show(_document(wanted, found) | ({"factors": [one.to_document() for one in factors]} if learn else {}))
    else:
        _show(session, wanted, found)
        for factor in factors:
            session.screen.say(f"{factor.said()}")
        if any(factor.changes for factor in factors):
            kept = deployment.settings.derived_factors
            learned = {one.name: float(one.value) for one in factors if one.changes}
            setting = json.dumps({"derived_factors": {**kept, **learned}})
            session.screen.say(f"Into the environment in cdk.json, then deploy: {setting}")
        elif factors:
            session.screen.say("What is worked out is what the bill has: there is nothing to set.")
        elif learn:
            session.screen.say("Nothing was learned: no line of this month is worked out and on the bill.")
        if deployment.local:
            session.screen.say(SIMULATED)
    if any(one.status == UNEXPLAINED for one in found.findings):
        raise click.exceptions.Exit(CHECK_FAILED)


def _document(month: str, found: MonthComparison) -> dict[str, object]:
    sums = {status: str(found.usd(status)) for status in (MATCHED, EXPLAINED, UNEXPLAINED)}
    return {"month": month, "usd": sums, "findings": [_line(one) for one in found.findings]}


def _line(one: BillFinding) -> dict[str, str]:
    return {
        "status": one.status, "why": one.why, "model": one.model, "usage": one.usage, "day": str(one.day or ""),
        "our_usd": str(one.ours), "their_usd": str(one.theirs), "our_quantity": str(one.our_quantity),
        "their_quantity": str(one.their_quantity), "evidence": one.evidence, "resource": one.resource,
    }  # fmt: skip


_COLUMNS = (
    TableColumn("Status"),
    TableColumn("Why", least=14),
    TableColumn("Findings", rank=1, right=True),
    TableColumn("Ours", right=True),
    TableColumn("Bill", right=True),
)
_MARKS = {MATCHED: ("✓", "green"), EXPLAINED: ("~", "yellow"), UNEXPLAINED: ("✗", "bold red")}


def _show(session: Session, month: str, found: MonthComparison) -> None:
    """Write the answer first, then sums, then what nobody can explain, then an example of each explanation."""
    screen, groups = session.screen, _groups(found)
    open_ones = sorted((one for one in found.findings if one.status == UNEXPLAINED), key=lambda one: -one.usd)
    settled, apart = found.usd(MATCHED) + found.usd(EXPLAINED), found.usd(UNEXPLAINED)
    if open_ones:
        said = f"{month}: {len(open_ones)} findings over {_usd(apart)} are unexplained, {_usd(settled)} are not."
    else:
        said = f"{month}: all {_usd(settled)} match or are explained, nothing is unexplained."
    screen.say(said, style="bold", mark=_MARKS[UNEXPLAINED if open_ones else MATCHED])
    screen.say("")
    print_table(screen, _COLUMNS, [_group_cells(ones) for ones in groups], title="Ours against the bill, US dollars")
    for one in open_ones[:_SHOWN]:
        screen.say(f"{one.why}: {_about(month, one)}", mark=_MARKS[UNEXPLAINED], hang=2)
    if len(open_ones) > _SHOWN:
        screen.say(f"and {len(open_ones) - _SHOWN} more; --json has all of them")
    for ones in groups:
        if ones[0].status == EXPLAINED:
            dearest = max(ones, key=lambda one: one.usd)
            more = f" (and {len(ones) - 1} more)" if len(ones) > 1 else ""
            screen.say(f"{dearest.why}: {_about(month, dearest)}{more}", mark=_MARKS[EXPLAINED], hang=2)


def _groups(found: MonthComparison) -> list[list[BillFinding]]:
    """Give the findings by status and reason, what needs a person first."""
    groups: dict[tuple[int, str], list[BillFinding]] = {}
    for one in found.findings:
        groups.setdefault(((UNEXPLAINED, EXPLAINED, MATCHED).index(one.status), one.why), []).append(one)
    return [groups[key] for key in sorted(groups)]


def _group_cells(ones: list[BillFinding]) -> tuple[str, ...]:
    ours, theirs = (sum((getattr(one, name) for one in ones), Decimal()) for name in ("ours", "theirs"))
    return ones[0].status, ones[0].why, f"{len(ones):,}", _usd(ours), _usd(theirs)


def _about(month: str, one: BillFinding) -> str:
    what = f"{one.day or month} {one.model} {one.usage}".replace("  ", " ")
    return f"{what}: ours {_usd(one.ours)}, bill {_usd(one.theirs)}; {one.evidence}"


def _usd(dollars: Decimal) -> str:
    return usd(float(dollars))
