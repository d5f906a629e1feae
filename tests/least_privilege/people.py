"""People at the command line, each in a role of docs/access.md: what their verbs call, what their policies allow."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from click.testing import CliRunner

from cli.deployment import Deployment as Connected
from cli.labelling.scores import Scores
from cli.main import cli
from cli.session import Session
from local.bedrock_simulator.protocol.service import Request
from local.embedded_aws.lifecycle import ACCOUNT, REGION
from tests.end_to_end.account import example_lines, lenient
from tests.faults.hurry import without_pause
from tests.faults.machine import Json
from tests.faults.scenarios import LOG_SOURCE, finish, upload
from tests.faults.world import NAMES, World, deployed
from tests.identities import ROOT
from tests.in_process import NOWHERE, Answer
from tests.least_privilege.grants import DISCOVERY_MACHINE, Grant, one_by_one
from tests.least_privilege.money_people import (
    DISCOVERED,
    EXPORT_BUCKET,
    EXPORT_PREFIX,
    account_for_money,
    look_for_savings,
)
from tests.least_privilege.needs import Needs
from tests.least_privilege.scene import TASK, promoted, until
from tests.stacks.templates import Deployment, listed

DOCUMENTS = Path(__file__).parents[2] / "docs" / "access"
ENVIRONMENT, OTHER_TASK = "local", "searched"
FUNCTIONS = {
    "StartRunFunction": "start_run",
    "AnswerApprovalFunction": "answer_approval",
    "RecordLabelsFunction": "record_labels",
    "ReconcileFunction": "reconcile_runs",
    "RollbackFunction": "roll_back_champion",
    "ReapFunction": "reap_idle_throughput",
}
BUCKETS = {"UploadsBucket": NAMES["UPLOADS_BUCKET"], "RunsBucket": NAMES["RUNS_BUCKET"]}
PLACEHOLDERS = {
    "Account": ACCOUNT,
    "Region": REGION,
    "Environment": ENVIRONMENT,
    "Task": TASK,
    "DataKey": NAMES["MODEL_KEY_ARN"].rpartition("/")[2],
    "RegistryTable": NAMES["REGISTRY_TABLE"],
    "DiscoveryMachine": DISCOVERY_MACHINE.rpartition(":")[2],
    "LogBucket": LOG_SOURCE["bucket"],
    "LogPrefix": f"{LOG_SOURCE['prefix']}/",
    "ExportBucket": EXPORT_BUCKET,
    "ExportPrefix": EXPORT_PREFIX,
    **DISCOVERED,
    **BUCKETS,
    **FUNCTIONS,
}
"""What a person puts into the documents; here a Lambda's name is its folder."""


def policy(role: str) -> Json:
    """Read the document of a role with the names of this account in it."""
    text = (DOCUMENTS / f"{role}.json").read_text(encoding="utf-8")
    document: Json = json.loads(re.sub(r"\$\{(\w+)\}", lambda found: PLACEHOLDERS[found[1]], text))
    return document


