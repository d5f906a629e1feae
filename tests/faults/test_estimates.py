"""What a run was foreseen to cost is within a quarter of its bill, over sizes, modes and lengths of answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from lambdas.domain.costs.ledger import AT_MOST
from local.bedrock_simulator.brains.base import estimate_tokens
from local.bedrock_simulator.rules import video_search_intent
from tests.end_to_end.account import EXAMPLE, example_lines, lenient
from tests.faults import long_answers
from tests.faults.scenarios import LOG_HOUR, LOG_SOURCE, finish
from tests.faults.world import World, deployed
from tests.stacks.templates import Deployment
from tests.unit.domain.logs.log_samples import converse, log_object

ERROR = 0.25
"""By how much of the bill an estimate may be off."""

PAID = ("converse", "batch", "teacher_calls", "training")
EXAMPLE_PROMPTS = [json.loads(line)["prompt"] for line in example_lines()]


@dataclass(frozen=True, kw_only=True)
class Size:
    """One run.

    Attributes
    ----------
    long : bool
        Whether answers have about 300 tokens instead of 40; what they look like is known from ``calibration.jsonl``.
    deadline_hours : float
        Under an hour there is no batch.
    second : bool
        Whether the task has a champion, and the run a holdout whose answers are bought already.
    """

    prompts: int
    mode: str = "label"
    long: bool = False
    deadline_hours: float = 24
    second: bool = False

    def __str__(self) -> str:
        way = "batch" if self.deadline_hours >= 1 else "on-demand"
        length, champion = "long" if self.long else "short", ["-champion"] if self.second else []
        return "-".join([f"{self.prompts}", self.mode, length, way, *champion])


SIZES = (
    Size(prompts=100),
    Size(prompts=100, long=True, deadline_hours=0.5),
    Size(prompts=300, mode="golden", long=True),
    Size(prompts=300, mode="logged"),
    Size(prompts=300, second=True),
    Size(prompts=300, long=True, second=True),
    Size(prompts=1_000, deadline_hours=0.5),
    Size(prompts=1_000, mode="golden"),
    Size(prompts=1_000, long=True),
    pytest.param(Size(prompts=5_000), marks=pytest.mark.thorough),
)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_an_estimate_is_within_a_quarter_of_the_bill(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, size: Size
) -> None:
    if size.long:
        monkeypatch.setattr("tests.faults.aws.RULES", "tests.faults.long_answers")
    with deployed(deployment) as world:
        # Given
        if size.second:
            finish(world, submitted(world, size, "of the first day"))
        before = len(world.aws.simulator.world.billing)
        # When
        run_id = submitted(world, size, "of the day")
        finish(world, run_id)
        # Then
        run = world.run(run_id)
        assert run.outcome == "PROMOTED", run.reason
        charges = world.aws.simulator.world.billing[before:]
        billed = sum(charge.usd or 0.0 for charge in charges if charge.kind in PAID)
        plan = document(world, run.files.plan(1))
        print(f"{size}: foreseen ${plan['estimate_usd']:.4f}, billed ${billed:.4f}")
        assert plan["estimate_usd"] == pytest.approx(billed, rel=ERROR)
        assert plan["estimate_low_usd"] <= billed <= plan["estimate_high_usd"]
        # And the ledger has what was billed, to the cent; how long the answers are that Bedrock's own teacher gives
        # to prompts without one, the service does not say
        ledger = world.registry.ledger(run_id)
        assert not [entry for entry in ledger if entry.kind == AT_MOST]
        unsaid = 0.02 * billed if size.mode == "golden" else 0.005
        assert sum(entry.usd for entry in ledger) == pytest.approx(billed, abs=unsaid)


def submitted(world: World, size: Size, suffix: str) -> str:
    """Upload a run's files; every tenth prompt more is in a holdout of trusted answers."""
    answer = long_answers.answer if size.long else video_search_intent.answer
    prompts = [
        f"{EXAMPLE_PROMPTS[number % len(EXAMPLE_PROMPTS)]} no. {number} {suffix}" for number in range(size.prompts)
    ]
    held_out = EXAMPLE_PROMPTS[-max(20, size.prompts // 10) :]
    teacher_data = {"mode": size.mode, "deadline_hours": size.deadline_hours, "max_drop_rate": 0.0}
    files = {
        "task.json": json.dumps(lenient(approval="required", teacher_data=teacher_data)),
        "holdout.jsonl": lines([trusted(prompt, answer(prompt)) for prompt in held_out]),
        "calibration.jsonl": lines(list(known_cases(size))),
    }
    for name, body in files.items():
        world.put("uploads", f"video/{name}", body.encode())
    if size.mode != "logged":
        body = lines([{"prompt": prompt} for prompt in prompts])
        return world.upload(f"video/{suffix.replace(' ', '-')}.jsonl", body.encode())
    world.aws.client("s3").create_bucket(Bucket=LOG_SOURCE["bucket"])
    calls = [asked_in_production(prompt, json.dumps(answer(prompt), separators=(",", ":"))) for prompt in prompts]
    world.put(LOG_SOURCE["bucket"], f"{LOG_HOUR}/20261102T0930_a.json.gz", log_object(*calls))
    wanted = {**LOG_SOURCE, "from": "2026-11-02T09:00:00Z", "to": "2026-11-02T10:00:00Z"}
    return world.upload("video/range.logs.json", json.dumps(wanted).encode())


def asked_in_production(prompt: str, answer: str) -> dict[str, Any]:
    """Log a call to the teacher with the task's own long prompt."""
    call = converse(prompt, answer, timestamp="2026-11-02T09:30:00Z")
    call["input"]["inputBodyJson"]["system"] = [{"text": lenient()["teacher_system_prompt"]}]
    tokens = estimate_tokens(answer)
    call["output"]["outputTokenCount"] = call["output"]["outputBodyJson"]["usage"]["outputTokens"] = tokens
    return call


def known_cases(size: Size) -> Sequence[dict[str, Any]]:
    """Give the example's answers with known scores; under long answers with references as long."""
    known = [json.loads(line) for line in (EXAMPLE / "calibration.jsonl").read_bytes().splitlines()]
    if not size.long:
        return known
    return [{**case, "reference": long_answers.lengthened(case["reference"])} for case in known]


def trusted(prompt: str, answer: dict[str, Any]) -> dict[str, Any]:
    turns = (("user", prompt), ("assistant", json.dumps(answer, separators=(",", ":"))))
    messages = [{"role": role, "content": [{"text": text}]} for role, text in turns]
    return {"schemaVersion": "bedrock-conversation-2024", "messages": messages}


def lines(documents: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(document) + "\n" for document in documents)


def document(world: World, key: str) -> dict[str, Any]:
    body = world.aws.client("s3").get_object(Bucket="distillation-runs", Key=key)["Body"].read()
    found: dict[str, Any] = json.loads(body)
    return found
