"""The policies of docs/access.md: what the verbs of a role call is allowed, and nothing that no verb of it calls."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.__main__ import local_deployment
from tests.faults.world import NAMES
from tests.least_privilege.grants import DISCOVERY_MACHINE, Grant, uncovered, unused
from tests.least_privilege.needs import Need, Needs, key_needs
from tests.least_privilege.people import DOCUMENTS, FUNCTIONS, PLACEHOLDERS, grants, people_at_work
from tests.least_privilege.scene import TASK

pytestmark = pytest.mark.timeout(600)

ROLES = ("uploader", "reader", "labeller", "approver", "operator", "analyst", "finance")
UPLOADS, RUNS = f"arn:aws:s3:::{NAMES['UPLOADS_BUCKET']}", f"arn:aws:s3:::{NAMES['RUNS_BUCKET']}"
CHANGES = re.compile(r":(Put|Delete|Update|Create|Stop|Start|Invoke|Tag|Transact|BatchWrite|Send|Publish)")
WITHOUT_RESOURCE = (
    "cloudwatch:GetMetricData",
    "lambda:ListFunctions",
    "bedrock:GetModelInvocationLoggingConfiguration",
)
"""Actions that name no resource (service authorization reference)."""

MOST = 6_144
"""Characters of a managed policy, white space not counted (IAM user guide, quotas)."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Needs:
    with people_at_work(local_deployment(), tmp_path_factory.mktemp("people")) as needs:
        return needs


def needed(recorded: Needs, role: str) -> set[Need]:
    return recorded.of[role]


def test_no_call_is_unknown(recorded: Needs) -> None:
    assert recorded.unknown == set(), "say in needs.py what AWS checks for these"


@pytest.mark.parametrize("role", ROLES)
def test_what_the_verbs_of_a_role_call_is_allowed(recorded: Needs, role: str) -> None:
    assert needed(recorded, role)
    assert uncovered(grants(role), needed(recorded, role)) == []


@pytest.mark.parametrize("role", ROLES)
def test_nothing_is_allowed_that_no_verb_of_a_role_calls(recorded: Needs, role: str) -> None:
    assert list(unused(grants(role), needed(recorded, role))) == [], "cut these, or use them in people.py"


@pytest.mark.parametrize("role", ROLES)
def test_a_statement_that_is_missing_would_be_found(recorded: Needs, role: str) -> None:
    given, needs = grants(role), needed(recorded, role)
    without = [one for one in given if not uncovered([other for other in given if other != one], needs)]
    # The same need may be met twice: what reads a report reads a task definition.
    assert [str(one) for one in without] == []


def test_a_reader_can_change_nothing() -> None:
    assert [one.action for one in grants("reader") if CHANGES.search(one.action)] == []


def test_only_the_uploader_puts_and_only_into_one_task(recorded: Needs) -> None:
    # Given what an uploader really writes, as another task's whose name begins or ends like this one's
    writes = {need for need in needed(recorded, "uploader") if need.action == "s3:PutObject"}
    assert {need.resource for need in writes} >= {f"{UPLOADS}/{TASK}/task.json", f"{UPLOADS}/{TASK}/prompts.jsonl"}
    others = {
        replace(need, resource=need.resource.replace(f"/{TASK}/", f"/{name}/"))
        for need in writes
        for name in ("other", f"{TASK}-2", f"x{TASK}", TASK.upper(), f"other/{TASK}")
    }
    # And what nobody may write
    others |= {Need("s3:PutObject", f"{bucket}/runs/{TASK}/report.json") for bucket in (RUNS, UPLOADS)}
    others |= {Need("s3:PutObject", f"{UPLOADS}/prompts.jsonl"), Need("s3:DeleteObject", f"{UPLOADS}/{TASK}/task.json")}
    others |= {Need("s3:GetObject", f"{UPLOADS}/{TASK}/prompts.jsonl")}
    # Then
    assert set(uncovered(grants("uploader"), others)) == others
    for role in ROLES[1:]:
        assert set(uncovered(grants(role), writes)) == writes


def test_an_uploader_lists_its_own_task_only() -> None:
    prefixes = ("", "other/", TASK, f"{TASK}-2/", "runs/")
    others = {Need("s3:ListBucket", UPLOADS, (("s3:prefix", prefix),)) for prefix in prefixes}
    assert set(uncovered(grants("uploader"), others)) == others


@pytest.mark.parametrize("role", ROLES)
def test_the_key_is_used_through_the_services_that_hold_the_data_only(recorded: Needs, role: str) -> None:
    mine = {need for need in needed(recorded, role) if need.action.startswith("kms:")}
    elsewhere = {need for service in ("bedrock", "ec2", "sns") for need in key_needs(service)}
    assert mine
    assert set(uncovered(grants(role), elsewhere)) == elsewhere


