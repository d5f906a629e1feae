"""Wall time and throttles of the stages that ask models, on a simulator process with a latency and a quota.

The stages' own code runs, as many shards at once as the settings say, each worker with limits of its own as a warm
Lambda has. The quota is of calls at once at one model. Run as a process of its own, because it points the clients of
this process at the simulator.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from lambdas.domain.dataset.records import Record, parse_line, to_json_lines
from lambdas.domain.dataset.shards import shards
from lambdas.domain.task.settings import Settings
from lambdas.gateways.registry.table import BY_STATE, Table
from lambdas.states.evaluate_student import stage as evaluate_student
from lambdas.states.generate_teacher_data import stage as generate_teacher_data
from lambdas.workflow.stage import Pipeline, Result, Stage
from local.embedded_aws.lifecycle import EmbeddedAws
from tests.unit.gateways.registry.embedded_table import keys
from tests.unit.support.workshop import MemoryBucket, Workshop, environment

SECONDS, QUOTA = 0.8, 40
PROMPTS, HOLDOUT = 2_400, 1_000
"""Prompts of the teacher's stage; records of the holdout, half of those that 10,000 prompts leave apart. With a few
hundred, beginning and end of the evaluation would be most of what is measured."""
CONTESTANTS = 4
CANDIDATE = "amazon.nova-lite-v1:0"
"""Stands in for the candidate's deployment: a model of its own, with a quota of its own."""


class SharedBucket(MemoryBucket):
    """A bucket in memory that several shards use at once."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys as they are now."""
        with self._lock:
            return super().keys(prefix)

    def write(self, key: str, content: bytes, content_type: str = "application/x-ndjson") -> None:
        """Write an object."""
        with self._lock:
            super().write(key, content, content_type)


@contextmanager
def simulator(workdir: Path, seconds: float = SECONDS, quota: int = QUOTA) -> Iterator[str]:
    """Start the simulator with a latency and a quota; gives its URL."""
    port_file = workdir / "simulator.url"
    command = [sys.executable, "-m", "tests.benchmarks.quota_simulator", str(port_file), str(seconds), str(quota)]
    process = subprocess.Popen(command)  # noqa: S603 - our own module
    try:
        deadline = time.monotonic() + 30
        while not port_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the simulator did not start")
            time.sleep(0.05)
        yield port_file.read_text(encoding="utf-8")
    finally:
        process.terminate()
        process.wait(10)


def wall_seconds(
    workshop: Workshop, run_id: str, name: str, records: list[Record], execute: Callable[[Stage], Result]
) -> float:
    """Let a stage answer all shards, as the map does; gives the seconds from the first to the last."""
    kind = "teacher" if name == "GenerateTeacherData" else "holdout"
    at_once = Settings.from_mapping({}).shards_at_once
    run, grouped = workshop.pipeline.registry.run(run_id), shards(records, kind, at_once)
    for shard, members in grouped.items():
        workshop.bucket.write(run.files.shard(kind, shard), to_json_lines(members))
    pipelines: SimpleQueue[Pipeline] = SimpleQueue()
    for _ in range(at_once):
        pipeline = Pipeline(environment=environment(workshop.bucket.name), now=workshop.pipeline.now)
        pipeline.__dict__.update(_table=workshop.pipeline.__dict__["_table"], runs=workshop.bucket)
        pipelines.put(pipeline)

    def child(shard: str) -> None:
        pipeline = pipelines.get()
        try:
            execute(Stage(name=name, pipeline=pipeline, run=run, attempt=run.attempt, payload={"shard": shard}))
        finally:
            pipelines.put(pipeline)

    began = time.monotonic()
    with ThreadPoolExecutor(at_once) as executor:
        list(executor.map(child, grouped))
    return time.monotonic() - began


def throttled_share(bucket: MemoryBucket) -> float:
    """Give the share of throttled calls among all calls, as the kept answers count them."""
    answers = [
        json.loads(line)
        for key, content in bucket.objects.items()
        if key.startswith("answers/") and "/failed/" not in key
        for line in content.splitlines()
    ]
    throttled = sum(answer["throttled"] for answer in answers)
    return float(throttled / (throttled + len(answers)))


def prompts(count: int, kind: str) -> list[Record]:
    """Make prompts, in the order of their ids as a dataset has them."""
    found = [
        parse_line(json.dumps({"prompt": f"{kind} clip {number} of a red car"}).encode()) for number in range(count)
    ]
    return sorted(found, key=lambda record: record.id)


def measure(table: Table) -> dict[str, float]:
    """Measure both stages."""
    workshop = Workshop(table)
    workshop.bucket = SharedBucket()
    workshop.pipeline.__dict__["runs"] = workshop.bucket
    run = workshop.run()
    workshop.plan(run)
    asked = prompts(PROMPTS, "teacher")
    teacher = wall_seconds(workshop, run.run_id, "GenerateTeacherData", asked, generate_teacher_data.execute)
    share = throttled_share(workshop.bucket)
    holdout = prompts(HOLDOUT, "holdout")
    references = "".join(json.dumps({"record_id": item.id, "reference": "{}"}) + "\n" for item in holdout)
    workshop.bucket.write(run.files.teacher_data("references.jsonl"), references.encode())
    workshop.pipeline.registry.record_facts(run.run_id, custom_model_arn=CANDIDATE, deployment_arn=CANDIDATE)
    evaluation = wall_seconds(workshop, run.run_id, "EvaluateStudent", holdout, evaluate_student.execute)
    # Each model has a quota of its own, so the ideal is the largest N L / C of them: the judge's, which is asked once
    # for each contestant's answer (all differ here). Its wait for the first answer is left out of the ideal.
    return {
        "teacher_wall_vs_ideal": teacher / (PROMPTS * SECONDS / QUOTA),
        "teacher_throttled_share": share,
        "evaluation_wall_vs_ideal": evaluation / (CONTESTANTS * HOLDOUT * SECONDS / QUOTA),
    }


def main() -> None:
    """Print the figures as JSON."""
    with tempfile.TemporaryDirectory(prefix="asking-") as folder, EmbeddedAws.start(Path(folder) / "aws") as aws:
        dynamodb: Any = aws.client("dynamodb")
        attributes = ("pk", "sk", "state_group", "since")
        dynamodb.create_table(
            TableName="registry",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in attributes],
            KeySchema=keys("pk", "sk"),
            GlobalSecondaryIndexes=[
                {
                    "IndexName": BY_STATE,
                    "KeySchema": keys("state_group", "since"),
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        with simulator(Path(folder)) as url:
            os.environ |= {
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "benchmark",
                "AWS_SECRET_ACCESS_KEY": "benchmark",
            }
            figures = measure(Table(dynamodb, "registry"))
    print(json.dumps(figures))


def measured() -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.asking"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=900)  # noqa: S603 - our own module
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    main()