def grants(role: str) -> list[Grant]:
    """Give what a role's document allows, one action on one resource each."""
    return [
        Grant(action, resource, json.dumps(condition, sort_keys=True))
        for statement in policy(role)["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        for condition in one_by_one(statement.get("Condition", {}))
    ]


@dataclass
class People:
    """A world with people in it.

    Attributes
    ----------
    world : World
    folder : Path
        Where a person keeps task folders and reports.
    more_settings : dict
        Settings that the environment was deployed with, beside those of its template.
    """

    world: World
    folder: Path
    more_settings: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._answers = self.world.aws._services["lambda"]
        self.world.aws.serve("lambda", self._lambda)
        self.world.aws.serve("cloudformation", _stacks)

    def call(self, role: str, *arguments: str) -> str:
        """Type a verb in a role; what it called is recorded under the role's name."""
        # Each connects anew: the addresses of a deployment are looked up by every person.
        session = Session(lambda: Connected(ENVIRONMENT, REGION, self._client), as_json=False)
        before, self.world.running = self.world.running, role
        try:
            given = CliRunner().invoke(cli, list(arguments), obj=session)
        finally:
            self.world.running = before
        assert given.exit_code in (0, 1), (arguments, given.output, given.exception)
        assert "refused" not in given.output.lower(), given.output
        assert given.exception is None or isinstance(given.exception, SystemExit), given.exception
        return str(given.output)

    def _client(self, service: str) -> Any:
        """Make a client; proofs of identity are signed here and asked by the Lambdas, so nothing is sent by STS's."""
        if service != "sts":
            return self.world.aws.client(service)
        return boto3.client(
            "sts",
            region_name=REGION,
            endpoint_url=NOWHERE,
            aws_access_key_id=ROOT.key,
            aws_secret_access_key=ROOT.secret,
        )

    def _lambda(self, operation: str, request: Request) -> Answer:
        if operation != "GetFunctionConfiguration":
            return self._answers(operation, request)
        variables = dict(self.world._by_folder(request.path.split("/")[3]).variables)
        if "PIPELINE_SETTINGS" in variables:
            settings = json.loads(variables["PIPELINE_SETTINGS"]) | self.more_settings
            variables["PIPELINE_SETTINGS"] = json.dumps(settings)
        return 200, {}, json.dumps({"Environment": {"Variables": variables}}).encode()

    # What an execution acts on while a person is waited for

    def invoke(self, state: str, function: str, payload: Json) -> Any:
        return self.world.invoke(state, function, payload)

    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    def answer_to(self, _state: str, token: str, _timeout_s: int) -> Any:
        run_id = self.waiting
        if not self.labelled:
            self.labelled = True
            self.world._words.pop(token, None)
            label(self, run_id)
            return self.world._words[token]
        self.call("approver", "runs")
        self.call("approver", "report", run_id, "--out", str(self.folder / "read"))
        self.world._words.pop(token, None)  # tokens of another execution have the same names
        self.call("approver", "approve", "latest", "--explicitly", "--yes", "--why", "it is good")
        return self.world._words[token]

    waiting = ""
    labelled = False


def _stacks(operation: str, _request: Request) -> Answer:
    assert operation == "DescribeStacks", operation
    machine = {"StateMachineArn": NAMES["STATE_MACHINE_ARN"]}
    outputs = {**BUCKETS, "RegistryTable": NAMES["REGISTRY_TABLE"], **FUNCTIONS, **machine, **DISCOVERED}
    members = "".join(
        f"<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>"
        for key, value in outputs.items()
    )
    stack = (
        f"<member><StackName>one</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>"
        f"<StackStatus>CREATE_COMPLETE</StackStatus><Outputs>{members}</Outputs></member>"
    )
    result = f"<DescribeStacksResult><Stacks>{stack}</Stacks></DescribeStacksResult>"
    body = f"<DescribeStacksResponse>{result}</DescribeStacksResponse>"
    return 200, {"content-type": "text/xml"}, body.encode()


def task_folder(folder: Path) -> Path:
    """Write a task's folder as a person has it."""
    made = folder / TASK
    made.mkdir(parents=True)
    (made / "prompts.jsonl").write_bytes(b"\n".join(example_lines()[:300]))
    (made / "task.json").write_text(json.dumps(lenient()))
    return made


@contextmanager
def people_at_work(deployment: Deployment, folder: Path) -> Iterator[Needs]:
    """Let each role use each of its verbs; give what was needed."""
    needs = Needs()
    with deployed(deployment) as world:
        people = People(world, folder)
        # Champions of both kinds, one of which an earlier version promoted
        promoted(world, serving={"mode": "provisioned_throughput"})
        second = promoted(world, 2, serving={"mode": "provisioned_throughput"})
        finish(world, upload(world, OTHER_TASK, "of the day", serving={"mode": "on_demand"}))
        world._table.update(f"TASK#{OTHER_TASK}", "TASK", "REMOVE champion.limits", {})
        needs.listen(world)

        def minute(seconds: float) -> None:
            without_pause(seconds)
            if not threading.current_thread().daemon:  # what looks after the emulator moves no time
                world.pass_time(60)

        with mock.patch.object(time, "sleep", minute):
            people.call("uploader", "submit", str(task_folder(folder)))
            for verb in (("runs",), ("watch", second), ("report", second, "--out", str(folder / "report")), ("costs",)):
                people.call("reader", *verb)
            assert "beyond" not in people.call("reader", "champions")
            people.call("reader", "route", TASK, "--status")
            _approve(people)
            _operate(people)
            look_for_savings(people, needs)
            account_for_money(people)
        yield needs


def label(people: People, run_id: str) -> None:
    """Score blinded answers on a page, and import what it exports."""
    page, export = people.folder / "page.html", people.folder / "export.json"
    people.call("labeller", "label", run_id, "--page", str(page))
    text = page.read_text(encoding="utf-8").partition('id="data">')[2].partition("</script>")[0]
    known = json.loads(text)
    scores = [{"record_id": one["record_id"], "answers": one["answers"], "first": 5, "second": 5}
              for one in known["records"]]  # fmt: skip
    export.write_text(json.dumps({"version": known["version"], "run_id": run_id, "scores": scores}))
    with mock.patch.object(Scores, "write"):  # into the folder in which a person calls
        people.call("labeller", "label", "latest", "--import", str(export))


def _approve(people: People) -> None:
    people.waiting = upload(people.world, "asked", "of the day", serving={"mode": "on_demand"})
    execution = until(people.world.execution(people.waiting), "RequestApproval")
    execution.around = people
    old = people.world.run(people.waiting).report_sha256
    execution.step()
    until(execution, "RequestApproval")
    assert people.world.run(people.waiting).report_sha256 != old
    execution.step()
    finish(people.world, people.waiting)
    assert people.world.run(people.waiting).outcome == "PROMOTED", people.world.run(people.waiting).reason


def _operate(people: People) -> None:
    world = people.world
    *_, queued = (upload(world, f"queued{number}", "of the day") for number in range(3))
    assert world.run(queued).state == "QUEUED"
    people.call("operator", "stop", queued, "--why", "it waits too long")
    assert world.run(queued).outcome == "STOPPED"
    people.call("operator", "retry", "latest")
    assert world.run(queued).attempt == 2
    people.call("operator", "report", queued, "--out", str(people.folder / "stopped"))
    people.call("operator", "rollback", TASK, "--why", "it was better")
    assert world.tasks.history(TASK)[-1]["action"] == "rolled back"
    people.call("operator", "confirm", TASK, "--why", "it shall go on")
    people.call("operator", "route", TASK)
    people.call("operator", "route", TASK, "--status")
    people.call("operator", "serve", TASK, "--mode", "fallback", "--why", "it is wrong about dogs")
    choice = world.tasks.state(TASK).choice
    assert choice is not None
    assert choice.mode == "fallback"
    people.call("operator", "reap")
