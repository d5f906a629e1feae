"""What an analyst and a finance role do: look for savings in the account's logs, and account for a month's money."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambdas.domain.discovery import discovery_files
from lambdas.domain.discovery.grouping import rules_of_calls
from lambdas.domain.discovery.opportunities import LATEST, rank
from lambdas.domain.discovery.sampled_call import sampled
from lambdas.domain.task.settings import Settings
from local.bedrock_simulator.protocol.service import Request
from local.embedded_aws.lifecycle import ACCOUNT, REGION
from tests.faults.scenarios import LOG_SOURCE
from tests.faults.world import NAMES
from tests.in_process import Answer
from tests.least_privilege.discovery import of_query
from tests.least_privilege.grants import DISCOVERY_MACHINE
from tests.unit.cli.test_discovery import LAST, SALT, SYSTEM, bill, logged_calls, row_of
from tests.unit.domain.discovery.found_tasks import PRO, found, traffic

if TYPE_CHECKING:
    from tests.least_privilege.needs import Needs
    from tests.least_privilege.people import People

EXPORT_BUCKET, EXPORT_PREFIX = "the-bill", "cur"
SETTINGS = {"discovery": {"days": 1}, "cost_export": f"s3://{EXPORT_BUCKET}/{EXPORT_PREFIX}"}
DISCOVERED = {
    "DiscoveryMachineArn": DISCOVERY_MACHINE,
    "DiscoveryDatabase": "distillation_local_discovery",
    "DiscoveryWorkgroup": "distillation-local-discovery",
}
"""Outputs of the discovery stack."""

EXECUTION = DISCOVERY_MACHINE.replace(":stateMachine:", ":execution:") + ":one"
RUNS = NAMES["RUNS_BUCKET"]


class Machine:
    """Step Functions with one execution of discovery, which is looked at once while it runs."""

    def __init__(self) -> None:
        self.looks = 0

    def answer(self, operation: str, _request: Request) -> Answer:
        self.looks += operation == "DescribeExecution"
        answers: dict[str, Any] = {
            "StartExecution": {"executionArn": EXECUTION, "startDate": 0},
            "DescribeExecution": {"executionArn": EXECUTION, "status": "RUNNING" if self.looks < 2 else "SUCCEEDED"},
            "GetExecutionHistory": {
                "events": [
                    {
                        "type": "TaskStateEntered",
                        "id": 1,
                        "timestamp": 0,
                        "stateEnteredEventDetails": {"name": "EachDay"},
                    }
                ]
            },
        }
        return 200, {}, json.dumps(answers[operation]).encode()


class Athena:
    """Athena, which knows what the log holds of one day: calls through a caller's own profile."""

    def __init__(self, profile: str) -> None:
        self.queries, self._profile = list[str](), profile

    def answer(self, operation: str, request: Request) -> Answer:
        if operation == "StartQueryExecution":
            self.queries.append(json.loads(request.body)["QueryString"])
        names = (
            "day",
            "model",
            "calls",
            "input_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "output_tokens",
            "hours",
        )
        cells = (f"{LAST}", self._profile, "9", "5000", "0", "0", "0", "10")
        rows = [{"Data": [{"VarCharValue": cell} for cell in row]} for row in (names, cells)]
        answers: dict[str, Any] = {
            "StartQueryExecution": {"QueryExecutionId": "one"},
            "GetQueryExecution": {"QueryExecution": {"Status": {"State": "SUCCEEDED"}}},
            "GetQueryResults": {"ResultSet": {"Rows": rows}},
        }
        return 200, {}, json.dumps(answers[operation]).encode()


