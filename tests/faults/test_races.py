"""A part of the races that every change is tried against; ``make faults`` tries all of them."""

from __future__ import annotations

import json
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
    """The suite itself: who writes another outcome, or another policy, is told, whoever was preempted."""

    def of_the_registry(scene: suite.Scene) -> None:
        expression, values = "SET #outcome = :outcome", {":outcome": REJECTED}
        scene.world._table.update(**run_key(scene.run_id), expression=expression, values=values)

    def of_the_policy(scene: suite.Scene) -> None:
        champion = scene.world.tasks.state(suite.TASK).champion
        name, policy = f"/distillation/local/{suite.TASK}/policy", {"for_run": champion and champion.run_id}
        value = json.dumps({**policy, "mode": "cascade", "fallback": None})
        scene.world.aws.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    monkeypatch.setitem(VERBS, "retry", of_the_registry)
    monkeypatch.setitem(VERBS, "serve", of_the_policy)

    def by_the_vandals(every: list[Race]) -> list[Race]:
        last = max(race.write for race in every if (race.first, race.second) == ("rollback", "serve"))
        wanted = {("rollback", "retry", 1), ("rollback", "serve", last)}
        return [race for race in every if (race.first, race.second, race.write) in wanted]

    problems = {
        verdict.fault.split(" by ")[1][:5]: verdict.problem
        for verdict in races(deployment, by_the_vandals, ["serving"])
    }

    assert "is REJECTED and was approved" in problems["retry"]
    assert "callers are answered by the cascade, and the registry says student" in problems["serve"]
