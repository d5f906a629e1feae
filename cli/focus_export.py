"""Write a month's charges as rows of FOCUS."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from cli.reports import parsed_report, read_document
from cli.screen import SIMULATED
from lambdas.domain.focus.charges import BilledAccount, Charge, as_csv, plain, rows_of_charges
from lambdas.domain.focus.savings import COLUMNS as SAVINGS_COLUMNS
from lambdas.domain.focus.savings import Baseline, Saving, saving_row, savings
from lambdas.gateways.aws.endpoint_metrics import Usage
from lambdas.gateways.aws.regions import region_name
from lambdas.gateways.registry.resources import ResourceBook
from lambdas.gateways.registry.tasks import TaskBook
from lambdas.workflow.money.ledger_charges import lines_of_month, run_charges
from lambdas.workflow.money.serving_charges import ServedMonth, ServingReader
from lambdas.workflow.stage import utc_now

if TYPE_CHECKING:
    from cli.deployment import Deployment
    from cli.session import Session


def account_of(deployment: Deployment) -> BilledAccount:
    """Say whose charges a deployment's are."""
    return BilledAccount(
        account_id=deployment.output("pipeline", "StateMachineArn").split(":")[4],
        region=deployment.region,
        region_name=region_name(deployment.region),
        environment=deployment.environment,
        simulated=deployment.local or deployment.settings.simulated,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthlyMoney:
    """A month's money: what runs cost, what serving cost, and what it saved.

    Attributes
    ----------
    charges : list of Charge
        Each once.
    served : ServedMonth
    savings : list of Saving
    """

    charges: list[Charge]
    served: ServedMonth
    savings: list[Saving]


def read_month(deployment: Deployment, month: str, task: str | None = None) -> MonthlyMoney:
    """Read a month (``YYYY-MM``), of one task or of all."""
    lines = list(lines_of_month(deployment.registry, month))
    reader = ServingReader(
        registry=deployment.registry,
        tasks=TaskBook(deployment.table),
        resources=ResourceBook(deployment.table),
        usage=Usage(deployment.client("cloudwatch")),
        prices=deployment.settings.price_book(),
        student_model=deployment.settings.student_model,
        now=utc_now,
    )
    served = reader.read(month, lines)
    charges = [one for one in (*run_charges(lines), *served.charges) if task in (None, one.task)]
    requests = {key: number for key, number in served.requests.items() if task in (None, key[0])}
    return MonthlyMoney(
        charges=charges, served=served, savings=savings(requests, _baselines(deployment, charges), charges)
    )


def write_focus(session: Session, month: str, out: Path, task: str | None) -> None:
    """Write the rows of a month to a file and its savings beside it, and say what they come to.

    Parameters
    ----------
    session : Session
    month : str
        ``YYYY-MM``.
    out : Path
        Written anew; the savings go to the same name with ``-savings`` before its suffix.
    task : str or None
        Only this task's.
    """
    deployment = session.deployment
    account = account_of(deployment)
    found = read_month(deployment, month, task)
    rows = list(rows_of_charges(found.charges, account))
    out.write_text(as_csv(rows), encoding="utf-8")
    saved = [saving_row(one, account.environment, simulated=account.simulated) for one in found.savings]
    beside = out.with_name(f"{out.stem}-savings{out.suffix}")
    beside.write_text(as_csv(saved, SAVINGS_COLUMNS), encoding="utf-8")
    usd = sum((one.usd for one in found.charges), Decimal())
    session.show(
        {"month": month, "rows": len(rows), "usd": plain(usd), "file": str(out), "savings": str(beside),
         "unpriced": found.served.unpriced},
        f"{len(rows)} rows of {month}, ${usd:,.2f} in all, are in {out}; {len(saved)} rows of savings are in {beside}.",
        *(f"Not charged: {one}" for one in found.served.unpriced),
        *([SIMULATED] if deployment.local else []),
    )  # fmt: skip


def _baselines(deployment: Deployment, charges: list[Charge]) -> dict[str, Baseline]:
    """Read what a request to the baseline costs from the report of each task's champion."""
    found: dict[str, Baseline] = {}
    book = TaskBook(deployment.table)
    for task in sorted({one.task for one in charges}):
        state = book.state(task)
        for champion in (state.champion, *state.former):
            run = deployment.registry.find(champion.run_id) if champion and task not in found else None
            if run is None or not run.report_key:
                continue
            baseline = Baseline.of_report(run.run_id, parsed_report(read_document(deployment.runs, run), run.run_id))
            if baseline is not None:
                found[task] = baseline
    return found
