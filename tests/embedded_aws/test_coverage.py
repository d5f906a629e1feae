"""Coverage on the embedded AWS: log dollars against the simulator's bill, and what the log does not see."""

from __future__ import annotations

from stacks.node import use_bundled_node

use_bundled_node()

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_cdk import App, Environment, Stack
from botocore.config import Config
from click.testing import CliRunner

from cli.deployment import SIMULATED, Deployment
from cli.main import cli
from cli.session import Session
from lambdas.domain.discovery import discovery_files
from lambdas.domain.discovery.queries import stage_one
from lambdas.domain.task.settings import Settings
from local.bedrock_simulator.clock import ManualClock
from local.bedrock_simulator.objects import S3ObjectStore
from local.bedrock_simulator.protocol.service import Request
from local.bedrock_simulator.server import SimulatorServer
from local.bedrock_simulator.simulator import Simulator
from local.embedded_aws.lifecycle import ACCOUNT, REGION
from stacks.discovery.tables import DiscoveryTables
from tests.embedded_aws.conftest import eventually
from tests.simulator import toy

if TYPE_CHECKING:
    from local.embedded_aws.lifecycle import EmbeddedAws

LOGS, OTHER_LOGS, RUNS = "coverage-logs", "coverage-other-logs", "coverage-runs"
SETTINGS = Settings.from_mapping({"log_sources": [{"bucket": LOGS, "prefix": "app"}], "discovery": {}})
PRO, LITE, MICRO = "us.amazon.nova-pro-v1:0", "us.amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"
LAST = (datetime.now(UTC) - timedelta(hours=1)).date() - timedelta(days=1)
BEFORE = LAST - timedelta(days=1)
RULES = "".join(f"Rule {number}: a thing of kind {number} goes to that kind of thing.\n" for number in range(150))


class Billed:
    """An account that is asked, logs and bills at times that a test sets, and whose log Athena reads."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.aws, self.s3, self.athena = aws, aws.client("s3"), aws.client("athena")
        for bucket in (LOGS, OTHER_LOGS, RUNS):
            self.s3.create_bucket(Bucket=bucket)
        self.s3.put_object(Bucket=RUNS, Key="discovery/salt/salt.txt", Body=b"5a" * 32 + b"\n")
        self.clock = ManualClock()
        objects = S3ObjectStore(aws.endpoint, REGION)
        self.simulator = Simulator(objects=objects, subjects=toy.answer, clock=self.clock)
        self.server = SimulatorServer(self.simulator).start()
        self.database = self._tables()
        place = {"OutputLocation": f"s3://{RUNS}/discovery/results/"}
        self.athena.create_work_group(Name="coverage", Configuration={"ResultConfiguration": place})

    def _tables(self) -> str:
        """Create the tables of the discovery stack."""
        app = App(outdir=str(self.aws.workdir / "tables"))
        stack = Stack(app, "coverage", env=Environment(account=ACCOUNT, region=REGION))
        made = DiscoveryTables(stack, "Tables", environment="coverage", settings=SETTINGS, runs_bucket=RUNS)
        template = app.synth().get_stack_by_name("coverage").template
        found = {name: one for name, one in template["Resources"].items() if one["Type"].startswith("AWS::Glue::")}
        formation = self.aws.client("cloudformation")
        formation.create_stack(StackName="coverage", TemplateBody=json.dumps({"Resources": found}))
        formation.get_waiter("stack_create_complete").wait(StackName="coverage", WaiterConfig={"Delay": 1})
        return made.database

    def client(self, service: str) -> Any:
        address = self.server.url if service in SIMULATED else self.aws.endpoint
        return boto3.client(  # type: ignore[call-overload]
            service, endpoint_url=address, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test",
            config=Config(proxies={}),
        )  # fmt: skip

    def log_to(self, bucket: str | None, prefix: str) -> None:
        """Switch logging to a bucket, or off."""
        bedrock = self.client("bedrock")
        self.simulator.invocation_log.flush()
        if bucket is None:
            bedrock.delete_model_invocation_logging_configuration()
        else:
            place = {"s3Config": {"bucketName": bucket, "keyPrefix": prefix}, "textDataDeliveryEnabled": True}
            bedrock.put_model_invocation_logging_configuration(loggingConfig=place)

    def ask(self, day: Any, hour: int, model: str, calls: int) -> None:
        """Ask a model at an hour, every other time with a beginning that is kept."""
        moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=hour)
        self.clock.advance((moment - self.clock.now()).total_seconds())
        runtime = self.client("bedrock-runtime")
        for number in range(calls):
            point = [{"cachePoint": {"type": "default"}}] if number % 2 else []
            runtime.converse(
                modelId=model,
                system=[{"text": RULES}, *point],
                messages=[{"role": "user", "content": [{"text": f"cats number {number}"}]}],
            )

    def read(self, day: Any) -> None:
        """Let stage one read a day's log."""
        destination = f"s3://{RUNS}/discovery/calls/source=0/day={day}/"
        query = stage_one(self.database, 0, REGION, day, destination, "task")
        started = self.athena.start_query_execution(QueryString=query, WorkGroup="coverage")["QueryExecutionId"]

        def state() -> str | None:
            status = self.athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
            return None if status["State"] in ("QUEUED", "RUNNING") else str(status["State"])

        assert eventually(state) == "SUCCEEDED"
        # As ReadOffloadedBodies ends a day.
        self.client("s3").put_object(Bucket=RUNS, Key=discovery_files.marker(0, f"{day}"), Body=b"{}")

    def typed(self, *arguments: str) -> Any:
        """Type ``coverage``."""
        outputs = {
            "data": {"RunsBucket": RUNS},
            "discovery": {
                "DiscoveryMachineArn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:one",
                "DiscoveryDatabase": self.database,
                "DiscoveryWorkgroup": "coverage",
            },
        }
        made = Deployment("coverage", REGION, self.client, True, outputs, simulator=self.server.url)
        made.__dict__.update(settings=SETTINGS)
        session = Session(lambda: made, "--json" in arguments)
        given = CliRunner().invoke(cli, ["coverage", *arguments], obj=session)
        assert given.exit_code == 0, (given.output, given.exception)
        return given.output

    def export(self) -> str:
        """Give the simulator's export of the bill of these days."""
        rows = ""
        for month in sorted({f"{BEFORE:%Y-%m}", f"{LAST:%Y-%m}"}):
            request = Request("GET", "/_simulator/cost-export", f"month={month}", {}, b"")
            text = json.loads(self.simulator.handle(request).body)["csv"]
            rows += text if not rows else text.partition("\n")[2]
        return rows