@pytest.mark.parametrize(
    ("role", "functions"),
    [
        ("uploader", set()),
        ("reader", set()),
        ("labeller", {"RecordLabelsFunction"}),
        ("approver", {"AnswerApprovalFunction"}),
        ("operator", {"StartRunFunction", "ReconcileFunction", "RollbackFunction", "ReapFunction"}),
    ],
)
def test_each_function_that_people_call_belongs_to_one_role(role: str, functions: set[str]) -> None:
    invoked = {name for name in FUNCTIONS if any(_invokes(one, FUNCTIONS[name]) for one in grants(role))}
    assert invoked == functions


def _invokes(grant: Grant, function: str) -> bool:
    return grant.action == "lambda:InvokeFunction" and grant.resource.endswith(f":function:{function}")


def test_an_analyst_writes_results_of_queries_alone_and_reads_no_report(recorded: Needs) -> None:
    # Given what an analyst really writes
    writes = {need for need in needed(recorded, "analyst") if need.action == "s3:PutObject"}
    assert {need.resource for need in writes} == {f"{RUNS}/discovery/results/one.csv"}
    others = {
        *(
            replace(one, resource=f"{RUNS}/discovery/{name}/one")
            for one in writes
            for name in ("salt", "rules", "calls")
        ),
        Need("s3:PutObject", f"{UPLOADS}/task/one.logs.json"),
        Need("s3:GetObject", f"{RUNS}/runs/one/attempts/1/report/report.json"),
        Need("s3:GetObject", f"arn:aws:s3:::other-logs/app/AWSLogs/{PLACEHOLDERS['Account']}/one"),
        Need("states:StopExecution", f"{DISCOVERY_MACHINE.replace(':stateMachine:', ':execution:')}:one"),
        Need("athena:StartQueryExecution", "arn:aws:athena:us-east-1:000000000000:workgroup/primary"),
    }
    assert set(uncovered(grants("analyst"), others)) == others


def test_a_finance_role_changes_nothing_and_reads_no_prompt_but_those_of_reports() -> None:
    assert [one.action for one in grants("finance") if CHANGES.search(one.action)] == []
    others = {
        Need("s3:GetObject", f"{RUNS}/runs/one/dataset/train.jsonl"),
        Need("s3:GetObject", f"{RUNS}/runs/one/attempts/1/report/report.html"),
        Need("s3:GetObject", f"{UPLOADS}/{TASK}/prompts.jsonl"),
        Need("s3:GetObject", f"{RUNS}/discovery/opportunities/latest.json"),
        Need("s3:PutObject", f"arn:aws:s3:::{PLACEHOLDERS['ExportBucket']}/{PLACEHOLDERS['ExportPrefix']}/one.csv"),
    }
    assert set(uncovered(grants("finance"), others)) == others


@pytest.mark.parametrize("role", ROLES)
def test_nobody_reaches_what_only_roles_of_the_pipeline_may(role: str) -> None:
    table = f"arn:aws:dynamodb:{PLACEHOLDERS['Region']}:{PLACEHOLDERS['Account']}:table"
    others = {
        Need(f"dynamodb:{operation}", f"{table}/{NAMES['APPROVALS_TABLE']}") for operation in ("GetItem", "Query")
    }
    others |= {
        Need(f"dynamodb:{operation}", f"{table}/{NAMES['REGISTRY_TABLE']}")
        for operation in ("PutItem", "UpdateItem", "DeleteItem", "Scan")
    }
    others |= {Need("states:StartExecution", NAMES["STATE_MACHINE_ARN"]), Need("states:SendTaskSuccess", "*")}
    others |= {Need("s3:GetObject", f"{RUNS}/answers/{TASK}/one.jsonl")}
    assert set(uncovered(grants(role), others)) == others


@pytest.mark.parametrize("role", ROLES)
def test_a_document_has_no_wildcard_for_an_action_and_fits_into_a_policy(role: str) -> None:
    text = (DOCUMENTS / f"{role}.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert all("*" not in action for statement in document["Statement"] for action in statement["Action"])
    everywhere = [one for one in document["Statement"] if "*" in one["Resource"]]
    assert [action for one in everywhere for action in one["Action"] if action not in WITHOUT_RESOURCE] == []
    assert len(re.sub(r"\s", "", text)) < MOST
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= set(PLACEHOLDERS)


def test_the_page_names_every_role_verb_and_placeholder_that_is_no_output() -> None:
    page = (Path(__file__).parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
    for role in ROLES:
        assert f"access/{role}.json" in page
    for verb in (
        "submit",
        "watch",
        "label",
        "approve",
        "reject",
        "retry",
        "stop",
        "rollback",
        "confirm",
        "reap",
        "forget",
        "route",
        "serve",
        "discover",
        "opportunity",
        "coverage",
        "distil",
        "reconcile",
        "showback",
    ):
        assert f"`{verb}`" in page
