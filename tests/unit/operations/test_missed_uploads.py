"""An upload whose event never came becomes a run all the same, once, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from lambdas.domain.identity import Upload
from lambdas.gateways.aws.storage import NewestVersion
from lambdas.operations.reconcile_runs import missed_uploads
from lambdas.operations.reconcile_runs.missed_uploads import find_missed
from lambdas.workflow.run_starter import claim_upload
from tests.unit.support.workshop import MemoryBucket, Workshop


class PagedUploads(MemoryBucket):
    """An upload bucket whose pages have two objects each."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "uploads"
        self.lies: dict[str, NewestVersion] = {}
        self.pages = 0

    def lay(self, key: str, written_at: datetime, version: str = "v1") -> None:
        self.lies[key] = NewestVersion(key, version, written_at)

    def newest_versions(self, after: str) -> tuple[list[NewestVersion], str]:
        self.pages += 1
        left = sorted(key for key in self.lies if key > after)
        page = left[:2]
        return [self.lies[key] for key in page], page[-1] if len(left) > len(page) else ""


class StartedRuns:
    """Starts as StartRun does, and remembers what it was handed."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self.events: list[dict[str, Any]] = []

    def __call__(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        made = event["detail"]["object"]
        upload = Upload(event["detail"]["bucket"]["name"], made["key"], made["version-id"])
        claim_upload(self._workshop.pipeline.registry, self._workshop.uploads, upload, self._workshop.now())


@pytest.fixture
def shelf(workshop: Workshop) -> PagedUploads:
    shelf = PagedUploads()
    workshop.uploads = shelf
    workshop.pipeline.__dict__["uploads"] = shelf
    return shelf


@pytest.fixture
def start(workshop: Workshop) -> StartedRuns:
    return StartedRuns(workshop)


def test_prompts_without_a_run_are_started_once_as_their_event_would(
    workshop: Workshop, shelf: PagedUploads, start: StartedRuns
) -> None:
    # Given
    shelf.lay("video/a.jsonl", workshop.time - timedelta(minutes=30), "v7")
    # When
    found = find_missed(workshop.pipeline, start)
    again = find_missed(workshop.pipeline, start)
    # Then
    made = {"key": "video/a.jsonl", "version-id": "v7"}
    assert start.events == [{"detail": {"bucket": {"name": "uploads"}, "object": made}}]
    assert (found, again) == ([Upload("uploads", "video/a.jsonl", "v7").run_id], [])


@pytest.mark.parametrize(
    ("key", "age"),
    [
        ("video/a.jsonl", timedelta(minutes=3)),  # its event may still come
        ("video/a.jsonl", timedelta(days=2)),  # an old bucket under a new registry
        ("video/task.json", timedelta(hours=1)),
        ("video/holdout.jsonl", timedelta(hours=1)),
        ("video/notes.txt", timedelta(hours=1)),
        ("a.jsonl", timedelta(hours=1)),
        ("video/sub/a.jsonl", timedelta(hours=1)),
    ],
)
def test_what_starts_no_run_is_left_alone(
    workshop: Workshop, shelf: PagedUploads, start: StartedRuns, key: str, age: timedelta
) -> None:
    shelf.lay(key, workshop.time - age)

    assert find_missed(workshop.pipeline, start) == []
    assert start.events == []


def test_a_run_that_the_registry_has_lost_is_not_paid_for_again(
    workshop: Workshop, shelf: PagedUploads, start: StartedRuns
) -> None:
    # Given files of the upload's run
    shelf.lay("video/a.jsonl", workshop.time - timedelta(hours=1))
    run_id = Upload("uploads", "video/a.jsonl", "v1").run_id
    workshop.bucket.objects[f"runs/video/{run_id}/dataset/train.jsonl"] = b"{}"
    # When, Then
    assert find_missed(workshop.pipeline, start) == []


def test_a_bucket_with_more_than_a_look_reads_is_gone_through_look_by_look(
    workshop: Workshop, shelf: PagedUploads, start: StartedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given seven objects, two a page, two pages a look
    monkeypatch.setattr(missed_uploads, "PAGES_A_LOOK", 2)
    for number in range(7):
        shelf.lay(f"video/{number}.jsonl", workshop.time - timedelta(hours=1))
    # When
    found = [len(find_missed(workshop.pipeline, start)) for _ in range(3)]
    # Then the third look begins anew
    assert found == [4, 3, 0]
    assert shelf.pages == 2 + 2 + 2


def test_a_look_asks_the_registry_for_a_bounded_number_of_runs(
    workshop: Workshop, shelf: PagedUploads, start: StartedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed_uploads, "LOOKUPS_A_LOOK", 3)
    for number in range(5):
        shelf.lay(f"video/{number}.jsonl", workshop.time - timedelta(hours=1))

    assert [len(find_missed(workshop.pipeline, start)) for _ in range(2)] == [3, 2]


def test_a_later_version_of_an_object_is_a_run_of_its_own(
    workshop: Workshop, shelf: PagedUploads, start: StartedRuns
) -> None:
    shelf.lay("video/a.jsonl", workshop.time - timedelta(hours=1))
    find_missed(workshop.pipeline, start)
    shelf.lies["video/a.jsonl"] = replace(shelf.lies["video/a.jsonl"], version="v2")

    assert find_missed(workshop.pipeline, start) == [Upload("uploads", "video/a.jsonl", "v2").run_id]
