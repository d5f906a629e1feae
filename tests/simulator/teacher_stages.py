"""The stages that buy the teacher's answers, as they are, over HTTP against the simulator and on DynamoDB's own table.

Only S3 is a dictionary: the one that the simulator reads and writes.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, cast
from unittest import mock

import boto3

from lambdas.domain.dataset.records import Record, from_json_lines
from lambdas.domain.errors import RetryLater
from lambdas.domain.identity import Upload
from lambdas.domain.task.model_choice import ModelChoice
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.bedrock import BedrockControl
from lambdas.gateways.aws.storage import Bucket
from lambdas.gateways.registry.runs import Run
from lambdas.gateways.registry.table import Table
from lambdas.states.check_run.stage import execute as check_run
from lambdas.states.collect_teacher_data.stage import execute as collect_teacher_data
from lambdas.states.generate_teacher_data.stage import execute as generate_teacher_data
from lambdas.states.prepare_dataset.stage import execute as prepare_dataset
from lambdas.states.run_teacher_batch.stage import execute as run_teacher_batch
from lambdas.workflow.stage import Pipeline, Result, Stage, iso
from local.bedrock_simulator.catalog import REGION
from local.bedrock_simulator.clock import ManualClock
from local.bedrock_simulator.objects import MemoryObjectStore
from stacks.machine.asl import RETRY
from tests.unit.support.workshop import environment

RUNS_BUCKET = "distillation-runs-000000000000"
MOST_POLLS, MOST_TRIES = 400, RETRY["MaxAttempts"] + 1
MODELS = ModelChoice(
    teacher="us.amazon.nova-pro-v1:0",
    student="amazon.nova-micro-v1:0",
    student_customization="amazon.nova-micro-v1:0:128k",
    baseline="us.anthropic.claude-haiku-4-5-20251001-v1:0",
    judge="us.anthropic.claude-sonnet-4-6",
    training="distillation",
)


class SharedBucket(Bucket):
    """A bucket among the simulator's objects; an object has one version."""

    def __init__(self, objects: MemoryObjectStore, name: str) -> None:
        super().__init__(cast("Any", None), name)
        self._objects = objects

    def read(self, key: str) -> bytes:
        return self._objects.read(self.name, key)

    def lines(self, key: str) -> Iterator[bytes]:
        return iter(self.read(key).splitlines())

    def write(self, key: str, content: bytes, content_type: str = "application/x-ndjson") -> None:
        del content_type
        self._objects.write(self.name, key, content)

    def upload(self, key: str, file: IO[bytes]) -> None:
        file.seek(0)
        self.write(key, file.read())

    def newest_version(self, key: str) -> str | None:
        return "null" if next(self.keys(key), None) == key else None

    def open_version(self, key: str, version: str) -> IO[bytes] | None:
        del version
        return io.BytesIO(self.read(key))

    def keys(self, prefix: str) -> Iterator[str]:
        return iter(self._objects.keys(self.name, prefix))


@dataclass
class Outcome:
    """What the stages left of one run.

    Attributes
    ----------
    summary : dict
        ``teacher_data.json``.
    places : Counter
        How often each record id is in the training file, among the references or among the dropped.
    dropped : list of dict
        With ``record_id`` and ``reason``.
    statuses : list of str
        What the service said of each batch inference job at last.
    ledger_usd : float
        What the run says that it paid.
    """

    run: Run
    summary: dict[str, Any]
    records: list[Record]
    places: Counter[str]
    dropped: list[dict[str, str]]
    ledger_usd: float

    @property
    def batch(self) -> dict[str, Any]:
        batch: dict[str, Any] = self.summary["batch"]
        return batch

    @property
    def statuses(self) -> list[str]:
        return [job["status"] for job in self.batch["jobs"]]


