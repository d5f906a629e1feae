"""Whoever still writes to a run that was forgotten makes nothing: half an item could be read by nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambdas.domain.errors import ItemDamaged, RetryRefused, RunNotFound
from lambdas.domain.identity import Upload
from lambdas.domain.outcomes import FAILED, PROMOTED
from lambdas.gateways.registry.resources import DEPLOYMENT, PLANNED, Resource, ResourceBook
from lambdas.gateways.registry.runs import ENDED, Registry, Run, run_key
from lambdas.gateways.registry.table import Table

NOW, LATER = "2026-09-01T00:00:00.000Z", "2026-09-01T01:00:00.000Z"


@pytest.fixture
def registry(table: Table) -> Registry:
    return Registry(table)


def ended(registry: Registry, outcome: str = FAILED) -> Run:
    run = registry.claim(Upload("uploads", "video/a.jsonl", "1"), None, None, NOW)
    registry.take_slot(run.run_id, 1, NOW)
    registry.end(run.run_id, 1, outcome, "why", LATER, None)
    registry.free_slot(run.run_id)
    return registry.run(run.run_id)


@pytest.mark.parametrize(
    "write",
    [
        lambda registry, run_id: registry.record_progress(run_id, "ReleaseResources", NOW),
        lambda registry, run_id: registry.record_facts(run_id, custom_model_arn="arn:model"),
        lambda registry, run_id: registry.record_report(run_id, "report.html", "ab"),
        lambda registry, run_id: registry.claim_reminder(run_id, 1),
        lambda registry, run_id: registry.claim_answer(run_id, 1, {"answer": "approved", "report_sha256": "ab"}),
    ],
)
def test_a_late_write_finds_no_run_and_makes_none(
    registry: Registry, table: Table, write: Callable[[Registry, str], Any]
) -> None:
    # Given
    run = ended(registry)
    registry.forget(run.run_id)
    # When / Then
    with pytest.raises(RunNotFound):
        write(registry, run.run_id)
    assert table.get(**run_key(run.run_id)) is None


def test_half_an_item_is_told_with_its_remedy_and_hides_no_other_run(registry: Registry, table: Table) -> None:
    # Given an item as a write after forget once made it, seen in a listing too
    table.put({**run_key("video-half"), "progress": {"stage": "ReleaseResources"}, "state_group": f"RUN#{ENDED}",
               "since": NOW})  # fmt: skip
    whole = ended(registry)
    # When / Then
    with pytest.raises(ItemDamaged, match="'python -m cli forget video-half' deletes what is left"):
        registry.find("video-half")
    assert [run.run_id for run in registry.in_state(ENDED)] == [whole.run_id]
    assert registry.forget("video-half") == 1
    assert registry.find("video-half") is None


def test_half_a_resource_hides_no_other_one(table: Table) -> None:
    # Given
    book = ResourceBook(table)
    whole = Resource(run_id="r", attempt=1, task="video", kind=DEPLOYMENT, name="dev-a", state=PLANNED, created_at=NOW)
    table.put({"pk": "RUN#r", "sk": "RESOURCE#custom_model#dev-b", "state_group": "RESOURCE#OPEN", "since": NOW})
    book.plan(whole)
    # When / Then
    assert list(book.open()) == book.of_run("r") == [whole]


def test_a_run_that_is_being_forgotten_is_not_tried_again(registry: Registry) -> None:
    # Given
    run = ended(registry)
    assert registry.claim_forgetting(run, LATER)
    # When / Then
    with pytest.raises(RetryRefused, match="is being forgotten since"):
        registry.begin_retry(run.run_id, LATER)
    # When it was a mistake
    registry.keep_after_all(run.run_id)
    # Then
    assert registry.begin_retry(run.run_id, LATER).attempt == 2


def test_a_run_that_was_retried_while_a_person_was_asked_is_not_forgotten(registry: Registry) -> None:
    # Given what a person saw, and a colleague who was faster
    seen = ended(registry)
    registry.begin_retry(seen.run_id, LATER)
    registry.take_slot(seen.run_id, 1, LATER)
    registry.end(seen.run_id, 2, PROMOTED, "good", LATER, "arn:endpoint")
    # When / Then
    assert not registry.claim_forgetting(seen, LATER)
    assert registry.run(seen.run_id).forgetting_since is None


def test_what_is_forgotten_already_is_not_claimed(registry: Registry) -> None:
    run = ended(registry)
    registry.forget(run.run_id)
    assert not registry.claim_forgetting(run, LATER)
