"""Runs in which things go wrong: small ones, so that hundreds of faults take minutes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lambdas.domain.identity import digest
from local.bedrock_simulator.rules.video_search_intent import answer
from local.embedded_aws.lifecycle import ACCOUNT, REGION
from tests.end_to_end.account import EXAMPLE, example_lines, lenient
from tests.faults.machine import Execution
from tests.faults.world import World
from tests.unit.domain.logs.log_samples import converse, log_object

LOG_SOURCE = {"bucket": "team-invocation-logs", "prefix": "app"}
LOG_HOUR = f"app/AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/{REGION}/2026/11/02/09"
PROMPTS, HOLDOUT, KNOWN_CASES = 114, 8, 11
"""Prompts that leave 100 after the drops that a task allows; judged records; records with known scores."""


@dataclass(frozen=True)
class Scenario:
    """One run.

    Attributes
    ----------
    begin : callable
        Uploads what starts it, and gives the run.
    concerns : callable
        Whether the scenario is about a state; other scenarios are about the others.
    """

    name: str
    begin: Callable[[World], str]
    concerns: Callable[[str], bool]


def _prepare(world: World, task: str, **changes: object) -> None:
    """Upload what lies beside the prompts: the task, a holdout of trusted answers, answers with known scores."""
    lines = [json.loads(line) for line in example_lines()[-HOLDOUT:]]
    holdout = [_trusted(line["prompt"]) for line in lines]
    known = (EXAMPLE / "calibration.jsonl").read_bytes().splitlines(keepends=True)
    files: Mapping[str, bytes] = {
        "task.json": json.dumps(lenient(approval="required", **changes)).encode(),
        "holdout.jsonl": "".join(json.dumps(line) + "\n" for line in holdout).encode(),
        "calibration.jsonl": b"".join(known[::3]),
    }
    for name, body in files.items():
        world.put("uploads", f"{task}/{name}", body)


def _trusted(prompt: str) -> dict[str, object]:
    turns = (("user", prompt), ("assistant", json.dumps(answer(prompt))))
    messages = [{"role": role, "content": [{"text": text}]} for role, text in turns]
    return {"schemaVersion": "bedrock-conversation-2024", "messages": messages}


def _prompts(suffix: str) -> list[str]:
    return [f"{json.loads(line)['prompt']} {suffix}" for line in example_lines()[:PROMPTS]]


def upload(world: World, task: str, suffix: str, **changes: object) -> str:
    """Upload prompts that no other run has."""
    _prepare(world, task, **changes)
    body = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in _prompts(suffix))
    return world.upload(f"{task}/{digest(suffix)}.jsonl", body.encode())


def _from_logs(world: World) -> str:
    calls = [converse(prompt, "seen", timestamp="2026-11-02T09:30:00Z") for prompt in _prompts("in the log")]
    world.aws.client("s3").create_bucket(Bucket=LOG_SOURCE["bucket"])
    world.put(LOG_SOURCE["bucket"], f"{LOG_HOUR}/20261102T0930_a.json.gz", log_object(*calls))
    _prepare(world, "logged")
    wanted = {**LOG_SOURCE, "from": "2026-11-02T09:00:00Z", "to": "2026-11-02T10:00:00Z"}
    return world.upload("logged/range.logs.json", json.dumps(wanted).encode())


def _second(world: World) -> str:
    first = upload(world, "second", "of the first day")
    finish(world, first)
    assert world.run(first).outcome == "PROMOTED", world.run(first).reason
    return upload(world, "second", "of the second day")


LOG_STATES = ("ListInvocationLogs", "EachLogShard", "ReadInvocationLogs")
AFTER_APPROVAL = ("PromoteStudent", "IsStudentServing", "WaitForPromotion", "WaitForTraffic", "BakeStudent",
                  "IsStudentBaked", "ReleaseResources", "AreResourcesReleased", "PublishReport")  # fmt: skip

SCENARIOS = (
    Scenario("first", lambda world: upload(world, "video", "of the day"), lambda state: state not in LOG_STATES),
    Scenario("logs", _from_logs, lambda state: state in LOG_STATES),
    Scenario("second", _second, lambda state: state in AFTER_APPROVAL),
)
"""A first student; one taught from production traffic; one that takes over the endpoint of a champion."""


def finish(world: World, run_id: str, attempt: int = 1) -> Execution:
    """Let an attempt go to its end, and events and schedule close it."""
    execution = world.execution(run_id, attempt)
    while execution.state is not None:
        execution.step()
    world.close(execution)
    return execution
