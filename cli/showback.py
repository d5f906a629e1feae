"""Show each task, team or environment what it cost and saved in a month."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from botocore.exceptions import ClientError

from cli.file_to_write import FileToWrite
from cli.fitting_table import TableColumn, print_table
from cli.focus_export import account_of, read_month
from cli.months import month_option, this_month
from cli.screen import SIMULATED
from cli.session import Session, pass_session
from lambdas.domain.errors import PipelineError
from lambdas.domain.report.figures import usd
from lambdas.domain.showback.page import showback_page
from lambdas.domain.showback.sums import BY, Shown, dated_baseline, old_baselines, shown_by
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.gateways.registry.monthly_budget import MonthlyBudget

if TYPE_CHECKING:
    from cli.deployment import Deployment
    from lambdas.workflow.money.month import MonthlyMoney


@click.command()
@click.option("--by", type=click.Choice(BY), default="task", show_default=True, help="Whom it is shown to.")
@month_option
@click.option("--out", type=FileToWrite(), help="Also write a page (HTML).")
@pass_session
def showback(session: Session, by: str, month: str | None, out: Path | None) -> None:
    """Show spend, serving, verified savings and idle dollars of a month.

    A team is the field "team" of a task's task.json, as its newest run has it.
    """
    deployment, wanted = session.deployment, month or this_month()
    found = read_month(deployment, wanted)
    teams = _teams(deployment, found) if by == "team" else {}
    account = account_of(deployment)
    lines = shown_by(by, account.environment, found.charges, found.served.idle, found.savings, teams)
    notes = _notes(deployment, found, wanted)
    if out is not None:
        page = showback_page(
            lines, month=wanted, by=by, environment=account.environment, notes=notes, simulated=account.simulated
        )
        out.write_text(page, encoding="utf-8")
    if session.as_json:
        session.show({"month": wanted, "by": by, "lines": [line.to_document() for line in lines], "notes": notes})
        return
    if lines:
        columns = (TableColumn(by.title()), *_COLUMNS)
        print_table(session.screen, columns, [_cells(line) for line in lines], title=f"{wanted}, US dollars")
    else:
        session.screen.say(f"Nothing was spent in {wanted}.")
    for note in notes:
        session.screen.say(note)
    if out is not None:
        session.screen.say(f"Page: {out.resolve()}")
    if deployment.local:
        session.screen.say(SIMULATED)


def _teams(deployment: Deployment, found: MonthlyMoney) -> dict[str, str]:
    """Read each task's team from the task.json of the newest run that paid."""
    newest: dict[str, tuple[str, str]] = {}
    for charge in found.charges:
        if charge.run_id:
            newest[charge.task] = max(newest.get(charge.task, ("", "")), (str(charge.day), charge.run_id))
    teams = {}
    for task, (_, run_id) in newest.items():
        run = deployment.registry.find(run_id)
        try:
            text = deployment.runs.read(run.files.task_definition) if run else b"{}"
            teams[task] = TaskDefinition.from_text(text).team or ""
        except (ClientError, PipelineError):  # its files have expired
            teams[task] = ""
    return teams


def _notes(deployment: Deployment, found: MonthlyMoney, month: str) -> list[str]:
    """Say what the figures do not: where the budget stands, what has no price, and which baselines are dated."""
    prices = deployment.settings.price_book()
    models = sorted({saving.baseline.model for saving in found.savings})
    limit = deployment.settings.max_monthly_usd
    used = MonthlyBudget(deployment.table).month(datetime.fromisoformat(f"{month}-01T00:00:00+00:00")).usd
    return [
        f"Budget of {month}: runs have spent or reserved {usd(used)} of {usd(limit)} ('max_monthly_usd')",
        *(f"Not charged: {one}" for one in found.unpriced),
        *filter(None, (dated_baseline(model, prices) for model in models)),
        *old_baselines(found.savings),
    ]


_COLUMNS = (
    TableColumn("Runs", right=True),
    TableColumn("Serving", right=True),
    TableColumn("Of it idle", rank=1, right=True),
    TableColumn("AWS around", rank=3, right=True),
    TableColumn("Saved", right=True),
    TableColumn("Low", rank=2, right=True),
    TableColumn("High", rank=2, right=True),
)


def _cells(line: Shown) -> tuple[str, ...]:
    money = (line.runs, line.serving, line.idle, line.services, line.saved, line.low, line.high)
    return line.name, *("-" if dollars is None else usd(float(dollars)) for dollars in money)
