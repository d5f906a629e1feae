"""A pipeline whose registry is DynamoDB's own, whose bucket and Bedrock are in memory, and whose clock tests set."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, cast

from lambdas.domain.identity import Upload
from lambdas.domain.outcomes import FAILED
from lambdas.domain.task.model_choice import ModelChoice
from lambdas.domain.task.settings import Settings
from lambdas.gateways.aws.bedrock import BedrockControl
from lambdas.gateways.aws.environment import Environment
from lambdas.gateways.aws.storage import Bucket, NewestVersion
from lambdas.gateways.registry.champions import Champion
from lambdas.gateways.registry.resources import CREATED, Resource
from lambdas.gateways.registry.runs import Run
from lambdas.gateways.registry.table import Table
from lambdas.workflow.stage import Pipeline, Stage, iso
from tests.unit.support.fake_bedrock import START, FakeBedrock

VOLUME = {"records": 1_000, "prompt_tokens": 60_000.0, "answer_tokens": 40_000.0}
"""What the training file of the workshop comes to."""


class MemoryBucket(Bucket):
    """A bucket whose objects are a dictionary."""

    def __init__(self) -> None:
        super().__init__(cast("Any", None), "distillation-runs-000000000000")
        self.objects: dict[str, bytes] = {}

    def read(self, key: str) -> bytes:
        return self.objects[key]

    def lines(self, key: str) -> Iterator[bytes]:
        return iter(self.objects[key].splitlines())

    def find(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def read_if_kept(self, key: str) -> bytes | None:
        return self.find(key)

    def newest_version(self, key: str) -> str | None:
        return "v1" if key in self.objects else None

    def write(self, key: str, content: bytes, content_type: str = "application/x-ndjson") -> None:
        del content_type
        self.objects[key] = content

    def write_new(self, key: str, content: bytes) -> bool:
        return self.objects.setdefault(key, content) is content

    def delete_all(self, prefix: str) -> int:
        gone = list(self.keys(prefix))
        for key in gone:
            del self.objects[key]
        return len(gone)

    def table_rows(self, key: str) -> Iterator[dict[str, str]]:
        return iter(csv.DictReader(io.StringIO(self.objects[key].decode())))

    def metadata(self, key: str, version: str) -> dict[str, str]:
        del key, version
        return {}

    def newest_versions(self, after: str) -> tuple[list[NewestVersion], str]:
        del after
        return [], ""  # what lies here had its event

    def keys(self, prefix: str) -> Iterator[str]:
        return iter(sorted(key for key in list(self.objects) if key.startswith(prefix)))


class Workshop:
    """One environment and its first run."""

    def __init__(self, table: Table) -> None:
        self.time: datetime = START
        self.client = FakeBedrock(START)
        self.bucket, self.uploads = MemoryBucket(), MemoryBucket()
        self.pipeline = Pipeline(environment=environment(self.bucket.name), now=lambda: self.time)
        # Where the pipeline would make its gateways at first use, it finds these.
        self.pipeline.__dict__.update(
            _table=table, runs=self.bucket, uploads=self.uploads, bedrock=BedrockControl(cast("Any", self.client))
        )

    def now(self) -> str:
        return iso(self.time)

    def pass_time(self, **duration: float) -> None:
        self.time += timedelta(**duration)

    def run(self, version: str = "1") -> Run:
        """Claim a run and give it a slot."""
        registry = self.pipeline.registry
        run = registry.claim(Upload("uploads", "video/a.jsonl", version), None, None, self.now())
        assert registry.take_slot(run.run_id, 100, self.now())
        return registry.run(run.run_id)

    def fail_and_retry(self, run: Run) -> Run:
        """End an attempt and begin the next one."""
        registry = self.pipeline.registry
        registry.end(run.run_id, run.attempt, FAILED, "why", self.now(), None)
        registry.free_slot(run.run_id)
        registry.begin_retry(run.run_id, self.now())
        assert registry.take_slot(run.run_id, 100, self.now())
        return registry.run(run.run_id)

    def stage(self, name: str, run: Run, **payload: Any) -> Stage:
        """Frame one call of a stage, with the run as it is now."""
        current = self.pipeline.registry.run(run.run_id)
        return Stage(name=name, pipeline=self.pipeline, run=current, attempt=current.attempt, payload=payload)

    def plan(self, run: Run, training: str = "distillation", training_sha256: str = "ab" * 32) -> None:
        """Write what earlier stages leave for LaunchDistillation."""
        models = ModelChoice(
            teacher="us.amazon.nova-pro-v1:0",
            student="amazon.nova-micro-v1:0",
            student_customization="amazon.nova-micro-v1:0:128k",
            baseline="us.anthropic.claude-haiku-4-5-20251001-v1:0",
            judge="us.anthropic.claude-sonnet-4-6",
            training=training,
        )
        self.bucket.write_json(run.files.plan(run.attempt), {"models": models.to_document()})
        facts = {"training_sha256": training_sha256, "training_volume": VOLUME, "training_records": 1000}
        facts["labelled_records"] = 1000
        self.bucket.write_json(run.files.teacher_data("teacher_data.json"), facts)
        self.bucket.write_json(run.files.task_definition, {})
        record = {"id": "0" * 16, "turns": [["user", "red cats"]]}
        self.bucket.write(run.files.dataset("train.jsonl"), json.dumps(record).encode())

    def made(self, run: Run, kind: str, name: str, arn: str | None, state: str = CREATED) -> Resource:
        """Write a resource down as a stage does."""
        resource = Resource(
            run_id=run.run_id,
            attempt=run.attempt,
            task=run.task,
            kind=kind,
            name=name,
            state=state,
            created_at=self.now(),
            arn=arn,
        )
        return self.pipeline.resources.plan(resource)

    def crown(self, run_id: str, model_arn: str, endpoint_arn: str) -> Champion:
        """Make a champion of the task."""
        champion = Champion(
            run_id=run_id,
            model_arn=model_arn,
            base_model="amazon.nova-micro-v1:0:128k",
            endpoint_arn=endpoint_arn,
            endpoint_name="dev-video-old",
            mode="provisioned_throughput",
            promoted_at=self.now(),
        )
        state = self.pipeline.tasks.state("video")
        expected = state.champion.run_id if state.champion else None
        self.pipeline.tasks.take_lease("video", run_id, expected, self.now(), iso(self.time + timedelta(hours=1)))
        self.pipeline.tasks.crown(
            "video", run_id, champion, self.now(), keep=self.pipeline.environment.settings.keep_champions
        )
        self.pipeline.tasks.drop_lease("video", run_id)
        return champion


def environment(runs_bucket: str) -> Environment:
    """Give an environment as the pipeline stack would."""
    return Environment(
        name="dev",
        settings=Settings.from_mapping({}),
        uploads_bucket="uploads",
        runs_bucket=runs_bucket,
        registry_table="registry",
        approvals_table="",
        state_machine_arn="arn:aws:states:us-east-1:000000000000:stateMachine:machine",
        topic_arn="",
        customization_role_arn="arn:aws:iam::000000000000:role/customization",
        batch_role_arn="arn:aws:iam::000000000000:role/batch",
        model_key_arn="arn:aws:kms:us-east-1:000000000000:key/01234567-89ab-cdef-0123-456789abcdef",
        release_function="release",
        report_function="report",
        account="000000000000",
    )
