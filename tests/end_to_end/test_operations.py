"""The day after: what serves, what bills for nobody, what a run leaves, and how all of it goes away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.deep_doctor import LOOKS
from cli.main import cli
from lambdas.domain.bedrock_names import resource_tags
from lambdas.gateways.registry.runs import Run
from local.embedded_aws.deploy import deployed
from tests.end_to_end.account import Account, example_lines, lenient, until
from tests.end_to_end.conftest import SIMULATOR, WAIT_SCALE

pytestmark = pytest.mark.end_to_end

Call = Callable[..., Result]


@pytest.fixture
def call(account: Account) -> Call:
    return caller(account)


def caller(account: Account) -> Call:
    def run_it(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--local-dir", str(account.aws.workdir), *arguments])

    return run_it


def ghost(account: Account, name: str) -> tuple[str, Run]:
    """Make what a killed run leaves that the registry never heard of: a throughput with the pipeline's tags.

    Gives it and the task's champion.
    """
    bedrock = account.aws.client("bedrock")
    champion = account.ended(account.upload(name, example_lines()[:200], **lenient()).run_id)
    assert champion.outcome == "PROMOTED", champion.reason
    model = champion.facts["custom_model_arn"]
    made: str = bedrock.create_provisioned_model_throughput(
        provisionedModelName=f"local-{name}-ghost",
        modelId=model,
        modelUnits=1,
        tags=resource_tags("local", name, f"{name}-000000000000", "PromoteStudent"),
    )["provisionedModelArn"]
    until(
        lambda: bedrock.get_provisioned_model_throughput(provisionedModelId=made)["status"] == "InService",
        "the throughput",
    )
    return made, champion


def test_what_a_killed_run_left_is_found_by_name_and_tag_and_taken_away(account: Account, call: Call) -> None:
    # Given
    left, champion = ghost(account, "haunted")
    # When
    looked = call("--json", "reap")
    # Then
    findings = json.loads(looked.output)["findings"]
    found = {item["arn"]: item for item in findings}
    assert looked.exit_code == 1, looked.output
    assert found[left]["reason"] == "UNUSED"
    assert champion.endpoint_arn not in found
    assert left in {thing["arn"] for thing in account.billable()}, "looking deletes nothing"
    # When
    deleted = json.loads(call("--json", "reap", "--delete").output)["findings"]
    # Then
    assert {item["arn"]: item["done"] for item in deleted}[left] == "deleted"
    assert left not in {thing["arn"] for thing in account.billable()}
    assert champion.endpoint_arn in {thing["arn"] for thing in account.billable()}


def test_a_champion_is_listed_confirmed_and_protected(account: Account, call: Call) -> None:
    # Given
    for prompts in (200, 260):  # the second student takes over the endpoint that the first one's run made
        run = account.ended(account.upload("listed", example_lines()[:prompts], **lenient()).run_id)
        assert run.outcome == "PROMOTED", run.reason
    # When
    confirmed = call("confirm", "listed", "--why", "the team needs it")
    # Then
    assert confirmed.exit_code == 0, confirmed.output
    lines = [json.loads(line) for line in call("--json", "champions").output.splitlines()]
    [champion] = [line for line in lines if line["task"] == "listed"]
    assert champion["endpoint_arn"] == run.endpoint_arn
    assert champion["usd_per_hour"] > 0
    assert champion["confirmed_at"]
    assert "simulated" in call("champions").output
    # When, Then
    refused = call("forget", run.run_id, "--yes")
    assert refused.exit_code == 1
    assert "serves the task" in refused.output
    assert call("confirm", "no-such-task").exit_code == 1


def test_a_run_is_forgotten_with_every_version_of_its_files(account: Account, call: Call) -> None:
    # Given a run that was refused before anything was paid
    upload = account.upload("forgotten", example_lines()[:20])
    run = account.ended(upload.run_id)
    bucket = account.outputs["RunsBucket"]

    def versions() -> list[Any]:
        answer = account.s3.list_object_versions(Bucket=bucket, Prefix=f"{run.files.root}/")
        return [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]

    assert versions()
    # When
    aborted = call("forget", run.run_id)
    # Then
    assert aborted.exit_code == 1
    assert versions(), "without a yes nothing is deleted"
    # When
    forgotten = call("forget", run.run_id, "--yes")
    # Then
    assert forgotten.exit_code == 0, forgotten.output
    assert versions() == []
    assert account.registry.find(run.run_id) is None
    assert call("forget", run.run_id, "--yes").exit_code == 4


def test_doctor_finds_the_embedded_aws_well_and_says_what_it_looked_at(call: Call) -> None:
    # When
    said = call("--json", "doctor")
    # Then
    checks = {check["name"]: check for check in json.loads(said.output)}
    assert said.exit_code == 0, said.output
    assert {"Region", "Deployment", "Model for teacher", "Customization", "Notifications"} <= checks.keys()
    assert all(check["fix"] for check in checks.values() if check["state"] != "ok")


def test_deep_doctor_asks_every_item_of_the_page_and_writes_what_an_issue_can_carry(call: Call, tmp_path: Path) -> None:
    # When
    began = time.monotonic()
    said = call("doctor", "--deep", "--out", str(tmp_path / "doctor.json"))
    took = time.monotonic() - began
    # Then
    assert said.exit_code == 1, said.output
    told = json.loads((tmp_path / "doctor.json").read_text())
    states = {item["item"]: item["state"] for item in told["items"]}
    assert list(states) == [look.item for look in LOOKS]
    assert told["simulated"]
    # what the simulator answers is known, and what only an account has is open, not an error
    assert {states[item] for item in ("1", "2", "26")} == {"confirmed"}
    assert {states[item] for item in ("4", "15", "20")} == {"open"}
    # the settings name a log bucket, and nobody switched the delivery of logs on
    assert [item for item, state in states.items() if state == "refuted"] == ["18"]
    assert "simulated" in said.output.splitlines()[-1]
    assert took < 20


def test_teardown_deletes_every_bedrock_resource_before_the_stacks_go(tmp_path: Path, assembly: Path) -> None:
    with deployed(tmp_path, assembly=assembly, wait_scale=WAIT_SCALE, simulator_settings=SIMULATOR) as aws:
        # Given a champion, a leftover and a run in progress
        account = Account(aws)
        call = caller(account)
        ghost(account, "torn")
        waiting = account.upload("waits", example_lines()[:200], **lenient(approval="required"))
        until(lambda: account.entered(waiting.run_id, "RequestApproval"), "the request for approval")
        account.simulator.change(durations={"job": 600.0})
        account.upload("trains", example_lines()[:220], **lenient())
        until(lambda: [job for job in account.simulator.resources().jobs if job["status"] == "InProgress"], "a job")
        # ... and two that wait for a slot
        queued = [account.upload(f"queued-{number}", example_lines()[: 230 + number], **lenient()) for number in (1, 2)]
        until(lambda: all(account.registry.find(one.run_id) for one in queued), "the queue")
        before = len(account.billable())
        # When
        plan = json.loads(call("--json", "teardown", "--dry-run").output)
        # Then
        assert len(plan["runs"]) == 4
        kinds = {item["kind"] for item in plan["resources"]}
        assert kinds >= {"provisioned_throughput", "custom_model", "customization_job"}
        assert len(account.billable()) == before
        # When
        assert call("teardown").exit_code == 1, "without the environment's name nothing is deleted"
        assert len(account.billable()) == before
        done = call("teardown", "--yes")
        # Then
        assert done.exit_code == 0, done.output
        assert "cdk destroy" in done.output
        resources = account.simulator.resources()
        assert not [thing for thing in (*resources.deployments, *resources.throughputs) if thing["status"] != "Deleted"]
        assert account.billable() == []
        pointers = aws.client("ssm").get_parameters_by_path(Path="/distillation/local/", Recursive=True)["Parameters"]
        assert pointers == []
        # Then nothing begins behind it, and it is known what was torn down
        runs = [account.registry.run(one.run_id) for one in (waiting, *queued)]
        assert {(run.state, run.outcome) for run in runs} == {("ENDED", "STOPPED")}
        account.look_after_all()
        late = account.upload("late", example_lines()[:240], **lenient())
        until(lambda: account.registry.find(late.run_id), "the late upload")
        account.look_after_all()
        assert account.registry.run(late.run_id).state == "QUEUED"
        assert account.billable() == []
        assert "was torn down" in call("champions").output
        # When it is opened again
        assert call("teardown", "--reopen").exit_code == 0
        account.look_after_all()
        # Then what waited runs
        assert account.registry.run(late.run_id).state == "RUNNING"
