"""What the pipeline itself costs beside Bedrock: from the history of a real run, carried on to a larger one.

Measured on the embedded AWS: every state that was entered, how long each Lambda took (cold starts and the emulator's
overhead included, so it is too much rather than too little), and every object that the run wrote. Carried on: the poll
loops, whose rounds follow from how long a job takes and from the settings; the shards, which follow from the prompts;
and the time for which Lambdas wait for models, which follows from calls and seconds a call. Requests to S3, DynamoDB
and KMS are counted by object and by Lambda, with the figures below.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lambdas.domain.costs.estimate import CONTESTANTS
from lambdas.domain.dataset.shards import RECORDS_A_SHARD, shard_widths
from lambdas.domain.evaluation.planned_holdout import MOST_PLANNED
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.task.settings import Settings
from lambdas.gateways.answering.answer_recorder import FLUSH_EVERY
from tests.benchmarks.transitions import count_transitions

if TYPE_CHECKING:
    from tests.end_to_end.account import Account

PROMPTS, JOB_HOURS, BATCH_HOURS, ENDPOINT_MINUTES = 10_000, 24.0, 6.0, 8.0
"""The run that is carried on to: a batch takes six hours, a deployment eight minutes (both as users report)."""

ANSWER_SECONDS, VERDICT_SECONDS = 1.5, 3.0
"""A call to a contestant and to the judge, about the published case's latencies with some air."""

STATES_A_ROUND = 3
"""Wait, Task and Choice of a poll."""

OBJECTS_A_SHARD = 4
"""Records, answers, verdicts and measurements of one shard."""

READS_A_LAMBDA, WRITES_A_LAMBDA, OBJECTS_READ_A_LAMBDA, KEY_REQUESTS_A_LAMBDA = 6, 6, 5, 3
"""Units of DynamoDB, objects read, and uses of the key by one Lambda: rounded up from the stages' own code."""


@dataclass(frozen=True, slots=True)
class OwnCost:
    """Dollars by service, and the quantities that they are of."""

    usd: dict[str, float]
    quantities: dict[str, float]

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.usd.values())


@dataclass(slots=True)
class History:
    """What one execution did: visits and Lambda seconds by state, transitions, gigabytes of each state's Lambda."""

    visits: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    gigabytes: dict[str, float] = field(default_factory=dict)
    own: int = 0
    in_maps: int = 0
    objects: int = 0


def read_history(account: Account, run_id: str, task: str) -> History:
    """Read what a run that has ended did."""
    arn, found = account.execution_arn(run_id), History()
    machine = account.states.describe_state_machine_for_execution(executionArn=arn)
    states: dict[str, Any] = json.loads(machine["definition"])["States"]
    entered: dict[str, Any] = {}
    current = ""
    for page in account.states.get_paginator("get_execution_history").paginate(executionArn=arn):
        for event in page["events"]:
            if "stateEnteredEventDetails" in event:
                current = event["stateEnteredEventDetails"]["name"]
                found.visits[current] += 1
                entered[current] = event["timestamp"]
            elif "stateExitedEventDetails" in event:
                name = event["stateExitedEventDetails"]["name"]
                if states[name]["Type"] == "Task":
                    found.seconds[name].append((event["timestamp"] - entered[name]).total_seconds())
    in_maps = [state["ItemProcessor"]["States"] for state in states.values() if state["Type"] == "Map"]
    for name, state in (item for group in [states, *in_maps] for item in group.items()):
        function = state.get("Arguments", {}).get("FunctionName")
        if state["Type"] == "Task" and isinstance(function, str):
            memory = account.functions.get_function_configuration(FunctionName=function)["MemorySize"]
            found.gigabytes[name] = memory / 1024
    found.own, found.in_maps = count_transitions(account.states, arn)
    bucket, s3 = account.outputs["RunsBucket"], account.s3
    for prefix in (f"runs/{task}/{run_id}/", f"answers/{task}/"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            found.objects += len(page.get("Contents", []))
    return found


def carried_on(history: History, settings: Settings, prices: PriceBook) -> OwnCost:
    """Carry a run's history on to :data:`PROMPTS` prompts and a job of :data:`JOB_HOURS`."""
    rounds = {
        "RunTeacherBatch": BATCH_HOURS * 3600 / settings.teacher_poll_interval(24),
        "LaunchDistillation": JOB_HOURS * 3600 / settings.distillation_poll_seconds,
        "DeployCandidate": ENDPOINT_MINUTES * 60 / settings.endpoint_poll_seconds,
        "PromoteStudent": ENDPOINT_MINUTES * 60 / settings.endpoint_poll_seconds,
        "BakeStudent": float(settings.bake_polls),
    }
    visits = {name: float(count) for name, count in history.visits.items() if name in history.seconds}
    more = {name: max(math.ceil(count) - visits.get(name, 0.0), 0.0) for name, count in rounds.items()}
    holdout = MOST_PLANNED
    teacher_shards, holdout_shards = (
        len(list(shard_widths(records, RECORDS_A_SHARD[kind], settings.shards_at_once)))
        for kind, records in (("teacher", PROMPTS), ("holdout", holdout))
    )
    shards = teacher_shards + holdout_shards
    transitions = history.own + sum(more.values()) * STATES_A_ROUND + shards
    seconds = {
        name: fmean(history.seconds[name]) * (count + more.get(name, 0.0))
        for name, count in visits.items()
        if name in history.gigabytes
    }
    gb_seconds = sum(taken * history.gigabytes[name] for name, taken in seconds.items())
    # The teacher's answers came by batch: a shard's Lambda only finds them, in about five seconds.
    waiting = teacher_shards * 5 * history.gigabytes["GenerateTeacherData"]
    asked = CONTESTANTS * VERDICT_SECONDS + ANSWER_SECONDS
    waiting += holdout * asked / settings.calls_at_once * history.gigabytes["EvaluateStudent"]
    gb_seconds += waiting
    invocations = sum(visits.values()) + sum(more.values()) + shards
    # Student, undistilled student and baseline are asked on demand, and the judge about all; each flush is an object.
    flushes = holdout * (CONTESTANTS - 1 + CONTESTANTS) / FLUSH_EVERY
    written = history.objects + shards * OBJECTS_A_SHARD + flushes
    quantities = {
        "AWS Step Functions.transition": transitions,
        "AWS Lambda.gb_second": gb_seconds,
        "AWS Lambda.request": invocations,
        "Amazon S3.put": written,
        "Amazon S3.get": invocations * OBJECTS_READ_A_LAMBDA,
        "Amazon DynamoDB.read_unit": invocations * READS_A_LAMBDA,
        "Amazon DynamoDB.write_unit": invocations * WRITES_A_LAMBDA + flushes * 2,
        "AWS KMS.request": invocations * KEY_REQUESTS_A_LAMBDA,
    }
    usd: dict[str, float] = {}
    for name, quantity in quantities.items():
        service, usage = name.rsplit(".", 1)
        usd[service] = usd.get(service, 0.0) + prices.usd(service, usage, quantity)
    return OwnCost(usd, quantities)
