"""A workshop with a janitor, and what the janitor asks."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.bedrock_names import resource_tags
from lambdas.domain.outcomes import FAILED
from lambdas.domain.serving.idle_rules import ENDPOINT_MISSING, MODEL_MISSING, POINTER_CHANGED
from lambdas.gateways.registry.inventory import Inventory
from lambdas.gateways.registry.runs import Run
from lambdas.operations.reap_idle_throughput.stage import Reaper
from tests.unit.support.workshop import Workshop

OUTSIDE = (ENDPOINT_MISSING, MODEL_MISSING, POINTER_CHANGED)
"""What has tests of its own: most champions here serve at an endpoint that nobody made."""

SERVING = "dev-video-old"
"""Name of the champion's throughput, as the workshop crowns it."""


class Calls:
    """How often each endpoint was called; every other one never."""

    def __init__(self, **counts: float) -> None:
        self.counts: dict[str, float] = dict(counts)

    def invocations(self, endpoints: list[str], now: Any, hours: int) -> dict[str, float]:
        del now, hours
        return {arn: self.counts.get(arn, 0.0) for arn in endpoints}


class Lifecycle:
    """A base model whose life does not end."""

    end: Any = None
    legacy: Any = None
    extended: Any = None

    def get_foundation_model(self, modelIdentifier: str) -> dict[str, Any]:  # noqa: N803 - the API's name
        del modelIdentifier
        moments = {
            "endOfLifeTime": self.end,
            "legacyTime": self.legacy,
            "publicExtendedAccessTime": self.extended,
        }
        lifecycle = {"status": "LEGACY"} if self.legacy else {}
        lifecycle |= {name: moment for name, moment in moments.items() if moment}
        return {"modelDetails": {"modelLifecycle": lifecycle}}


class Runtime:
    """Every endpoint answers."""

    def converse(self, **request: Any) -> dict[str, Any]:
        del request
        return {
            "output": {"message": {"content": [{"text": "fine"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1},
            "metrics": {"latencyMs": 1},
        }


class Ssm:
    """Pointers by name, as the registry says until something else was put."""

    def __init__(self, workshop: Workshop) -> None:
        self._tasks = workshop.pipeline.tasks
        self.put: list[dict[str, Any]] = []
        self.values: dict[str, str | None] = {}

    def put_parameter(self, **request: Any) -> None:
        self.put.append(request)
        self.values[request["Name"]] = request["Value"]

    def get_parameter(self, Name: str) -> dict[str, Any]:  # noqa: N803 - the API's name
        champion = self._tasks.state(Name.split("/")[3]).champion
        value = self.values.get(Name, json.dumps(champion.to_document()) if champion else None)
        if value is None:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")
        return {"Parameter": {"Value": value}}


class Yard:
    """A workshop with a janitor."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop, self.calls, self.lifecycle, self.ssm = workshop, Calls(), Lifecycle(), Ssm(workshop)
        self.inventory = Inventory(
            cast("Any", workshop.client),
            "dev",
            workshop.pipeline.prices,
            "amazon.nova-micro-v1:0",
            workshop.pipeline.foreign,
        )
        self.reaper = Reaper(
            workshop.pipeline,
            self.inventory,
            cast("Any", self.calls),
            cast("Any", self.lifecycle),
            cast("Any", Runtime),
        )

    def throughput(self, run: Run, name: str = "dev-video-ab", **fields: Any) -> str:
        arn = self.workshop.client.add_throughput(name, "arn:model")
        self.workshop.client.endpoints[arn] |= fields
        self.workshop.client.tags[arn] = resource_tags("dev", run.task, run.run_id, "PromoteStudent")
        return arn

    def end(self, run: Run) -> None:
        now = self.workshop.now()
        self.workshop.pipeline.registry.end(run.run_id, run.attempt, FAILED, "killed", now, None)

    def reasons(self, reap: str = "report", **options: Any) -> dict[str, str]:
        found = self.reaper.reap(reap, **options)["findings"]
        return {finding["name"]: finding["reason"] for finding in found if finding["reason"] not in OUTSIDE}


@pytest.fixture
def yard(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Yard:
    yard = Yard(workshop)
    monkeypatch.setattr("lambdas.gateways.aws.clients.ssm", lambda: yard.ssm)
    return yard
