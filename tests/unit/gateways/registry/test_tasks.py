"""Of two runs that promote at once, one wins and the other says so; nobody crowns without the lease."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdas.domain.errors import ChampionChanged, LeaseTaken
from lambdas.gateways.registry.champions import Champion, TaskState
from lambdas.gateways.registry.table import Table
from lambdas.gateways.registry.tasks import TaskBook

NOW, LATER, LAST = "2026-09-01T10:00:00.000Z", "2026-09-01T11:00:00.000Z", "2026-09-01T12:00:00.000Z"


def champion(run_id: str) -> Champion:
    return Champion(
        run_id=run_id,
        model_arn=f"arn:model/{run_id}",
        base_model="amazon.nova-micro-v1:0:128k",
        endpoint_arn="arn:endpoint",
        endpoint_name="dev-video",
        mode="provisioned_throughput",
        promoted_at=NOW,
    )


@pytest.fixture
def book(table: Table) -> TaskBook:
    return TaskBook(table)


def crowned(book: TaskBook, run_id: str, expected: str | None = None) -> None:
    book.take_lease("video", f"{run_id}-1", expected, NOW, LATER)
    book.crown("video", f"{run_id}-1", champion(run_id), NOW, keep=3)
    book.drop_lease("video", f"{run_id}-1")


def test_a_task_that_nobody_promoted_is_empty(book: TaskBook) -> None:
    # Given / When / Then
    assert book.state("video") == TaskState()


def test_of_many_that_take_the_lease_at_once_one_gets_it(book: TaskBook) -> None:
    # Given
    def take(number: int) -> str | None:
        try:
            book.take_lease("video", f"run{number}-1", None, NOW, LATER)
        except LeaseTaken as refused:
            return None if "is promoting a student of task 'video'" in str(refused) else "another reason"
        return f"run{number}-1"

    # When
    with ThreadPoolExecutor(6) as executor:
        winners = [owner for owner in executor.map(take, range(6)) if owner]

    # Then
    assert winners == [book.state("video").lease_owner]


def test_a_changed_champion_refuses_the_lease(book: TaskBook) -> None:
    # Given a report written against run a, and run b promoted since
    crowned(book, "a")
    crowned(book, "b", expected="a")

    # When / Then
    with pytest.raises(ChampionChanged, match="is served by run b, not by a"):
        book.take_lease("video", "c-1", "a", LAST, LAST)
    with pytest.raises(ChampionChanged, match="is served by run b, not by none"):
        book.take_lease("video", "c-1", None, LAST, LAST)
    assert book.state("video").lease_owner is None


def test_a_champion_that_vanished_refuses_the_lease(book: TaskBook) -> None:
    # Given no champion, but a report written against one / When / Then
    with pytest.raises(ChampionChanged, match="is served by run none, not by a"):
        book.take_lease("video", "c-1", "a", NOW, LATER)


def test_only_the_holder_of_the_lease_crowns(book: TaskBook) -> None:
    # Given
    book.take_lease("video", "a-1", None, NOW, LATER)

    # When / Then
    with pytest.raises(LeaseTaken, match="no longer b-1's; nothing was promoted"):
        book.crown("video", "b-1", champion("b"), NOW, keep=3)
    assert book.state("video").champion is None


def test_nobody_crowns_without_a_lease(book: TaskBook) -> None:
    # Given no lease at all / When / Then
    with pytest.raises(LeaseTaken):
        book.crown("video", "a-1", champion("a"), NOW, keep=3)


def test_an_expired_lease_is_taken_over_and_its_old_holder_cannot_crown(book: TaskBook) -> None:
    # Given
    book.take_lease("video", "a-1", None, NOW, LATER)

    # When
    book.take_lease("video", "b-1", None, LAST, "2026-09-01T13:00:00.000Z")

    # Then
    with pytest.raises(LeaseTaken):
        book.crown("video", "a-1", champion("a"), LAST, keep=3)
    book.crown("video", "b-1", champion("b"), LAST, keep=3)
    assert book.state("video").champion == champion("b")


def test_the_holder_prolongs_its_own_lease(book: TaskBook) -> None:
    # Given
    book.take_lease("video", "a-1", None, NOW, LATER)

    # When
    book.take_lease("video", "a-1", None, NOW, LAST)

    # Then
    assert book.state("video").lease_expires == LAST


def test_only_the_holder_gives_the_lease_back(book: TaskBook) -> None:
    # Given
    book.take_lease("video", "a-1", None, NOW, LATER)

    # When
    book.drop_lease("video", "b-1")
    still = book.state("video").lease_owner
    book.drop_lease("video", "a-1")
    book.drop_lease("video", "a-1")

    # Then
    assert still == "a-1"
    assert book.state("video").lease_owner is None


def test_a_second_champion_remembers_the_first_and_crowning_again_changes_nothing(book: TaskBook) -> None:
    # Given
    crowned(book, "a")
    crowned(book, "b", expected="a")

    # When the stage that crowned is repeated after its lease is gone
    book.crown("video", "b-1", champion("b"), LAST, keep=3)

    # Then
    state = book.state("video")
    assert (state.champion, state.previous) == (champion("b"), champion("a"))
    assert [(entry["run_id"], entry["action"]) for entry in book.history("video")] == [
        ("a", "promoted"),
        ("b", "promoted"),
    ]


def test_a_long_history_leaves_the_tasks_own_item_small(book: TaskBook, table: Table) -> None:
    # Given a history as it was kept until 0.1.0
    crowned(book, "a")
    old = {"run_id": "z", "at": "2026-01-01T00:00:00.000Z", "action": "promoted"}
    table.update("TASK#video", "TASK", "SET history = :old", {":old": [old]})
    before = len(str(table.get("TASK#video", "TASK")))
    # When a person confirms it again and again, with as long a reason as is kept
    for number in range(50):
        book.confirm("video", "a", f"2026-10-01T00:00:{number:02d}.000Z", "w" * 500)
    # Then
    assert len(str(table.get("TASK#video", "TASK"))) <= before + 40
    history = book.history("video")
    assert [entry["action"] for entry in history] == ["promoted", "promoted", *["confirmed"] * 50]
    assert (history[0], history[-1]["why"]) == (old, "w" * 500)