@pytest.fixture(scope="module")
def account(aws: EmbeddedAws, monkeypatch_of_module: pytest.MonkeyPatch) -> Iterator[Billed]:
    """Give two days: the first is logged whole; on the second logging is off for an hour, then moved elsewhere."""
    monkeypatch_of_module.setattr("cli.discovery.coverage_verb.POLL_SECONDS", 0.05)
    made = Billed(aws)
    try:
        made.log_to(LOGS, "app")
        made.ask(BEFORE, 8, PRO, 12)
        made.ask(BEFORE, 9, LITE, 6)
        made.ask(LAST, 9, PRO, 8)
        made.log_to(None, "")
        made.ask(LAST, 10, PRO, 4)
        made.ask(LAST, 10, MICRO, 4)
        made.log_to(OTHER_LOGS, "team")
        made.ask(LAST, 11, LITE, 4)
        made.simulator.invocation_log.flush()
        for day in (BEFORE, LAST):
            made.read(day)
        yield made
    finally:
        made.server.close()


@pytest.fixture(scope="module")
def monkeypatch_of_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def days(document: Any) -> dict[tuple[str, str], Any]:
    return {(one["day"], one["model"]): one for one in document["days"]}


def of_bill(account: Billed, day: Any, word: str) -> Decimal:
    """Add up what the simulator's export has of a model on a day."""
    names, *rows = (line.split(",") for line in account.export().splitlines())
    at = {name: place for place, name in enumerate(names)}
    return sum(
        (
            Decimal(row[at["line_item_unblended_cost"]])
            for row in rows
            if row[at["line_item_usage_start_date"]].startswith(f"{day}") and word in row[at["line_item_usage_type"]]
        ),
        Decimal(),
    )


def test_what_the_log_does_not_see_is_told_by_hour_model_and_bucket(account: Billed) -> None:
    # When
    found = json.loads(account.typed("--from", f"{BEFORE}", "--to", f"{LAST}", "--json"))

    # Then the hour without logging is a gap, and what was asked then or logged elsewhere is not seen
    last = {model: one["status"] for (day, model), one in days(found).items() if day == f"{LAST}"}
    assert last == {
        "amazon.nova-pro-v1:0": "partly",
        "amazon.nova-micro-v1:0": "not logged",
        "amazon.nova-lite-v1:0": "not logged",
    }
    assert any("no line of amazon.nova-pro-v1:0 in the hours 10:00 (UTC)" in gap for gap in found["gaps"])
    assert any(f"{LAST}: no line of amazon.nova-micro-v1:0" in gap for gap in found["gaps"])
    assert found["unread"] == [f"Bedrock delivers to s3://{OTHER_LOGS}/team, which is not in 'log_sources'"]


def test_dollars_of_the_log_are_those_of_the_bill_by_day_and_model(account: Billed) -> None:
    # When
    found = days(json.loads(account.typed("--from", f"{BEFORE}", "--to", f"{LAST}", "--json")))

    # Then a day that was logged whole is the same to a ten-thousandth, caches included
    for model, word in (("amazon.nova-pro-v1:0", "NovaPro"), ("amazon.nova-lite-v1:0", "NovaLite")):
        one, billed = found[f"{BEFORE}", model], of_bill(account, BEFORE, word)
        assert one["status"] == "seen"
        assert billed > 0
        assert Decimal(one["bill_usd"]) == pytest.approx(billed, rel=Decimal("1e-9"))
        assert Decimal(one["log_usd"]) == pytest.approx(billed, rel=Decimal("1e-4"))
    assert of_bill(account, BEFORE, "cache-read") > 0

    # And of one that was not, the log has less than the bill
    partly = found[f"{LAST}", "amazon.nova-pro-v1:0"]
    assert 0 < Decimal(partly["log_usd"]) < Decimal(partly["bill_usd"]) * Decimal("0.8")


def test_a_region_that_nobody_reads_is_named_with_its_dollars(account: Billed, tmp_path: Path) -> None:
    # Given the bill of an account that has asked the same in another Region too
    text = account.export()
    names, *rows = text.splitlines()
    file = tmp_path / "bill.csv"
    elsewhere = [row.replace("USE1-", "USW2-") for row in rows if "NovaPro" in row]
    file.write_text("\n".join([names, *rows, *elsewhere]) + "\n")

    # Then
    told = " ".join(account.typed("--from", f"{BEFORE}", "--to", f"{LAST}", "--export", str(file)).split())
    usd = of_bill(account, BEFORE, "NovaPro") + of_bill(account, LAST, "NovaPro")
    assert f"Region USW2: ${usd:,.2f} of tokens on the bill, and discovery reads us-east-1 alone" in told
    assert "Every figure is simulated." in told
