"""What callers meet is what was foreseen, over a promotion, a rollback and an outage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bedrock_student import Answer, Metrics, Student
from lambdas.domain.evaluation.confidence_bounds import share_bounds
from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.gate.routing import JudgedRule, RoutingRule, judged_rule, pair_up
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.serving.live_share import LiveTraffic, leaves_bounds
from lambdas.domain.serving.serving_policy import BY_CASCADE, ServingChoice
from tests.end_to_end.account import example_lines, lenient
from tests.faults.__main__ import local_deployment
from tests.faults.world import World, deployed
from tests.least_privilege.scene import TASK, order, roll_back, to_the_end, until
from tests.least_privilege.walks import ON_DEMAND

pytestmark = [pytest.mark.timeout(900), pytest.mark.thorough]


@dataclass
class Routed:
    """A task whose student is cut off in some answers, and what the command line proposes for it."""

    world: World
    run_id: str
    questions: list[str]
    told: dict[str, Any]

    def ask(self) -> list[Answer]:
        """Ask every question of the holdout once, by a client that begins."""
        clients = {name: self.world.aws.client(name) for name in ("ssm", "bedrock-runtime", "s3")}
        student = Student(TASK, environment="local", clients=clients, metrics=Metrics())
        return [student.ask(question) for question in self.questions]


def cut_off(world: World) -> None:
    order(world, kind="bad_ending", reason="max_tokens", fraction=0.15, model="nova-micro")


def promoted_with_cut_answers(world: World, prompts: int) -> str:
    """Go through a run whose holdout is large enough to have shares, and whose gate lets the student pass."""
    gate: Any = lenient()["gate"]
    gate = {**gate, "min_schema_validity": 0.0, "min_judge_score": 1.0}
    world.put("uploads", f"{TASK}/task.json", json.dumps(lenient(serving=ON_DEMAND, gate=gate)).encode())
    body = b"".join(line + b"\n" for line in example_lines()[:prompts])
    run_id = world.upload(f"{TASK}/{prompts}.jsonl", body)
    cut_off(world)
    until(world.execution(run_id), "PromoteStudent")
    world.aws.simulator.faults.withdraw()  # the smoke test asks the same student
    to_the_end(world, world.execution(run_id))
    assert world.run(run_id).outcome == "PROMOTED", world.run(run_id).reason
    return run_id


@pytest.fixture(scope="module")
def routed() -> Iterator[Routed]:
    with deployed(local_deployment()) as world:
        run_id = promoted_with_cut_answers(world, 260)
        told = world.call("roll_back_champion", {"route": 1.0, "task": TASK, "run_id": run_id})
        key = world.run(run_id).files.dataset("holdout.jsonl")
        body = world.aws.client("s3").get_object(Bucket="distillation-runs", Key=key)["Body"].read()
        questions = [json.loads(line)["turns"][-1][1] for line in body.splitlines()]
        yield Routed(world, run_id, questions, told)


def live(answers: list[Answer]) -> LiveTraffic:
    reasons = [answer.reason for answer in answers if answer.escalated]
    usd = sum(answer.usd or 0.0 for answer in answers)
    return LiveTraffic(
        requests=len(answers), escalated={str(reason): reasons.count(reason) for reason in reasons}, usd=usd
    )


def test_share_and_dollars_are_those_of_the_proposal(routed: Routed) -> None:
    # Given what the command line shows, adopted by a person's word
    world, run_id, every = routed.world, routed.run_id, len(routed.questions)
    [shown] = [one for one in routed.told["candidates"] if one["on"] == ["truncated"]]
    assert 0.05 < shown["share"] < 0.3, routed.told
    whole = foreseen(world, run_id, routed.told["fallback"])
    low, high = share_bounds(whole.share, whole.records)
    expected = {"share_low": low, "share_high": high}
    choice = ServingChoice(
        for_run=run_id,
        mode=BY_CASCADE,
        at="2026-11-29T00:00:00.000Z",
        on=("truncated",),
        max_share=1.0,
        expected=expected,
    )
    world.tasks.choose(TASK, choice)
    world.call("roll_back_champion", {"serve": BY_CASCADE, "task": TASK, "run_id": run_id})
    # When callers ask what the evaluation asked
    cut_off(world)
    met = live(routed.ask())
    # Then
    assert met.escalated.keys() == {"truncated"}
    assert met.share is not None
    assert low <= met.share <= high
    assert (
        leaves_bounds(
            expected, replace(met, requests=10 * every, escalated={"truncated": 10 * sum(met.escalated.values())})
        )
        is None
    )
    assert 1000 * met.usd / every == pytest.approx(whole.usd_per_1k_requests, rel=0.02)
    # When there is an outage, its share is not counted as quality
    order(world, kind="endpoint_errors", error="ServiceUnavailableException", fraction=1.0)
    outage = live(routed.ask())
    assert outage.share == 0.0
    assert sum(outage.escalated.values()) == every
    world.aws.simulator.faults.withdraw()
    # When another student is promoted, it begins without routing
    later = promoted_with_cut_answers(world, 300)
    cut_off(world)
    assert {answer.leg for answer in routed.ask()} == {"student"}
    # When a person rolls back, the student comes back with its routing
    world.aws.simulator.faults.withdraw()
    roll_back(world)
    cut_off(world)
    assert live(routed.ask()).escalated == met.escalated
    # And what the other student's run measured of it, on prompts that are new to it, tests a policy
    asked = {"route": 1.0, "task": TASK, "run_id": run_id, "fresh": later}
    shown = world.call("roll_back_champion", asked)
    assert shown["records"]["proposing"] == whole.records
    assert 1 <= shown["records"]["testing"] <= 40
    tested = world.call("roll_back_champion", {**asked, "adopt": True})
    assert [line["name"] for line in tested["lines"]] == ["records"], "forty more prompts are too few"
    assert not tested["adopted"]


def foreseen(world: World, run_id: str, fallback: dict[str, str]) -> JudgedRule:
    """Judge the rule on every measurement of the evaluation."""
    s3, bucket = world.aws.client("s3"), "distillation-runs"
    folder = world.run(run_id).files.evaluation(1, "")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix=folder)["Contents"]]
    bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys if key.endswith(".jsonl")]
    items = [Measurement.from_json(line) for body in bodies for line in body.splitlines()]
    by_role = {role: [item for item in items if item.role == role] for role in ("student", fallback["role"])}
    models = ("custom:amazon.nova-micro-v1:0", fallback["model"])
    pairs = pair_up(by_role["student"], by_role[fallback["role"]], models, PriceBook.shipped())
    return judged_rule(RoutingRule(on=("truncated",)), pairs)
