"""A month in which everything happens that moves money, and traffic on what serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode

from click.testing import CliRunner, Result

from cli.deployment import Deployment as Place
from cli.main import cli
from cli.session import Session
from lambdas.gateways.registry.resources import DEPLOYMENT, THROUGHPUT, ResourceBook
from local.bedrock_simulator.protocol.service import Request
from tests.faults.scenarios import finish, upload
from tests.faults.world import MACHINE, World
from tests.focus.own_meter import metered
from tests.stacks.templates import Deployment
from tests.stored.stories import TRAINING, _gate, _go_on, _roll_back, order, repeatable

REQUESTS = 5_000
"""Calls of the one day on which anybody asks."""


@contextmanager
def busy_month(deployment: Deployment) -> Iterator[tuple[World, Place]]:
    """Play it: a failed, a rejected and two promoted runs, a rollback, and throughput that idles after a day of use."""
    with repeatable(deployment) as (world, _), metered(world) as meter:
        _days_with_runs(world)
        _traffic(world)
        for _ in range(4):  # the throughput goes on and nobody asks; ledgers are added up
            world.pass_time(18 * 3600.0)
            world.call("reconcile_runs", {})
        meter.tell()
        place = _place(world, deployment)
        with mock.patch("cli.focus_export.utc_now", world.clock.now):
            yield world, place


def _days_with_runs(world: World) -> None:
    finish(world, upload(world, "video", "of the first day"))
    finish(world, upload(world, "video", "of the second day"))
    _roll_back(world, "video")
    finish(world, upload(world, "strict", "of the day", gate=_gate(min_judge_score=5.0)))
    order(world, kind="fail_job", phase="training", message="The records could not be read.")
    finish(world, upload(world, "broken", "of the day"))
    world.aws.simulator.handle(Request("DELETE", "/_simulator/faults", "", {}, b""))
    _go_on(world, upload(world, TRAINING, "of the day"), until="IsDistillationCompleted")


def month_of(world: World) -> str:
    """Name the month of the world's clock."""
    return f"{world.clock.now():%Y-%m}"


def said(place: Place, *words: str) -> Result:
    """Give a command of the command line."""
    return CliRunner().invoke(cli, list(words), obj=Session(lambda: place, "--json" in words))


def bill_of(world: World, out: Path, **how: str) -> Path:
    """Write the simulator's export of the month."""
    query = urlencode({"month": month_of(world), **how})
    answer = world.aws.simulator.handle(Request("GET", "/_simulator/cost-export", query, {}, b""))
    assert answer.status == 200, answer.body
    out.write_text(json.loads(answer.body)["csv"])
    return out


def _traffic(world: World) -> None:
    """Let callers ask every endpoint, as CloudWatch counts it."""
    book = ResourceBook(world._table)
    cloudwatch: Any = world.aws.client("cloudwatch")
    at = world.clock.now() + timedelta(minutes=5)
    for resource in book.open():
        if resource.kind in (DEPLOYMENT, THROUGHPUT) and resource.arn:
            counts = {"Invocations": REQUESTS, "InputTokenCount": 300 * REQUESTS, "OutputTokenCount": 40 * REQUESTS}
            dimensions = [{"Name": "ModelId", "Value": resource.arn}]
            cloudwatch.put_metric_data(
                Namespace="AWS/Bedrock",
                MetricData=[
                    {"MetricName": name, "Value": value, "Unit": "Count", "Timestamp": at, "Dimensions": dimensions}
                    for name, value in counts.items()
                ],
            )


def _place(world: World, deployment: Deployment) -> Place:
    outputs = {
        "data": {"RegistryTable": "registry", "RunsBucket": "distillation-runs", "UploadsBucket": "uploads"},
        "pipeline": {"StateMachineArn": MACHINE},
    }
    place = Place("local", "us-east-1", world.aws.client, local=True, _outputs=outputs)
    place.__dict__["settings"] = deployment.settings
    return place
