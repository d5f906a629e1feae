"""Hold what the logs have against the bill, by model and day, and say what they do not see."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.bill_files import read_bill
from cli.discovery.discover import days_of_range, from_option, to_option
from cli.discovery.found import acted_in, latest, machine_arn, proven
from cli.discovery.one_opportunity import money
from cli.errors import CHECK_FAILED, CliError
from cli.fitting_table import TableColumn, print_table
from cli.screen import SIMULATED
from cli.session import Session, pass_session
from lambdas.domain.discovery import discovery_files, queries
from lambdas.domain.discovery.coverage import SEEN, Coverage, LoggedDay, cover, unread_places
from lambdas.domain.discovery.opportunities_page import opportunities_page
from lambdas.gateways.aws.inference_profiles import models_of_profiles

if TYPE_CHECKING:
    from cli.deployment import Deployment
    from lambdas.domain.bill.cost_lines import BillLine

POLL_SECONDS = 1.0
_SHOWN = 40

_COLUMNS = (
    TableColumn("Day"),
    TableColumn("Model", rank=1),
    TableColumn("Log", right=True),
    TableColumn("Bill", right=True),
    TableColumn("Seen"),
)


@click.command()
@from_option
@to_option
@click.option(
    "--export", "files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV file of AWS Data Exports (CUR 2.0), also .gz; else setting 'cost_export' says where they are.",
)  # fmt: skip
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Write the opportunities with it (HTML).")
@pass_session
def coverage(
    session: Session, first: date | None, last: date | None, files: tuple[Path, ...], page: Path | None
) -> None:
    """Say how much of the bill the logs see: dollars by model and day, gaps in logging, places that are not read.

    What the logs do not see is in no opportunity. The rows of the last discovery are asked, for a cent or less.
    """
    deployment = session.deployment
    machine_arn(deployment)
    start, end = days_of_range(deployment, first, last)
    bill, unbilled = _bill(deployment, files, start, end)
    logged = [LoggedDay.from_row(row) for row in _rows(deployment, start, end)]
    profiles = models_of_profiles(deployment.client("bedrock"), [one.model for one in logged])
    found = cover(logged, bill, deployment.settings.price_book(), profiles, _unread_days(deployment, start, end))
    found.unread += unbilled
    found.unread += unread_places(bill, deployment.settings.allowed_logs(), _logging(deployment), deployment.region)
    if page is not None:
        ranked = latest(deployment)
        acted = acted_in(deployment, ranked)
        text = opportunities_page(
            ranked,
            environment=deployment.environment,
            acted={name: each.said() for name, each in acted.items()},
            proven_usd=proven(deployment, acted),
            coverage=found,
        )
        page.write_text(text, encoding="utf-8")
    if session.as_json:
        session.show(found.to_document())
        return
    _show(session, found)


def _bill(deployment: Deployment, files: tuple[Path, ...], first: date, last: date) -> tuple[list[BillLine], list[str]]:
    """Read the bill of each month of a range, and say of which there is none.

    Raises
    ------
    CliError
        No month has a line about Bedrock; with what is wrong of the first.
    """
    bill: list[BillLine] = []
    unbilled: dict[str, CliError | None] = {}
    months = sorted({f"{day:%Y-%m}" for day in _days(first, last)})
    for month in months:
        try:
            lines = [line for line in read_bill(deployment, files, month) if line.of_bedrock]
        except CliError as problem:
            unbilled[month] = problem
            continue
        if not lines:
            unbilled[month] = None
        bill += [line for line in lines if first <= line.day <= last]
    if len(unbilled) == len(months):
        first_problem = next((one for one in unbilled.values() if one is not None), None)
        raise first_problem or CliError(f"The export has no line about Bedrock in {', '.join(months)}.", CHECK_FAILED)
    told = [f"no bill for {month}{f': {why.message}' if why else ''}" for month, why in unbilled.items()]
    return bill, told


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]


def _unread_days(deployment: Deployment, first: date, last: date) -> set[date]:
    """Name the days of a range that no discovery has read, of one log source at least."""
    days = _days(first, last)
    unread = set[date]()
    for source in range(len(deployment.settings.log_sources)):
        done = set(deployment.runs.keys(discovery_files.markers(source)))
        unread |= {day for day in days if discovery_files.marker(source, f"{day}") not in done}
    return unread


def _logging(deployment: Deployment) -> Mapping[str, Any] | None:
    answer = deployment.client("bedrock").get_model_invocation_logging_configuration()
    config: Mapping[str, Any] | None = answer.get("loggingConfig")
    return config


def _rows(deployment: Deployment, first: date, last: date) -> Iterator[dict[str, str]]:
    """Ask Athena for the sums by day and model.

    Raises
    ------
    CliError
        The query failed; with its reason.
    """
    client = deployment.client("athena")
    sources = range(len(deployment.settings.log_sources))
    database = deployment.output("discovery", "DiscoveryDatabase")
    query = client.start_query_execution(
        QueryString=queries.coverage(database, sources, first, last),
        WorkGroup=deployment.output("discovery", "DiscoveryWorkgroup"),
    )["QueryExecutionId"]
    while True:
        status = client.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        if status["State"] not in ("QUEUED", "RUNNING"):
            break
        time.sleep(POLL_SECONDS)
    if status["State"] != "SUCCEEDED":
        raise CliError(f"Athena could not answer: {status.get('StateChangeReason', status['State'])}.", CHECK_FAILED)
    names: list[str] = []
    for page in client.get_paginator("get_query_results").paginate(QueryExecutionId=query):
        for row in page["ResultSet"]["Rows"]:
            cells = [str(cell.get("VarCharValue", "")) for cell in row["Data"]]
            if names:
                yield dict(zip(names, cells, strict=True))
            else:
                names = cells


def _show(session: Session, found: Coverage) -> None:
    screen = session.screen
    apart = [one for one in found.days if one.status != SEEN]
    apart.sort(key=lambda one: -max(one.bill_usd, one.log_usd or Decimal()))
    rows = [(f"{one.day}", one.model, money(one.log_usd), money(one.bill_usd), one.status) for one in apart[:_SHOWN]]
    share = (
        "There is no bill for these days." if found.share is None else f"The logs see {found.share:.0%} of the bill:"
    )
    screen.say(f"{share} {money(found.log_usd)} in the log, {money(found.bill_usd)} on the bill.", style="bold")
    if rows:
        print_table(screen, _COLUMNS, rows, title="Days on which log and bill differ, US dollars")
        if len(apart) > _SHOWN:
            screen.say(f"and {len(apart) - _SHOWN} more; --json has all of them")
    for text in (*found.unread, *found.gaps[:_SHOWN]):
        screen.say(f"Not seen: {text}")
    if session.deployment.local:
        screen.say(SIMULATED)
