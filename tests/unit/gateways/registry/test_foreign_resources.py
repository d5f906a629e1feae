"""What is other people's is remembered for a while, within the size of an item, and forgotten when it is gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from lambdas.gateways.registry import foreign_resources
from lambdas.gateways.registry.foreign_resources import MOST_REMEMBERED, ForeignResources
from lambdas.gateways.registry.items import to_values
from lambdas.gateways.registry.table import Table

START = datetime(2026, 11, 29, 12, tzinfo=UTC)
LONG_AGO = START - timedelta(days=400)


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def arns(number: int) -> list[str]:
    return [f"arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-{index:05d}" for index in range(number)]


def test_a_later_look_of_another_process_knows_what_an_earlier_one_learned(table: Table) -> None:
    # Given
    earlier = ForeignResources(lambda: START, table)
    earlier.note("arn:old", LONG_AGO)
    earlier.note("arn:new", START - timedelta(hours=1))
    earlier.keep()
    # When
    later = ForeignResources(lambda: START + timedelta(hours=3), table)
    # Then what is so new that its tags may still come is asked again
    assert (later.knows("arn:old"), later.knows("arn:new"), later.knows("arn:never seen")) == (True, False, False)


def test_the_tags_are_due_again_within_a_day_and_not_all_in_the_same_hour(table: Table) -> None:
    foreign = ForeignResources(lambda: START, table)
    for arn in arns(200):
        foreign.note(arn, LONG_AGO)
    foreign.keep()

    known = []
    for hours in (1, 11, 13, 18, 23, 25):
        moment = START + timedelta(hours=hours)
        later = ForeignResources(at(moment), table)
        known.append(sum(later.knows(arn) for arn in arns(200)))

    assert known[:2] == [200, 200]
    assert known[1] > known[2] > known[3] > known[4] > known[5] == 0


def test_what_is_gone_is_forgotten(table: Table) -> None:
    # Given two, of which one is not listed any more
    foreign = ForeignResources(lambda: START, table)
    for arn in ("arn:stays", "arn:goes"):
        foreign.note(arn, LONG_AGO)
    foreign.keep()
    assert foreign.knows("arn:stays")
    # When
    foreign.keep()
    # Then
    assert [ForeignResources(lambda: START, table).knows(arn) for arn in ("arn:stays", "arn:goes")] == [
        True,
        False,
    ]


def test_a_full_memory_fits_into_an_item(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []

    def put(item: dict[str, object], *_rest: object) -> None:
        seen = to_values(item)["seen"]["M"]
        # As DynamoDB counts: a number is about a byte for two digits and one more, a member one, a map three.
        written.append(3 + sum(len(name) + 1 + len(value["N"]) // 2 + 2 for name, value in seen.items()))

    monkeypatch.setattr(table, "put", put)
    foreign = ForeignResources(lambda: START, table)
    for arn in arns(MOST_REMEMBERED + 500):
        foreign.note(arn, LONG_AGO)

    foreign.keep()

    assert 100_000 < written[0] < 300_000


def test_more_than_can_be_remembered_are_asked_each_time(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_resources, "MOST_REMEMBERED", 3)
    foreign = ForeignResources(lambda: START, table)
    for arn in arns(5):
        foreign.note(arn, LONG_AGO)

    foreign.keep()

    assert [foreign.knows(arn) for arn in arns(5)] == [True, True, True, False, False]


def test_a_look_without_news_writes_nothing(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = ForeignResources(lambda: START, table)
    foreign.note("arn:old", LONG_AGO)
    foreign.keep()
    monkeypatch.setattr(table, "put", None)

    again = ForeignResources(lambda: START + timedelta(hours=1), table)
    assert again.knows("arn:old")
    again.keep()
