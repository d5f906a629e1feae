"""Write a month's charges as rows of FOCUS."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from cli.screen import SIMULATED
from lambdas.domain.focus.athena_tables import table_statements
from lambdas.domain.focus.charges import BilledAccount, plain
from lambdas.gateways.aws.endpoint_metrics import Usage
from lambdas.gateways.aws.own_metrics import OwnMetrics
from lambdas.gateways.aws.regions import region_name
from lambdas.gateways.registry.resources import ResourceBook
from lambdas.gateways.registry.table import BY_STATE
from lambdas.gateways.registry.tasks import TaskBook
from lambdas.workflow.money.month import MoneyReader, MonthlyMoney
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


def read_month(deployment: Deployment, month: str, task: str | None = None) -> MonthlyMoney:
    """Read a month (``YYYY-MM``), of one task or of all."""
    reader = MoneyReader(
        registry=deployment.registry,
        tasks=TaskBook(deployment.table),
        resources=ResourceBook(deployment.table),
        usage=Usage(deployment.client("cloudwatch")),
        own=OwnMetrics(
            environment=deployment.environment,
            functions=deployment.client("lambda"),
            dynamodb=deployment.client("dynamodb"),
            cloudwatch=deployment.client("cloudwatch"),
            registry_table=deployment.output("data", "RegistryTable"),
            registry_index=BY_STATE,
            buckets=[deployment.output("data", name) for name in ("RunsBucket", "UploadsBucket")],
        ),
        runs=deployment.runs,
        settings=deployment.settings,
        now=utc_now,
    )
    return reader.read(month, task)


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
    out.write_text(found.rows(account), encoding="utf-8")
    beside = out.with_name(f"{out.stem}-savings{out.suffix}")
    beside.write_text(found.saved_rows(account), encoding="utf-8")
    usd = sum((one.usd for one in found.charges), Decimal())
    told = f"{len(found.charges)} rows of {month}, ${usd:,.2f} in all, are in {out}"
    session.show(
        {"month": month, "rows": len(found.charges), "usd": plain(usd), "file": str(out), "savings": str(beside),
         "unpriced": found.unpriced},
        f"{told}; {len(found.savings)} rows of savings are in {beside}.",
        *(f"Not charged: {one}" for one in found.unpriced),
        *([SIMULATED] if deployment.local else []),
    )  # fmt: skip


def show_tables(session: Session) -> None:
    """Print the statements that make tables of Athena over what ExportCosts writes."""
    deployment = session.deployment
    statements = table_statements(deployment.output("data", "RunsBucket"), deployment.environment)
    session.show({"statements": statements}, *(f"{statement};" for statement in statements))
