"""The verbs of discovery: what they read, what they refuse, and the folder that comes of a found task."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from click.testing import CliRunner, Result

from cli.deployment import Deployment
from cli.discovery import found as discovery_found
from cli.main import cli
from cli.session import Session
from lambdas.domain.discovery.grouping import rules_of_calls
from lambdas.domain.discovery.masking import feature
from lambdas.domain.discovery.opportunities import LATEST, rank
from lambdas.domain.discovery.rules import Rule, Rules
from lambdas.domain.discovery.sampled_call import sampled
from lambdas.domain.discovery.task_rule import TaskRule, call_with
from lambdas.domain.task.log_request import LogRequest
from lambdas.domain.task.settings import Settings
from lambdas.gateways.registry.table import Table
from lambdas.workflow.acted_on import ActedOn
from tests.unit.domain.discovery.found_tasks import PRO, found, traffic
from tests.unit.support.workshop import MemoryBucket

ACCOUNT, SALT = "111122223333", "5a17" * 16
SYSTEM = (
    "You sort messages of our customers by what they are about.\nRead the message, then name its subject.\n"
    'Answer with JSON and nothing else: {"subject": one of billing, login, delivery, "urgent": true or false}.'
)
LAST = (datetime.now(UTC) - timedelta(hours=1)).date() - timedelta(days=1)
SETTINGS = Settings.from_mapping(
    {"log_sources": [{"bucket": "the-logs", "prefix": "app"}], "discovery": {}, "region": "us-east-1"}
)
OUTPUTS = {
    "data": {"UploadsBucket": "uploads", "RunsBucket": "runs", "RegistryTable": "registry"},
    "pipeline": {"StateMachineArn": f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:one"},
}
MACHINE = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:discovery"


class Objects:
    """S3 with one log bucket, in memory.

    ``refuses`` answers as to somebody without a right to it, ``closed`` as to somebody who may only list it.
    """

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.put: dict[str, Any] = {}
        self.refuses = self.closed = False

    def get_paginator(self, _operation: str) -> Objects:
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        if self.refuses:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2")
        found = [
            {"Key": key, "ETag": "e", "Size": len(body)}
            for key, body in self.held.items()
            if key.startswith(request["Prefix"])
        ]
        return [{"Contents": found}]

    def get_object(self, **request: Any) -> dict[str, Any]:
        if self.closed or request["Key"] not in self.held:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")
        return {"Body": io.BytesIO(self.held[request["Key"]])}

    def put_object(self, **request: Any) -> dict[str, Any]:
        self.put[request["Key"]] = request["Body"]
        return {"VersionId": "v1"}


class Machine:
    """Step Functions with one execution that ends as it is told to."""

    def __init__(self, status: str) -> None:
        self.status, self.error, self.started = status, "Athena.Failed", list[dict[str, Any]]()

    def start_execution(self, **request: Any) -> dict[str, str]:
        self.started.append(request)
        return {"executionArn": "one"}

    def describe_execution(self, **_: Any) -> dict[str, str]:
        return {"status": self.status, "error": self.error, "cause": "a day could not be read"}


class Athena:
    """Athena, which knows what the log holds of yesterday."""

    state = "SUCCEEDED"

    def start_query_execution(self, **request: Any) -> dict[str, str]:
        assert request["WorkGroup"] == "discovery"
        assert "SELECT" in request["QueryString"]
        return {"QueryExecutionId": "one"}

    def get_query_execution(self, **_: Any) -> dict[str, Any]:
        return {"QueryExecution": {"Status": {"State": self.state, "StateChangeReason": "it would scan too much"}}}

    def get_paginator(self, _operation: str) -> Athena:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        names = ("day", "model", "calls", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
                 "hours")  # fmt: skip
        row = (f"{LAST}", PRO, "900", "5000000", "0", "0", "0", "10")
        rows = [{"Data": [{"VarCharValue": cell} for cell in cells]} for cells in (names, row)]
        return [{"ResultSet": {"Rows": rows}}]


class Logging:
    """Bedrock, which delivers its log to a bucket that nobody reads."""

    def get_model_invocation_logging_configuration(self) -> dict[str, Any]:
        return {"loggingConfig": {"s3Config": {"bucketName": "another-bucket"}}}


class There:
    """A deployment with a log of 900 calls of one task and 300 of another, that discovery has read.

    ``calls`` are others of the first task, and ``changes`` what was measured of it.
    """

    def __init__(self, table: Table, calls: list[dict[str, Any]] | None = None, **changes: object) -> None:
        self.objects, self.machine, self.runs = Objects(), Machine("SUCCEEDED"), MemoryBucket()
        self.athena, self.others = Athena(), dict[str, Any]()
        self.outputs = {stack: dict(values) for stack, values in OUTPUTS.items()}
        self.outputs["discovery"] = {
            "DiscoveryMachineArn": MACHINE,
            "DiscoveryDatabase": "distillation_dev_discovery",
            "DiscoveryWorkgroup": "discovery",
        }
        self.table = table
        mine = logged_calls(900, SYSTEM, "gateway") if calls is None else calls
        self.entries = [*mine, *logged_calls(300, "You write poems on a word.", "other")]
        hour = f"app/AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/us-east-1/{LAST:%Y/%m/%d}/10/"
        for at in range(0, len(self.entries), 400):
            lines = [json.dumps(entry) for entry in self.entries[at : at + 400]]
            self.objects.held[f"{hour}{at}.json"] = "\n".join(["{damaged", *lines]).encode()
        rows = [row_of(entry) for entry in self.entries]
        rules = rules_of_calls([sampled(row) for row in rows])
        self.task = next(rule.task for rule in rules.rules if rule.principal == "gateway")
        first = f"{LAST - timedelta(days=29)}"
        ranked = rank(
            [
                found(traffic(PRO, calls=300_000), task=self.task, first_day=first, last_day=f"{LAST}", **changes),
                found(traffic(PRO, calls=10_000), task="tools", tools_share=1.0, first_day=first, last_day=f"{LAST}"),
            ],
            SETTINGS.price_book(),
            SETTINGS,
            LAST,
            generation="d-1",
        )
        self.runs.objects = {
            LATEST: json.dumps(ranked.to_document()).encode(),
            "discovery/salt/salt.txt": SALT.encode(),
            "discovery/rules/d-1/rules.json": "\n".join(rules.to_lines()).encode(),
        }

    def client(self, service: str) -> Any:
        if service in ("s3", "stepfunctions"):
            return self.objects if service == "s3" else self.machine
        if service in self.others:
            return self.others[service]
        raise NoCredentialsError

    def deployment(self) -> Deployment:
        made = Deployment("dev", "us-east-1", self.client, False, self.outputs)
        made.__dict__.update(settings=SETTINGS, runs=self.runs, table=self.table)
        return made


def row_of(entry: dict[str, Any]) -> dict[str, str]:
    call = call_with(entry, entry["input"]["inputBodyJson"], SALT)
    return {
        "principal": call.principal or "",
        "tools_digest": call.tools_digest,
        "called_at": call.called_at or "",
        "named_task": "",
        "features": " ".join(map(str, call.features or ())),
    }


def logged_calls(count: int, system: str, role: str) -> list[dict[str, Any]]:
    draw, made = random.Random(7), []  # noqa: S311 - a test's draw
    words = ("parcel", "invoice", "password", "account", "driver", "refund", "street", "letter", "phone", "order")
    for number in range(count):
        said = " ".join(draw.choice(words) for _ in range(12))
        name = "".join(chr(ord("k") + int(digit)) for digit in f"{number:05d}")
        body = {"system": [{"text": system}], "messages": [{"role": "user", "content": [{"text": f"{said} {name}"}]}]}
        answer = json.dumps({"subject": draw.choice(["billing", "login", "delivery"]), "urgent": number % 2 == 0})
        made.append(
            {
                "schemaType": "ModelInvocationLog",
                "schemaVersion": "1.0",
                "timestamp": f"{LAST}T10:{number % 60:02d}:00Z",
                "requestId": f"{role}-{number}",
                "operation": "Converse",
                "modelId": PRO,
                "identity": {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session"},
                "input": {"inputBodyJson": body, "inputTokenCount": 120},
                "output": {
                    "outputBodyJson": {
                        "output": {"message": {"role": "assistant", "content": [{"text": answer}]}},
                        "stopReason": "end_turn",
                        "usage": {"inputTokens": 120, "outputTokens": 15},
                    }
                },
            }
        )
    return made


@pytest.fixture
def there(table: Table) -> There:
    return There(table)


@pytest.fixture
def typed(there: There) -> Callable[..., Result]:
    def run_it(*arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments), obj=Session(there.deployment, "--json" in arguments))

    return run_it


Typed = Callable[..., Result]


def test_without_the_stack_it_is_said_what_to_set_and_deploy(there: There, typed: Typed) -> None:
    # Given an environment without the discovery stack, in which nothing was found
    there.outputs["discovery"] = {}
    there.runs.objects = {}

    # Then a dry run still says what reading would cost, and the others refuse
    assert typed("discover", "--dry-run").exit_code == 0
    for verb in (("discover", "--yes"), ("opportunities",), ("opportunity", "t-1"), ("distil", "t-1")):
        given = typed(*verb)
        assert given.exit_code != 0
        assert "discovery" in given.output.lower()
    assert there.machine.started == []


def test_nothing_is_read_before_bytes_and_dollars_were_said_and_agreed_to(there: There, typed: Typed) -> None:
    given = typed("discover")
    assert given.exit_code == 1
    assert "3 log objects" in given.output
    assert "for about $0.0" in given.output
    assert "--yes" in given.output
    assert there.machine.started == []
    document = json.loads(typed("discover", "--dry-run", "--json").output)
    assert document["bytes"] == sum(map(len, there.objects.held.values()))
    assert Decimal(document["usd"]) > 0


def test_the_estimate_has_the_rows_once_for_the_sample_and_three_times_for_the_figures(
    there: There, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given rows so large that the log and the least bytes of a query are nothing beside them, at 5 USD a TB
    monkeypatch.setattr("cli.discovery.discover.ROWS_SHARE", 10**6)
    # When
    document = json.loads(typed("discover", "--dry-run", "--json").output)
    # Then
    whole = sum(map(len, there.objects.held.values()))
    assert float(document["usd"]) == pytest.approx(4 * whole * 10**6 * 5e-12, rel=0.01)


def test_a_range_that_is_not_complete_is_refused(typed: Typed) -> None:
    assert typed("discover", "--to", f"{LAST + timedelta(days=1)}", "--dry-run").exit_code == 2
    assert typed("discover", "--from", "yesterday").exit_code == 2


def test_a_range_longer_than_rows_are_kept_is_refused_before_anything_is_started(there: There, typed: Typed) -> None:
    given = typed("discover", "--yes", "--from", f"{LAST - timedelta(days=92)}", "--to", f"{LAST}")
    assert given.exit_code == 2
    assert "are 93 days, and a discovery takes 92: its rows are kept for 100 days" in given.output
    assert f"Begin at {LAST - timedelta(days=91)}." in given.output
    assert there.machine.started == []
    assert typed("discover", "--dry-run", "--from", f"{LAST - timedelta(days=91)}", "--to", f"{LAST}").exit_code == 0


def test_discover_starts_the_machine_and_shows_what_it_found(there: There, typed: Typed) -> None:
    given = typed("discover", "--yes", "--from", f"{LAST}", "--to", f"{LAST}")
    assert given.exit_code == 0, given.output
    assert there.machine.started[0]["stateMachineArn"] == MACHINE
    assert json.loads(there.machine.started[0]["input"]) == {"from": f"{LAST}", "to": f"{LAST}"}
    assert there.task in given.output
    there.machine.status = "FAILED"
    failed = typed("discover", "--yes")
    assert failed.exit_code == 1
    assert "a day could not be read. What was found before stays." in " ".join(failed.output.split())


def test_a_discovery_that_ranked_without_some_days_does_not_say_that_what_was_found_before_stays(
    there: There, typed: Typed
) -> None:
    there.machine.status, there.machine.error = "FAILED", "DaysNotRead"
    given = typed("discover", "--yes")
    assert given.exit_code == 1
    assert "What was read is ranked" in " ".join(given.output.split())
    assert "stays" not in given.output


def test_opportunities_are_listed_by_saving_and_written_as_a_page(typed: Typed, there: There, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    given = typed("opportunities", "--page", str(page))
    assert given.exit_code == 0, given.output
    assert given.output.index(there.task) < given.output.index("tools")
    assert "Acted on: up to $0.00" in given.output
    assert there.task in page.read_text()
    document = json.loads(typed("opportunities", "--json").output)
    assert document["opportunities"][0]["acted_on"] is None


def test_an_opportunity_shows_masked_examples_and_keeps_none(typed: Typed, there: There) -> None:
    # Given calls that hold a number
    before = dict(there.runs.objects)
    given = typed("opportunity", there.task, "--json")
    assert given.exit_code == 0, given.output
    assert len(json.loads(given.output)["examples"]) == 3

    # Then nothing was written, and who may see prompts is said
    assert there.runs.objects == before
    assert there.objects.put == {}
    told = typed("opportunity", there.task).output
    assert "sees the prompts of every team" in " ".join(told.split())
    assert "Distillation" in told


def test_a_task_whose_calls_all_offer_tools_has_examples_and_its_folder_is_refused_for_what_they_are(
    table: Table, tmp_path: Path
) -> None:
    # Given calls that offer a tool each, of which discovery measured no share
    mine = logged_calls(900, SYSTEM, "gateway")
    for entry in mine:
        tool = {"toolSpec": {"name": "search", "inputSchema": {"json": {"type": "object"}}}}
        entry["input"]["inputBodyJson"]["toolConfig"] = {"tools": [tool]}
    there = There(table, mine)

    def run_it(*arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments), obj=Session(there.deployment, "--json" in arguments))

    # When it is shown
    examples = json.loads(run_it("opportunity", there.task, "--json").output)["examples"]

    # Then what its callers ask is there, without a system text
    assert len(examples) == 3
    assert [len(text.split()) for text in examples] == [13, 13, 13]

    # And a folder is refused for the tools, and not because the calls were gone
    refused = run_it("distil", there.task, "--out", str(tmp_path))
    assert refused.exit_code == 1
    assert "900 were read" in " ".join(refused.output.split())
    assert "offers tools" in " ".join(refused.output.split())
    assert "any more" not in refused.output


def test_a_lever_that_counts_on_another_says_so_where_one_task_is_shown(typed: Typed, there: There) -> None:
    # Given calls whose cheaper model caches their beginning, which today's does not
    sonnet = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    task = found(traffic(sonnet, sent=1_500), task="loop", tools_share=1.0, tool_use_share=0.9, prefix_characters=5_600)
    ranked = rank([task], SETTINGS.price_book(), SETTINGS, LAST)
    there.runs.objects[LATEST] = json.dumps(ranked.to_document()).encode()

    # Then caching is told with its place, and not among what is blocked
    told = " ".join(typed("opportunity", "loop", "--no-examples").output.split())
    assert "Saves nothing alone: it counts on those above" in told
    assert "Do: Set a cache point after the first 5,600 characters" in told
    assert "Prompt caching: the calls begin with" not in told


def test_calls_without_a_word_in_them_are_counted_where_examples_are_asked_for(table: Table) -> None:
    # Given calls whose question is an image
    mine = logged_calls(900, SYSTEM, "gateway")
    for entry in mine:
        entry["input"]["inputBodyJson"]["messages"][0]["content"] = [{"image": {"format": "png", "source": {}}}]
    there = There(table, mine)
    given = CliRunner().invoke(cli, ["opportunity", there.task], obj=Session(there.deployment, False))
    assert given.exit_code == 0
    assert "No examples: " in given.output
    assert "900 calls of" in " ".join(given.output.split())


def test_without_a_right_to_the_log_the_figures_are_shown_and_the_folder_is_refused(
    typed: Typed, there: There, tmp_path: Path
) -> None:
    there.objects.refuses = True
    given = typed("opportunity", there.task)
    assert given.exit_code == 0
    assert "You may not read the log" in " ".join(given.output.split())
    assert typed("distil", there.task, "--out", str(tmp_path)).exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_task_and_one_that_cannot_be_distilled_are_refused(typed: Typed, tmp_path: Path) -> None:
    assert typed("opportunity", "nobody").exit_code == 4
    given = typed("distil", "tools", "--out", str(tmp_path))
    assert given.exit_code == 1
    assert "offer tools" in given.output
    assert list(tmp_path.iterdir()) == []


def test_a_found_task_becomes_a_folder_whose_run_reads_its_calls_alone(
    typed: Typed, there: There, tmp_path: Path
) -> None:
    given = typed("distil", there.task, "--out", str(tmp_path))
    assert given.exit_code == 0, given.output
    folder = tmp_path / there.task

    # Then the task has the prompt, the answers' shape and the measured volume
    task = json.loads((folder / "task.json").read_text())
    assert task["teacher_system_prompt"] == SYSTEM
    assert task["output_schema"]["properties"] == {
        "subject": {"enum": ["billing", "delivery", "login"]},
        "urgent": {"type": "boolean"},
    }
    assert task["serving"]["expected_requests_per_month"] == round(300_000 / 30 * 365 / 12)

    # And the request takes the calls of the task and no others, with no text of theirs beside it
    (path,) = folder.glob("*.logs.json")
    request = LogRequest.from_text(path.read_bytes())
    assert request.rule is not None
    rule = TaskRule.from_document(request.rule)
    taken = [rule.takes(entry, entry["input"]["inputBodyJson"]) for entry in there.entries]
    assert taken == [True] * 900 + [False] * 300
    assert sorted(one.name for one in folder.iterdir()) == [path.name, "task.json"]
    assert "parcel" not in path.read_text()
    assert there.objects.put == {}
    assert "Total" in given.output


def test_a_rule_leaves_the_calls_of_every_task_before_it_however_many_calls_one_of_them_has(
    table: Table, tmp_path: Path
) -> None:
    # Given two tasks whose prompts begin like a third one's, and of which the first has most of the log
    lines = ("You answer our customers about parcels", "Name the depot of the parcel", "Write the refund in euros")
    prompts = [f"{lines[0]}\n{lines[1]}", f"{lines[0]}\n{lines[2]}", lines[0]]
    mine = [
        entry
        for system, count in zip(prompts, (600, 100, 300), strict=True)
        for entry in logged_calls(count, system, "gateway")
    ]
    there = There(table, mine)
    rules = Rules(
        [
            Rule("gateway", "", order, name, False, (tuple(feature(f"s|{line}", SALT) for line in system.split("\n")),))
            for order, (system, name) in enumerate(zip(prompts, ("t-first", "t-second", there.task), strict=True))
        ]
    )
    there.runs.objects["discovery/rules/d-1/rules.json"] = "\n".join(rules.to_lines()).encode()

    # When a folder is made of the third
    session = Session(there.deployment, False)
    CliRunner().invoke(cli, ["distil", there.task, "--out", str(tmp_path)], obj=session)

    # Then its rule takes the third task's calls and none of either
    (path,) = tmp_path.glob("*/*.logs.json")
    request = LogRequest.from_text(path.read_bytes())
    assert request.rule is not None
    rule = TaskRule.from_document(request.rule)
    taken = [rule.takes(entry, entry["input"]["inputBodyJson"]) for entry in mine]
    assert taken == [False] * 700 + [True] * 300


def bill(folder: Path, *lines: tuple[str, str], days: tuple[date, ...] = (LAST,)) -> Path:
    """Write an export of the bill: usage types of each day and their dollars."""
    rows = [
        {
            "identity_line_item_id": f"{day}-{number}",
            "bill_billing_period_start_date": f"{day:%Y-%m}-01T00:00:00Z",
            "line_item_line_item_type": "Usage",
            "line_item_usage_start_date": f"{day}T10:00:00Z",
            "line_item_usage_end_date": f"{day}T11:00:00Z",
            "line_item_product_code": "AmazonBedrock",
            "line_item_usage_type": usage,
            "line_item_usage_amount": "1",
            "line_item_unblended_cost": dollars,
            "line_item_currency_code": "USD",
        }
        for day in days
        for number, (usage, dollars) in enumerate(lines)
    ]
    path = folder / "bill.csv"
    path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")
    return path


def test_coverage_says_what_the_logs_do_not_see_of_the_bill(typed: Typed, there: There, tmp_path: Path) -> None:
    # Given $4 of tokens in the log; on the bill $8 of them, and another model of which the log has nothing
    export = bill(tmp_path, ("USE1-NovaPro-input-tokens", "8"), ("USE1-NovaMicro-input-tokens", "2"))
    there.others = {"athena": there.athena, "bedrock": Logging()}
    there.runs.objects[f"discovery/days/source=0/{LAST}.json"] = b"{}"
    page = tmp_path / "page.html"
    asked = ("coverage", "--from", f"{LAST}", "--to", f"{LAST}", "--export", str(export))

    # Then both are told, the place that nobody reads, and the page has them
    given = typed(*asked, "--page", str(page))
    assert given.exit_code == 0, given.output
    assert "The logs see 40% of the bill: $4.00 in the log, $10.00 on the bill." in " ".join(given.output.split())
    assert "partly" in given.output
    assert "not logged" in given.output
    assert "s3://another-bucket, which is not in 'log_sources'" in " ".join(given.output.split())
    assert "the logs see 40% of the bill" in page.read_text()
    assert json.loads(typed(*asked, "--json").output)["share"] == "0.4000"

    # And a query that fails says why
    there.athena.state = "FAILED"
    failed = typed(*asked)
    assert failed.exit_code == 1
    assert "it would scan too much" in failed.output


def test_coverage_goes_through_every_month_and_says_which_has_no_bill(
    typed: Typed, there: There, tmp_path: Path
) -> None:
    # Given 76 days, of which discovery has read the last, and a bill without the first month
    first = LAST - timedelta(days=75)
    days = [first + timedelta(days=ahead) for ahead in range(76)]
    billed = tuple(day for day in days if f"{day:%Y-%m}" != f"{first:%Y-%m}")
    export = bill(tmp_path, ("USE1-NovaPro-input-tokens", "8"), ("USE1-NovaMicro-input-tokens", "1"), days=billed)
    there.others = {"athena": there.athena, "bedrock": Logging()}
    there.runs.objects[f"discovery/days/source=0/{LAST}.json"] = b"{}"
    asked = ("coverage", "--from", f"{first}", "--to", f"{LAST}", "--export", str(export), "--json")

    # When coverage is asked for
    given = typed(*asked)

    # Then each month that has a bill is in it, and the one that has none is named
    assert given.exit_code == 0, given.output
    document = json.loads(given.output)
    assert Decimal(document["bill_usd"]) == 9 * len(billed)
    assert [text for text in document["unread"] if text.startswith(f"no bill for {first:%Y-%m}")]

    # And days that nobody has read are not said to lack lines; the day that was read does
    assert f"{billed[0]}: not read yet, $9.00 on the bill: 'discover' reads it" in document["gaps"]
    assert [text for text in document["gaps"] if "no line of" in text] == [
        f"{LAST}: no line of amazon.nova-micro-v1:0 in the log, $1.00 on the bill"
    ]


def test_coverage_is_refused_where_no_month_of_the_range_has_a_bill(typed: Typed, there: There, tmp_path: Path) -> None:
    export = bill(tmp_path, ("USE1-NovaPro-input-tokens", "8"), days=(LAST - timedelta(days=200),))
    there.others = {"athena": there.athena, "bedrock": Logging()}
    given = typed("coverage", "--from", f"{LAST - timedelta(days=75)}", "--export", str(export))
    assert given.exit_code == 1
    assert "no line about Bedrock" in given.output


@pytest.mark.parametrize(
    ("refused", "told"), [("AccessDenied", True), ("AccessDeniedException", True), ("Throttling", False)]
)
def test_without_the_rights_of_finance_it_is_said_that_what_is_proven_is_not_known(
    there: There, monkeypatch: pytest.MonkeyPatch, refused: str, *, told: bool
) -> None:
    # Given a found task whose student serves, and an analyst who may not read a month
    def refuses(*_: Any) -> Any:
        raise ClientError({"Error": {"Code": refused, "Message": "no"}}, "Query")

    monkeypatch.setattr(discovery_found, "read_month", refuses)
    acted = {there.task: ActedOn(run_id="run-1", serves=True)}
    # When / Then: nobody takes it for nothing saved; any other error is not hidden
    if told:
        assert discovery_found.proven(there.deployment(), acted) is None
    else:
        with pytest.raises(ClientError):
            discovery_found.proven(there.deployment(), acted)
    # And where no student serves, nothing is proven, whoever asks
    assert discovery_found.proven(there.deployment(), {there.task: ActedOn(run_id="run-1", serves=False)}) == 0
