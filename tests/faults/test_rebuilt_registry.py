"""A lost registry, written again from the reports and from Bedrock, carries the next promotion."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli.deployment import Deployment as Place
from cli.rebuild import rebuilt_registry, write_missing
from lambdas.domain.task.settings import Settings
from tests.faults.scenarios import finish, upload
from tests.faults.world import World, deployed
from tests.stacks.templates import Deployment


@pytest.fixture
def world(deployment: Deployment) -> Iterator[World]:
    with deployed(deployment) as made:
        yield made


def place(world: World, settings: Settings) -> Place:
    """Give the command line's view of the account."""
    outputs = {"data": {"RegistryTable": "registry", "RunsBucket": "distillation-runs"}}
    found = Place("local", "us-east-1", world.aws.client, local=True, _outputs=outputs)
    found.__dict__["settings"] = settings
    return found


def lose(world: World) -> None:
    client = world.aws.client("dynamodb")
    for page in client.get_paginator("scan").paginate(TableName="registry"):
        for item in page["Items"]:
            client.delete_item(TableName="registry", Key={"pk": item["pk"], "sk": item["sk"]})


def published_policy(world: World) -> dict[str, Any]:
    parameter = world.aws.client("ssm").get_parameter(Name="/distillation/local/video/policy")["Parameter"]
    policy: dict[str, Any] = json.loads(parameter["Value"])
    return policy


def test_the_next_student_takes_over_the_endpoint_that_the_lost_registry_knew(
    world: World, deployment: Deployment
) -> None:
    # Given a champion
    first = upload(world, "video", "of the first day")
    finish(world, first)
    before = world.run(first)
    champion = world.tasks.state("video").champion
    assert champion is not None
    spent = sum(entry.usd for entry in world.registry.ledger(first))
    # And a person's word on who answers its callers
    world.call("roll_back_champion", {"serve": "fallback", "task": "video", "run_id": first, "why": "for a while"})
    chosen, policy = world.tasks.state("video").choice, published_policy(world)
    # When
    lose(world)
    there = place(world, deployment.settings)
    looked = rebuilt_registry(there)
    # Then looking writes nothing
    assert world.registry.find(first) is None
    # When it is written, twice
    assert write_missing(there, looked) == {"runs": 1, "champions": 1}
    assert write_missing(there, rebuilt_registry(there)) == {"runs": 0, "champions": 0}
    # Then
    after = world.run(first)
    same = ("outcome", "reason", "report_key", "report_sha256", "endpoint_arn", "version", "task_version")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    restored = world.tasks.state("video").champion
    assert restored is not None
    assert restored.endpoint_arn == champion.endpoint_arn
    assert restored.model_arn == champion.model_arn
    assert (world.tasks.state("video").choice, published_policy(world)) == (chosen, policy)
    assert policy["mode"] == "fallback"
    assert round(sum(entry.usd for entry in world.registry.ledger(first)), 9) == round(spent, 9)
    # When the schedule looks after everything, and another student is taught
    world.call("reconcile_runs", {})
    second = upload(world, "video", "of the second day")
    finish(world, second)
    # Then
    assert world.run(second).outcome == "PROMOTED", world.run(second).reason
    assert world.run(second).endpoint_arn == champion.endpoint_arn
    assert (published_policy(world)["for_run"], published_policy(world)["mode"]) == (second, "student")
    assert world.leaked() == []


def test_an_endpoint_that_is_gone_makes_no_champion(world: World, deployment: Deployment) -> None:
    # Given
    first = upload(world, "video", "of the first day")
    finish(world, first)
    world.aws.client("bedrock").delete_provisioned_model_throughput(
        provisionedModelId=str(world.run(first).endpoint_arn)
    )
    lose(world)
    # When
    found = rebuilt_registry(place(world, deployment.settings))
    # Then
    assert found.champions == {}
    assert any("gets no champion" in doubt for doubt in found.doubts)
    assert [run.outcome for run in found.runs] == ["PROMOTED"]
