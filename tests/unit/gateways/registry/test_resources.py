"""What a run makes is written down before it is made, once, and stays open until it is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdas.gateways.registry.resources import (
    CREATED,
    CUSTOM_MODEL,
    DEPLOYMENT,
    KEPT,
    PLANNED,
    RELEASED,
    THROUGHPUT,
    Resource,
    ResourceBook,
)
from lambdas.gateways.registry.table import Table

NOW, LATER = "2026-09-01T10:00:00.000Z", "2026-09-01T11:00:00.000Z"
MODEL = Resource(
    run_id="video-1", attempt=1, task="video", kind=CUSTOM_MODEL, name="dev-video-1", state=PLANNED, created_at=NOW
)


@pytest.fixture
def book(table: Table) -> ResourceBook:
    return ResourceBook(table)


def test_planning_again_never_forgets_what_was_created(book: ResourceBook) -> None:
    # Given a resource that exists
    book.plan(MODEL)
    book.created(MODEL, "arn:model")

    # When a retry of the stage plans it again
    known = book.plan(replace(MODEL, attempt=2, created_at=LATER))

    # Then
    assert (known.state, known.arn, known.attempt, known.created_at) == (CREATED, "arn:model", 1, NOW)
    assert book.of_run("video-1") == [known]


def test_a_released_resource_can_be_made_again(book: ResourceBook) -> None:
    # Given
    book.plan(MODEL)
    book.created(MODEL, "arn:old")
    book.released(MODEL, LATER)
    assert list(book.open()) == []

    # When
    again = book.plan(replace(MODEL, attempt=2, created_at=LATER))

    # Then nothing of the old one is left
    assert (again.arn, again.attempt, again.released_at) == (None, 2, None)
    assert list(book.open()) == [again]


def test_a_resource_that_is_made_after_its_release_is_open_again(book: ResourceBook) -> None:
    # Given a killed run: its release finds nothing under the planned name, while the create call is still under way
    throughput = replace(MODEL, kind=THROUGHPUT, name="dev-video-champion")
    book.plan(throughput)
    book.released(throughput, LATER)

    # When that call succeeds
    book.created(throughput, "arn:throughput")

    # Then it is not forgotten: whoever looks after what is open releases it
    [known] = book.open()
    assert (known.state, known.arn, known.released_at) == (CREATED, "arn:throughput", None)


def test_a_kept_resource_is_open_until_it_is_released(book: ResourceBook) -> None:
    # Given
    book.plan(MODEL)
    book.created(MODEL, "arn:model")

    # When
    book.mark(MODEL, KEPT, "2026-09-08T10:00:00.000Z")

    # Then
    (kept,) = book.open()
    assert (kept.state, kept.keep_until, kept.arn) == (KEPT, "2026-09-08T10:00:00.000Z", "arn:model")
    book.released(MODEL, LATER)
    (gone,) = book.of_run("video-1")
    assert (gone.state, gone.released_at) == (RELEASED, LATER)


def test_resources_of_all_runs_are_listed_oldest_first(book: ResourceBook) -> None:
    # Given
    older = replace(MODEL, run_id="video-0", kind=DEPLOYMENT, created_at="2026-08-01T10:00:00.000Z", usd_per_hour=0.5)
    for resource in (MODEL, older):
        book.plan(resource)

    # When / Then
    assert list(book.open()) == [older, MODEL]
    assert book.of_run("video-0") == [older]
