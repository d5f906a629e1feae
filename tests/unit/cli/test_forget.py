"""What is forgotten is what a person saw: all is looked at again after the answer, and nothing else is deleted."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest
from click.testing import Result

from lambdas.domain.identity import Upload
from lambdas.domain.outcomes import FAILED, PROMOTED
from lambdas.gateways.registry.champions import Champion
from lambdas.gateways.registry.runs import Registry, Run, run_key
from lambdas.gateways.registry.table import Table
from lambdas.gateways.registry.tasks import TaskBook
from tests.unit.cli.conftest import FakeAws

NOW, LATER = "2026-09-01T00:00:00.000Z", "2026-09-01T01:00:00.000Z"
Call = Callable[..., Result]


class FakeS3:
    """Versions of objects: one file a run, and answers of the task."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def get_paginator(self, _operation: str) -> FakeS3:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803 - the API's names
        assert Bucket == "runs"
        yield {"Versions": [{"Key": f"{Prefix}file", "VersionId": "1"}]}

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - the API's names
        self.deleted += [f"{Bucket}/{one['Key']}" for one in Delete["Objects"]]
        return {}


class FakeReconcile:
    """Closes a run as ReconcileRuns does, for whom the proof names; tests of that Lambda say when it refuses."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - the API's names
        given = json.loads(Payload)
        assert (FunctionName, given["proof"].keys()) == ("reconcile", {"url", "binding"})
        registry = Registry(self._table)
        run = registry.run(given["forget"])
        if run.attempt != given["attempt"] or not registry.claim_forgetting(run, LATER):
            refused = {"errorType": "ForgetRefused", "errorMessage": "nothing was deleted"}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(refused).encode())}
        return {"Payload": io.BytesIO(b"{}")}


@pytest.fixture
def s3(aws: FakeAws, table: Table) -> FakeS3:
    aws.clients["dynamodb"] = table._client
    aws.outputs["data"]["RegistryTable"] = table._name
    fake = FakeS3()
    aws.clients["s3"] = fake
    aws.clients["lambda"] = FakeReconcile(table)
    aws.outputs["pipeline"]["ReconcileFunction"] = "reconcile"
    return fake


@pytest.fixture
def registry(table: Table) -> Registry:
    return Registry(table)


def started(registry: Registry, version: str = "1") -> Run:
    run = registry.claim(Upload("uploads", "video/a.jsonl", version), None, None, NOW)
    registry.take_slot(run.run_id, 5, NOW)
    return registry.run(run.run_id)


def ended(registry: Registry, version: str = "1", outcome: str = FAILED) -> Run:
    run = started(registry, version)
    registry.end(run.run_id, run.attempt, outcome, "why", LATER, None)
    registry.free_slot(run.run_id)
    return registry.run(run.run_id)


def while_asked(monkeypatch: pytest.MonkeyPatch, colleague: Callable[[], Any]) -> None:
    """Let a colleague do something while the prompt waits for its answer, which is yes."""
    monkeypatch.setattr(click, "confirm", lambda *_args, **_options: colleague() or True)


def test_a_champion_that_was_crowned_while_the_prompt_waited_is_kept(
    call: Call, s3: FakeS3, registry: Registry, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    run = ended(registry)

    def colleague() -> None:
        registry.begin_retry(run.run_id, LATER)
        registry.take_slot(run.run_id, 5, LATER)
        book = TaskBook(table)
        book.take_lease("video", f"{run.run_id}-2", None, NOW, LATER)
        champion = Champion(run_id=run.run_id, model_arn="m", base_model="b", endpoint_arn="e", endpoint_name="n",
                            mode="on_demand", promoted_at=LATER)  # fmt: skip
        book.crown("video", f"{run.run_id}-2", champion, LATER, keep=3)
        registry.end(run.run_id, 2, PROMOTED, "good", LATER, "e")
        registry.free_slot(run.run_id)

    while_asked(monkeypatch, colleague)
    # When
    said = call("forget", run.run_id)
    # Then
    assert said.exit_code == 1
    assert "nothing was deleted" in said.output
    assert (s3.deleted, registry.run(run.run_id).outcome) == ([], PROMOTED)


def test_a_run_that_holds_its_slot_is_not_forgotten(call: Call, s3: FakeS3, registry: Registry) -> None:
    run = started(registry)
    registry.end(run.run_id, 1, FAILED, "why", LATER, None)
    said = call("forget", run.run_id, "--yes")
    assert said.exit_code == 1
    assert "is being closed" in said.output
    assert s3.deleted == []


@pytest.mark.parametrize("when", ["before", "while asked"])
def test_answers_that_another_run_uses_are_kept(
    call: Call, s3: FakeS3, registry: Registry, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    # Given
    old = ended(registry)
    if when == "before":
        started(registry, "2")
    while_asked(monkeypatch, lambda: started(registry, "2"))
    # When
    said = call("forget", old.run_id, "--answers")
    # Then it is refused, and can be tried again
    assert said.exit_code == 1
    assert "uses these answers" in said.output
    assert s3.deleted == []
    assert registry.run(old.run_id).forgetting_since is None


def test_a_deletion_that_was_cut_off_is_finished_by_the_next(call: Call, s3: FakeS3, registry: Registry) -> None:
    # Given
    run = ended(registry)
    assert registry.claim_forgetting(run, LATER)
    # When
    said = call("forget", run.run_id, "--yes")
    # Then
    assert said.exit_code == 0, said.output
    assert registry.find(run.run_id) is None
    prompts = f"policies/{run.task}/{run.run_id}"
    assert s3.deleted == [f"runs/{run.files.root}/file", f"runs/{prompts}/file", f"uploads/{run.key}"]


def test_half_an_item_can_be_forgotten(call: Call, s3: FakeS3, registry: Registry, table: Table) -> None:
    # Given
    table.put({**run_key("video-half"), "progress": {}})
    # When
    said = call("forget", "video-half", "--yes")
    # Then
    assert (said.exit_code, s3.deleted) == (0, [])
    assert registry.find("video-half") is None
