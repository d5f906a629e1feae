"""Start a discovery: say what reading the logs scans and costs, ask, and show how far it is."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from cli.discovery.account_logs import log_buckets
from cli.discovery.found import acted_in, latest, machine_arn, proven
from cli.discovery.opportunities import print_opportunities
from cli.errors import CHECK_FAILED, USAGE_ERROR, CliError
from cli.screen import SIMULATED
from cli.session import Session, pass_session, yes_option
from lambdas.domain.discovery import discovery_files
from lambdas.domain.discovery.discovery_plan import MAX_DAYS, last_complete_day
from lambdas.domain.prices.priced_parts import PricedPart, exact
from lambdas.domain.report.figures import usd
from lambdas.workflow.discovery import objects_of

if TYPE_CHECKING:
    from cli.deployment import Deployment

GIGABYTE = 10**9
LEAST_BYTES = 10_000_000
"""Bytes that Athena bills for a query at least (Amazon Athena Pricing)."""

ROWS_SHARE = 0.4
"""Bytes of the rows for one of the logs, where prompts are short; long prompts leave less (docs/money.md)."""

MEASURED_ROWS = 3
"""How often measuring reads the bytes of the rows: four scans, each of the columns that it needs (docs/money.md)."""

POLL_SECONDS = 5.0

DAYS_NOT_READ = "DaysNotRead"
"""How an execution fails that has ranked what it could read (stacks/discovery/discovery_machine.py)."""

_RANKED = "What was read is ranked: 'python -m cli opportunities' lists it; 'discover' reads the days that are left."


@dataclass(frozen=True, kw_only=True)
class DiscoveryPlan:
    """What a discovery would read: ``usd`` is ``None`` where the book has no price of Athena."""

    first: date
    last: date
    days: int
    read_before: int
    objects: int
    bytes: int
    usd: Decimal | None

    def to_document(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "from": f"{self.first}",
            "to": f"{self.last}",
            "days": self.days,
            "days_read_before": self.read_before,
            "objects": self.objects,
            "bytes": self.bytes,
            "usd": None if self.usd is None else f"{self.usd:.4f}",
        }

    def said(self) -> str:
        """Say it to a person."""
        price = "at a price that the book has not" if self.usd is None else f"for about {usd(float(self.usd))}"
        before = f" ({self.read_before} days of them were read before and are not read again)"
        return (
            f"{self.first} to {self.last}: {self.objects:,} log objects of {self.bytes / GIGABYTE:,.3f} GB are scanned "
            f"once, {price} of Athena{before if self.read_before else ''}."
        )


def _day(_context: click.Context, _parameter: click.Parameter, value: str | None) -> date | None:
    try:
        return None if value is None else date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"'{value}' is not a day. Write it as 2026-11-01.") from None


from_option = click.option("--from", "first", metavar="DAY", callback=_day, help="First UTC day.  [default: 30 days]")
to_option = click.option(
    "--to", "last", metavar="DAY", callback=_day, help="Last UTC day.  [default: the last complete]"
)


def days_of_range(deployment: Deployment, first: date | None, last: date | None) -> tuple[date, date]:
    """Give the range that is meant: by default what the setting ``discovery`` says, up to the last complete day.

    Raises
    ------
    CliError
        The range is not one.
    """
    asked = deployment.settings.discovered()
    complete = last_complete_day(datetime.now(UTC))
    end = last or complete
    start = first or end - timedelta(days=(asked.days if asked else 30) - 1)
    if start > end or end > complete:
        raise CliError(f"{start} to {end} cannot be read: the last complete day is {complete}.", USAGE_ERROR)
    days, earliest = (end - start).days + 1, end - timedelta(days=MAX_DAYS - 1)
    if start < earliest:
        raise CliError(
            f"{start} to {end} are {days} days, and a discovery takes {MAX_DAYS}: its rows are kept for "
            f"{discovery_files.KEPT_DAYS} days, and a run made of logs takes no more. Begin at {earliest}.",
            USAGE_ERROR,
        )
    return start, end


def planned(deployment: Deployment, first: date, last: date) -> DiscoveryPlan:
    """List the log objects that would be scanned and price the scan."""
    objects = size = before = days = 0
    prices, dollars = deployment.settings.price_book(), Decimal()
    known = prices.find("Amazon Athena", "scanned")
    for number, (_source, bucket) in enumerate(log_buckets(deployment)):
        done = set(deployment.runs.keys(discovery_files.markers(number)))
        for back in range((last - first).days + 1):
            day = last - timedelta(days=back)
            days += 1
            if discovery_files.marker(number, f"{day}") in done:
                before += 1
                continue
            sizes = [item.size for item in objects_of(bucket, day)]
            objects, size = objects + len(sizes), size + sum(sizes)
            dollars += _athena_usd(deployment, sum(sizes)) if known else Decimal()
    for times in (1, MEASURED_ROWS):  # the sample, and the figures
        dollars += _athena_usd(deployment, times * size * ROWS_SHARE) if known else Decimal()
    return DiscoveryPlan(
        first=first,
        last=last,
        days=days,
        read_before=before,
        objects=objects,
        bytes=size,
        usd=dollars if known else None,
    )


def _athena_usd(deployment: Deployment, scanned: float) -> Decimal:
    gigabytes = max(LEAST_BYTES, scanned) / GIGABYTE
    return exact(float(PricedPart.of(deployment.settings.price_book(), "Amazon Athena", "scanned", gigabytes).usd))


@click.command()
@from_option
@to_option
@click.option("--dry-run", is_flag=True, help="Only say how many bytes would be scanned, and what that costs.")
@yes_option
@pass_session
def discover(session: Session, *, first: date | None, last: date | None, dry_run: bool, yes: bool) -> None:
    """Find the tasks in the account's own invocation logs, what each costs a year, and the lever that fits.

    It says bytes and dollars first, and asks. Without a terminal it needs --yes. It happens once a day by itself where
    the discovery stack is deployed; --dry-run also answers without that stack.
    """
    deployment = session.deployment
    start, end = days_of_range(deployment, first, last)
    plan = planned(deployment, start, end)
    if dry_run:
        session.show(plan.to_document(), plan.said(), "Nothing was read.", *([SIMULATED] if deployment.local else []))
        return
    machine = machine_arn(deployment)
    if not session.as_json:
        session.screen.say(plan.said())
    _agreed(yes=yes)
    now = datetime.now(UTC)
    started = deployment.client("stepfunctions").start_execution(
        stateMachineArn=machine,
        name=f"cli-{now:%Y%m%dT%H%M%S}-{now.microsecond:06d}",
        input=json.dumps({"from": f"{start}", "to": f"{end}"}),
    )
    for state in _states(deployment, str(started["executionArn"])):
        if not session.as_json:
            session.aside.say(f"{datetime.now(UTC):%H:%M:%S}  {state}")
    found = latest(deployment)
    if session.as_json:
        session.show({"plan": plan.to_document(), **found.to_document()})
        return
    acted = acted_in(deployment, found)
    print_opportunities(session, found, acted, proven(deployment, acted))
    if deployment.local:
        session.screen.say(SIMULATED)


def _agreed(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CliError("Nothing was read: without a terminal, --yes says that it shall be.", CHECK_FAILED)
    if not click.confirm("Read them?"):
        raise CliError("Nothing was read.", CHECK_FAILED)


def _states(deployment: Deployment, execution: str) -> Iterator[str]:
    """Give the state that the execution is in, each time it changes, until it has ended.

    Raises
    ------
    CliError
        It failed; with its reason.
    """
    client, shown = deployment.client("stepfunctions"), ""
    while True:
        about = client.describe_execution(executionArn=execution)
        if about["status"] != "RUNNING":
            break
        events = client.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=100)["events"]
        entered = (event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event)
        state = next(entered, "")
        if state and state != shown:
            yield state
            shown = state
        time.sleep(POLL_SECONDS)
    if about["status"] != "SUCCEEDED":
        why = about.get("cause") or about.get("error") or about["status"]
        stays = _RANKED if about.get("error") == DAYS_NOT_READ else "What was found before stays."
        raise CliError(f"The discovery ended {about['status']}: {why}. {stays}", CHECK_FAILED)