def look_for_savings(people: People, needs: Needs) -> None:
    """Discover, look, write what a lever ends in, make a folder, and hold the log against the bill."""
    aws = people.world.aws
    task = _discovered(people)
    profile = aws.client("bedrock").create_inference_profile(
        inferenceProfileName="of-a-caller",
        modelSource={"copyFrom": f"arn:aws:bedrock:{REGION}::foundation-model/amazon.nova-pro-v1:0"},
    )["inferenceProfileArn"]
    athena, machines = Athena(profile), aws._services["sfn"]
    aws.serve("sfn", Machine().answer)
    aws.serve("athena", athena.answer)
    day = ("--from", f"{LAST}", "--to", f"{LAST}")
    try:
        assert task in people.call("analyst", "discover", "--yes", *day)
        people.call("analyst", "opportunities")
        assert "Example 1, masked" in people.call("analyst", "opportunity", task)
        written = str(people.folder / "requests.jsonl")
        assert "records of" in people.call("analyst", "opportunity", task, "--lever", "batch", "--write", written)
        assert "task.json" in people.call("analyst", "distil", task, "--out", str(people.folder))
        assert "The logs see" in people.call("analyst", "coverage", *day)
    finally:
        aws.serve("sfn", machines)
    [query] = athena.queries
    needs.of["analyst"] |= set(of_query(query, lambda name: f"s3://{RUNS}/discovery/{name}/"))


def account_for_money(people: People) -> None:
    """Export a month, hold it against the bill, and show it."""
    month, folder = f"{people.world.clock.now():%Y-%m}", people.folder
    people.call("finance", "costs")
    people.call("finance", "costs", "--focus", "--month", month, "--out", str(folder / "focus.csv"))
    assert "CREATE EXTERNAL TABLE" in people.call("finance", "costs", "--focus", "--tables")
    assert "Ours against the bill" in people.call("finance", "reconcile", "--month", month)
    people.call("finance", "showback", "--by", "team", "--month", month, "--out", str(folder / "showback.html"))


def _discovered(people: People) -> str:
    """Put a day's log there and what discovery found in it; the id of the task."""
    s3, world = people.world.aws.client("s3"), people.world
    people.more_settings = SETTINGS
    calls = logged_calls(150, SYSTEM, "gateway")
    prefix = f"{LOG_SOURCE['prefix']}/AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/{REGION}/{LAST:%Y/%m/%d}/10/"
    for bucket in (LOG_SOURCE["bucket"], EXPORT_BUCKET):
        s3.create_bucket(Bucket=bucket)
    world.put(LOG_SOURCE["bucket"], f"{prefix}a.json", "\n".join(map(json.dumps, calls)).encode())
    rules = rules_of_calls([sampled(row_of(entry)) for entry in calls])
    task = rules.rules[0].task
    measured = found(
        traffic(PRO), task=task, first_day=f"{LAST}", last_day=f"{LAST}", batchable_share=0.9, peak_calls_a_minute=9_000
    )  # fmt: skip
    settings = Settings.from_mapping({})
    ranked = rank([measured], settings.price_book(), settings, LAST, generation="d-1").to_document()
    for key, body in {
        LATEST: json.dumps(ranked).encode(),
        discovery_files.SALT: SALT.encode(),
        discovery_files.rules("d-1"): "\n".join(rules.to_lines()).encode(),
    }.items():
        world.put(RUNS, key, body)
    _export_bills(people)
    return task


def _export_bills(people: People) -> None:
    """Export the bill of the logged day, and that of the world's month."""
    month = f"{people.world.clock.now():%Y-%m}"
    request = Request("GET", "/_simulator/cost-export", f"month={month}", {}, b"")
    simulated = json.loads(people.world.aws.simulator.handle(request).body)["csv"]
    logged = bill(people.folder, ("USE1-NovaPro-input-tokens", "8")).read_text()
    for name, when, text in (("simulated", month, simulated), ("logged", f"{LAST:%Y-%m}", logged)):
        key = f"{EXPORT_PREFIX}/export/data/BILLING_PERIOD={when}/{name}.csv"
        people.world.put(EXPORT_BUCKET, key, text.encode())
