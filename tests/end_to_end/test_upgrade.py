"""An account of commit 70254ec gets this version: nothing is lost, and every run of that commit ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.deployment import Deployment
from cli.ownership import tagging_commands, untagged
from lambdas.domain.bedrock_names import ENVIRONMENT_TAG
from lambdas.gateways.registry.runs import QUEUED, Run
from local.embedded_aws.deploy import deploy, simulated_account
from local.embedded_aws.lifecycle import EmbeddedAws
from tests.end_to_end.account import Account, example_lines, lenient, until
from tests.end_to_end.conftest import SIMULATOR, WAIT_SCALE
from tests.end_to_end.old_assembly import unpack

pytestmark = pytest.mark.end_to_end

MACHINE_LOG = "/aws/vendedlogs/states/distillation-local"


@dataclass
class Upgraded:
    """An account before and after the deployment of this version."""

    account: Account
    serving: Run
    waiting: Run
    queued: str
    before: dict[str, Any]
    """What the old version had: outputs, registry items, log groups, what bills."""


def as_then(**changes: object) -> dict[str, object]:
    """Give the example's definition with the fields that the old version knew."""
    task: dict[str, Any] = lenient(**changes)
    return {**task, "serving": {key: value for key, value in task["serving"].items() if key != "peak_to_mean"}}


def inventory(account: Account) -> dict[str, Any]:
    items = account.aws.client("dynamodb").scan(TableName=account.outputs["RegistryTable"])["Items"]
    groups = account.aws.client("logs").get_paginator("describe_log_groups").paginate()
    return {
        "outputs": dict(account.outputs),
        "items": {f"{item['pk']['S']} {item['sk']['S']}" for item in items},
        "logs": {group["logGroupName"] for page in groups for group in page["logGroups"]},
        "billable": {thing["arn"] for thing in account.billable()},
    }


@pytest.fixture(scope="module")
def upgraded(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    settings = json.dumps(simulated_account() | SIMULATOR)
    old = unpack(tmp_path_factory.mktemp("old") / "cdk.out", today=assembly)
    workdir = tmp_path_factory.mktemp("upgraded-aws")
    with EmbeddedAws.start(workdir, wait_scale=WAIT_SCALE, simulator_options=["--settings", settings]) as aws:
        # Given one run at a time: one that serves, one that waits for a person, one in the queue
        deploy(aws, old)
        account = Account(aws)
        serving = account.ended(account.upload("serving", example_lines()[:200], **as_then()).run_id)
        waiting = account.upload("waiting", example_lines()[:201], **as_then(approval="required")).run_id
        asked = account.approval_wanted(waiting)
        queued = account.upload("queued", example_lines()[:202], **as_then()).run_id
        until(lambda: account.registry.find(queued), "the queued run")
        assert account.registry.run(queued).state == QUEUED
        before = inventory(account)
        # When
        deploy(aws, assembly)
        yield Upgraded(Account(aws), serving, asked, queued, before)


def test_nothing_is_lost(upgraded: Upgraded) -> None:
    # Given
    after = inventory(upgraded.account)
    # Then buckets, tables and machine are the same, whatever is new beside them
    assert upgraded.before["outputs"].items() <= after["outputs"].items()
    assert upgraded.before["items"] <= after["items"]
    assert upgraded.before["billable"] <= after["billable"]
    # And the logs of the old version are kept, that of the machine under its old name too
    assert upgraded.before["logs"] <= after["logs"]
    assert MACHINE_LOG in after["logs"] - upgraded.before["logs"]


def test_what_served_serves_on(upgraded: Upgraded) -> None:
    # Given
    account, serving = upgraded.account, upgraded.serving
    assert serving.outcome == "PROMOTED", serving.reason
    # When
    lines = account.invoke("ReapFunction", {})
    champion = json.loads(
        account.aws.client("ssm").get_parameter(Name="/distillation/local/serving/champion")["Parameter"]["Value"]
    )
    # Then
    assert champion["endpoint_arn"] == serving.endpoint_arn
    assert serving.endpoint_arn in {thing["arn"] for thing in account.billable()}
    assert "errorMessage" not in lines, lines


def test_a_tag_that_an_old_resource_lacks_is_told_with_the_command_that_adds_it(upgraded: Upgraded) -> None:
    # Given an endpoint and a model whose version made them without the tag by which roles may use them
    aws, serving = upgraded.account.aws, upgraded.serving
    bedrock = aws.client("bedrock")
    deployment = Deployment.on_embedded_aws("local", aws.workdir)
    assert untagged(deployment) == []
    assert serving.endpoint_arn
    bedrock.untag_resource(resourceARN=serving.endpoint_arn, tagKeys=[ENVIRONMENT_TAG])
    # When
    lacking = untagged(deployment)
    said = tagging_commands(lacking, "local")
    # Then the command says just what is missing, and done as said nothing lacks it
    assert lacking == [serving.endpoint_arn]
    command = f"aws bedrock tag-resource --resource-arn {serving.endpoint_arn} --tags "
    assert said.startswith(command)
    pair = dict(part.split("=", 1) for part in said.removeprefix(command).split(","))
    bedrock.tag_resource(resourceARN=serving.endpoint_arn, tags=[pair])
    assert untagged(deployment) == []


def test_a_run_that_waited_for_approval_is_approved_and_ends(upgraded: Upgraded) -> None:
    # Given
    account, waiting = upgraded.account, upgraded.waiting
    # When the old execution, with the old version's Lambdas, gets its answer from the new one
    answer = account.answer(account.registry.run(waiting.run_id))
    # Then
    assert "errorMessage" not in answer, answer
    ended = account.ended(waiting.run_id)
    assert ended.outcome == "PROMOTED", ended.reason
    assert account.report(ended)["outcome"] == "PROMOTED"
    assert account.bills_what_the_registry_says("waiting")


def test_a_run_that_was_queued_starts_and_ends(upgraded: Upgraded) -> None:
    # Given
    account = upgraded.account
    # When
    if account.registry.run(upgraded.queued).state == QUEUED:
        account.look_after_all()
    # Then
    ended = account.ended(upgraded.queued)
    assert ended.outcome == "PROMOTED", ended.reason
    assert account.bills_what_the_registry_says("queued")