@dataclass
class TeacherStages:
    """One environment against one simulator.

    Parameters
    ----------
    url : str
        The simulator.
    objects : MemoryObjectStore
        Its S3.
    clock : ManualClock
        Its clock, which is the pipeline's too: waiting moves it.
    table : Table
        An empty registry.
    """

    url: str
    objects: MemoryObjectStore
    clock: ManualClock
    table: Table
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self.pipeline = Pipeline(environment=environment(RUNS_BUCKET), now=self.clock.now)
        self.pipeline.__dict__.update(
            _table=self.table,
            runs=SharedBucket(self.objects, RUNS_BUCKET),
            uploads=SharedBucket(self.objects, "uploads"),
            bedrock=BedrockControl(self._client("bedrock", clients.CONTROL)),
        )

    def buy(
        self, prompts: Sequence[str], task: dict[str, Any], *, folder: str = "video", version: str = "1"
    ) -> Outcome:
        """Take an upload from PrepareDataset to CollectTeacherData, as the state machine does."""
        run = self.prepare(prompts, task, folder=folder, version=version)
        with self.connected():
            return self.finish(run)

    def prepare(
        self, prompts: Sequence[str], task: dict[str, Any], *, folder: str = "video", version: str = "1"
    ) -> Run:
        """Claim a run for an upload and prepare its dataset."""
        uploads, registry, now = self.pipeline.uploads, self.pipeline.registry, iso(self.clock.now())
        key = f"{folder}/{version}.jsonl"
        uploads.write(key, b"".join(json.dumps({"prompt": prompt}).encode() + b"\n" for prompt in prompts))
        uploads.write_json(f"{folder}/task.json", task)
        run = registry.claim(Upload("uploads", key, version), "v1", None, now)
        assert registry.take_slot(run.run_id, 100, now)
        self.pipeline.runs.write_json(run.files.plan(1), {"models": MODELS.to_document()})
        self.shards = prepare_dataset(self.stage("PrepareDataset", run))["teacher_shards"]
        return run

    def estimated(self, run: Run) -> dict[str, dict[str, Any]]:
        """Let CheckRun look at a prepared run; give its estimate by line. To be called while connected."""
        check_run(self.stage("CheckRun", run))
        plan = self.pipeline.runs.read_json(run.files.plan(run.attempt))
        return {f"{line['stage']}.{line['model']}.{line['what']}": line for line in plan["estimate"]}

    def finish(self, run: Run) -> Outcome:
        """Buy the answers of a prepared run and collect them; to be called while connected."""
        for _ in range(MOST_POLLS):
            result = run_teacher_batch(self.stage("RunTeacherBatch", run))
            if result["status"] == "COMPLETED":
                break
            self.clock.advance(result["wait_seconds"])
        else:
            raise AssertionError("the batch never ends")
        for shard in self.shards:
            self._generate(run, shard)
        collect_teacher_data(self.stage("CollectTeacherData", run))
        return self._outcome(run)

    def stage(self, name: str, run: Run, **payload: Any) -> Stage:
        """Frame one call of a stage."""
        current = self.pipeline.registry.run(run.run_id)
        return Stage(name=name, pipeline=self.pipeline, run=current, attempt=current.attempt, payload=payload)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Let the stages' own clients, with their own retries, reach the simulator."""
        runtime, quotas = (
            self._client("bedrock-runtime", clients.RUNTIME),
            self._client("service-quotas", clients.CONTROL),
        )
        with (
            mock.patch.object(clients, "bedrock_runtime", return_value=runtime),
            mock.patch.object(clients, "service_quotas", return_value=quotas),
            mock.patch.object(clients, "bedrock", return_value=self._client("bedrock", clients.CONTROL)),
        ):
            yield

    def _generate(self, run: Run, shard: str) -> Result:
        """Ask for one shard, again where the state machine would retry."""
        for _ in range(MOST_TRIES):
            try:
                return generate_teacher_data(self.stage("GenerateTeacherData", run, shard=shard))
            except RetryLater:
                continue
        raise AssertionError(f"shard {shard} is never answered")

    def _outcome(self, run: Run) -> Outcome:
        files, runs = run.files, self.pipeline.runs

        def documents(name: str) -> list[dict[str, Any]]:
            return [json.loads(line) for line in runs.lines(files.teacher_data(name))]

        train = from_json_lines(runs.read(files.dataset("train.jsonl")))
        holdout = from_json_lines(runs.read(files.dataset("holdout.jsonl")))
        ids = {record.turns[-1].text: record.id for record in train}
        dropped = documents("dropped.jsonl")
        places = Counter(ids[line["messages"][-2]["content"][0]["text"]] for line in documents("training.jsonl"))
        places.update(entry["record_id"] for entry in documents("references.jsonl"))
        places.update(entry["record_id"] for entry in dropped)
        return Outcome(
            run=run,
            summary=runs.read_json(files.teacher_data("teacher_data.json")),
            records=train + holdout,
            places=places,
            dropped=dropped,
            ledger_usd=sum(entry.usd for entry in self.pipeline.registry.ledger(run.run_id)),
        )

    def _client(self, service: Any, config: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="secret",
            config=config,
        )
