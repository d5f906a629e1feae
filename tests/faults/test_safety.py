"""Prompts and answers are data: they reach the files of their run and nothing else, and they talk nobody round."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.bedrock_simulator.protocol.service import Request
from tests.faults.scenarios import finish, upload
from tests.faults.strikes import SERVICE, Fault
from tests.faults.world import World, deployed
from tests.stacks.templates import Deployment

CANARY = "zyzzyva"
"""A word that nothing of ours contains."""

HOSTILE = f"<script>{CANARY}()</script> {{0}} %s ${{{CANARY}}} ../{CANARY}/ {CANARY} '\" --"
"""Markup, formats, templates, paths and quotes around it."""


@pytest.fixture
def world(deployment: Deployment) -> Iterator[World]:
    with deployed(deployment) as made:
        made.aws.bodies = []
        yield made


def order(world: World, **fault: object) -> None:
    body = json.dumps(fault).encode()
    answer = world.aws.simulator.handle(Request("POST", "/_simulator/faults", "", {}, body))
    assert answer.status == 200, answer.body


def told(world: World, *services: str) -> str:
    """What was sent to some services, as text."""
    return "\n".join(text for service, text in world.aws.bodies or [] if service in services)


def places(world: World, run_id: str) -> dict[str, str]:
    """Everywhere a text must not be: logs, messages, metrics, keys, names, states' inputs and results, the registry."""
    s3 = world.aws.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="distillation-runs")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    registry = [
        item
        for page in world.aws.client("dynamodb").get_paginator("scan").paginate(TableName="registry")
        for item in page["Items"]
    ]
    execution = world.execution(run_id)
    return {
        "a log line or a metric, which is one": world.log.getvalue(),
        "a message": told(world, "sns"),
        "an object key": "\n".join(keys),
        "a name in Bedrock": json.dumps(world.control("resources")),
        "the history of the execution": json.dumps([world.sent, world.returned, execution.value, execution.variables]),
        "the registry": json.dumps(registry, default=str),
    }


def report(world: World, run_id: str) -> str:
    key = str(world.run(run_id).report_key)
    body: bytes = world.aws.client("s3").get_object(Bucket="distillation-runs", Key=key)["Body"].read()
    return body.decode()


FAILING: list[Fault | None] = [
    None,
    Fault(scenario="", state="EvaluateStudent", kind=SERVICE, service="bedrock-runtime", operation="Converse",
          error="ValidationException"),
    Fault(scenario="", state="CollectTeacherData", kind=SERVICE, service="s3", operation="PutObject",
          error="InternalError"),
    Fault(scenario="", state="PromoteStudent", kind=SERVICE, service="bedrock-runtime", operation="Converse",
          error="ModelErrorException"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAILING, ids=lambda fault: fault.state if fault else "promoted")
def test_what_people_ask_and_models_answer_stays_in_the_files_of_the_run(world: World, fault: Fault | None) -> None:
    # Given prompts that hold a strange word, which the simulated models take up into their answers
    run_id = upload(world, "canary", HOSTILE)
    # When
    world.striker.fault = fault
    finish(world, run_id)
    # Then it came through the whole run
    assert (world.run(run_id).outcome == "PROMOTED") == (fault is None)
    objects = world.aws.client("s3").get_object(
        Bucket="distillation-runs", Key=world.run(run_id).files.dataset("train.jsonl")
    )
    assert CANARY in objects["Body"].read().decode()
    # And it is nowhere else
    seen = [place for place, text in places(world, run_id).items() if CANARY in text]
    assert seen == []
    # And the page shows it as text only
    assert f"<script>{CANARY}" not in report(world, run_id)


def test_the_places_that_are_searched_are_filled(world: World) -> None:
    run_id = upload(world, "filled", "of the day")
    finish(world, run_id)
    searched = places(world, run_id)
    assert "CloudWatchMetrics" in searched["a log line or a metric, which is one"]
    assert all(run_id[:6] in text for text in searched.values()), [len(text) for text in searched.values()]


def test_a_judge_that_does_as_an_answer_tells_it_ends_the_run_before_the_teacher_is_paid(world: World) -> None:
    # Given
    order(world, kind="wrong_judge", how="gullible")
    # When
    run_id = upload(world, "gullible", "of the day")
    finish(world, run_id)
    # Then
    run: Any = world.run(run_id)
    assert run.outcome == "REJECTED"
    assert "talk to the judge" in str(run.reason)
    paid = world.paid()
    assert not any(what == "training" for what in +paid)
    assert sum(number for what, number in paid.items() if "nova-pro" in what) == 1, "CheckRun's one question"
