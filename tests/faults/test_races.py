"""A part of the races that every change is tried against; ``make faults`` tries all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from lambdas.domain.outcomes import REJECTED
from lambdas.gateways.registry.runs import run_key
from tests.faults import races as suite
from tests.faults.races import POSITIONS, VERBS, Race, races, races_summary
from tests.stacks.templates import Deployment

SEED, TRIED = 20261129, 6


def test_each_verb_may_happen_somewhere_and_each_that_may_happen_is_known() -> None:
    assert {verb for verbs in POSITIONS.values() for verb in verbs} == set(VERBS)


def a_few(every: list[Race]) -> Iterator[Race]:
    """Choose a few races of a position, always the same ones."""
    chance = random.Random(SEED)  # noqa: S311 - a choice, not a secret
    yield from chance.sample(every, TRIED)


def test_whoever_comes_between_nothing_bills_on_and_the_records_are_true(deployment: Deployment) -> None:
    verdicts = races(deployment, a_few, ["promoting"])

    assert {verdict.fault: verdict.problem for verdict in verdicts if verdict.problem} == {}
    assert all(verdict.struck for verdict in verdicts)
    assert races_summary(verdicts) == f"{TRIED} races: 0 wrong"


def test_a_verb_that_does_wrong_is_found_out(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite itself: who writes another outcome into the registry is told, whoever was preempted."""

    def vandal(scene: suite.Scene) -> None:
        expression, values = "SET #outcome = :outcome", {":outcome": REJECTED}
        scene.world._table.update(**run_key(scene.run_id), expression=expression, values=values)

    monkeypatch.setitem(VERBS, "retry", vandal)

    def by_the_vandal(every: list[Race]) -> list[Race]:
        return [race for race in every if (race.first, race.second, race.write) == ("rollback", "retry", 1)]

    (verdict,) = races(deployment, by_the_vandal, ["serving"])

    assert "is REJECTED and was approved" in verdict.problem
