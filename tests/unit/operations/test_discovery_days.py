"""The days of discovery: what is due, what is refused before a byte is read, and that a repetition leaves no more."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, Any, cast

import pytest

from lambdas.domain.discovery import discovery_files
from lambdas.domain.discovery.discovery_plan import InvalidDiscovery
from lambdas.domain.task.settings import Settings
from lambdas.gateways.aws.log_bucket import LogBucket, LogObject
from lambdas.operations.plan_discovery import stage as plan_stage
from lambdas.operations.plan_discovery.stage import plan_discovery
from lambdas.operations.prepare_day.stage import prepare_day
from lambdas.operations.read_offloaded_bodies import stage as bodies_stage
from lambdas.operations.read_offloaded_bodies.stage import read_offloaded_bodies
from lambdas.workflow.stage import Pipeline
from tests.unit.support.workshop import MemoryBucket, environment

NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
DAYS = {"days": 3, "max_scanned_gb": 1}
LOG = "s3://team-logs/app/AWSLogs/123456789012/BedrockModelInvocationLogs/us-east-1/"


class MemoryLogs:
    """A log source in a dictionary."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.objects: dict[str, bytes] = {}

    def entries_of(self, hour: str) -> list[LogObject]:
        return [LogObject(key, "etag", size) for key, size in self.sizes.items() if key.startswith(hour)]

    def open_body(self, path: str) -> IO[bytes] | None:
        found = self.objects.get(path)
        return None if found is None else io.BytesIO(found)


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> MemoryLogs:
    found = MemoryLogs()
    for stage in (plan_stage, bodies_stage):
        monkeypatch.setattr(stage, "log_bucket", lambda _pipeline, _source: cast("LogBucket", found))
    monkeypatch.setenv("DISCOVERY_DATABASE", "distillation_dev_discovery")
    return found


@pytest.fixture
def pipeline(bucket: MemoryBucket) -> Pipeline:
    settings = Settings.from_mapping({"discovery": DAYS, "log_sources": [{"bucket": "team-logs", "prefix": "app"}]})
    made = Pipeline(environment=replace(environment(bucket.name), settings=settings), now=lambda: NOW)
    made.__dict__["runs"] = bucket
    return made


def days(plan: dict[str, Any]) -> list[str]:
    return [day["day"] for day in plan["days"]]


def test_a_day_that_no_query_may_scan_is_refused_before_anything_is_read(pipeline: Pipeline, logs: MemoryLogs) -> None:
    logs.sizes = {"2026/11/27/05/a.json.gz": 10**9 + 1}
    with pytest.raises(InvalidDiscovery, match=r"2026-11-27 of log source 0 has 1\.0 GB, more than the 1 GB"):
        plan_discovery(pipeline, {}, "daily")


def test_a_deployment_without_the_setting_reads_nothing(bucket: MemoryBucket, logs: MemoryLogs) -> None:
    del logs
    bare = Pipeline(environment=environment(bucket.name), now=lambda: NOW)
    bare.__dict__["runs"] = bucket
    with pytest.raises(InvalidDiscovery, match="no 'discovery' any more"):
        plan_discovery(bare, {}, "daily")
    assert bucket.objects == {}


def test_only_days_that_were_not_read_are_due_the_newest_first(
    pipeline: Pipeline, bucket: MemoryBucket, logs: MemoryLogs
) -> None:
    logs.sizes = {"2026/11/28/00/a.json.gz": 5, "2026/11/26/23/b.json.gz": 7, "2026/11/27/09/c.json.gz": 100}
    plan_discovery(pipeline, {}, "first")
    bucket.write_json(discovery_files.marker(0, "2026-11-27"), {})
    plan = plan_discovery(pipeline, {}, "second")
    assert days(plan) == ["2026-11-28", "2026-11-26"]
    assert plan["bytes"] == 12
    again = plan_discovery(pipeline, {"again": True}, "third")
    assert days(again) == ["2026-11-28", "2026-11-27", "2026-11-26"]


def test_the_secret_is_made_once_and_stands_in_no_query(
    pipeline: Pipeline, bucket: MemoryBucket, logs: MemoryLogs
) -> None:
    del logs
    plan = plan_discovery(pipeline, {}, "first")
    salt = bucket.objects[discovery_files.SALT]
    assert len(salt.strip()) == 64
    plan_discovery(pipeline, {}, "second")
    assert bucket.objects[discovery_files.SALT] == salt
    query = prepare_day(pipeline, 0, "2026-11-28")
    assert salt.decode().strip() not in json.dumps([plan, query])


def test_where_the_secret_is_lost_every_day_is_read_anew(
    pipeline: Pipeline, bucket: MemoryBucket, logs: MemoryLogs
) -> None:
    del logs
    for day in ("2026-11-26", "2026-11-27", "2026-11-28"):
        bucket.write_json(discovery_files.marker(0, day), {})
    assert len(days(plan_discovery(pipeline, {}, "first"))) == 3
    assert days(plan_discovery(pipeline, {}, "second")) == []


def test_an_execution_reads_so_many_days_and_says_what_is_left(
    pipeline: Pipeline, logs: MemoryLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    del logs
    monkeypatch.setattr(plan_stage, "MAX_READ_DAYS", 2)
    plan = plan_discovery(pipeline, {}, "first")
    assert (days(plan), plan["left"]) == (["2026-11-28", "2026-11-27"], 1)


def test_a_day_is_emptied_and_no_other_one(pipeline: Pipeline, bucket: MemoryBucket, logs: MemoryLogs) -> None:
    del logs
    for day in ("2026-11-27", "2026-11-28"):
        for key in (
            f"{discovery_files.calls_prefix(0, day)}a.parquet",
            f"{discovery_files.bodies_prefix(0, day)}bodies.json",
            discovery_files.marker(0, day),
        ):
            bucket.write(key, b"x")
    bucket.write(f"{discovery_files.calls_prefix(1, '2026-11-28')}a.parquet", b"x")
    prepared = prepare_day(pipeline, 0, "2026-11-28")
    assert prepared["day"] == "2026-11-28"
    assert "team-logs" not in prepared["query"]
    left = sorted(bucket.objects)
    assert [key for key in left if "2026-11-28" in key] == ["discovery/calls/source=1/day=2026-11-28/a.parquet"]
    assert len([key for key in left if "2026-11-27" in key]) == 3


def test_a_source_that_the_settings_do_not_have_is_refused(pipeline: Pipeline, bucket: MemoryBucket) -> None:
    bucket.write(discovery_files.marker(1, "2026-11-28"), b"x")
    with pytest.raises(InvalidDiscovery, match="log source 1 is none of the 1"):
        prepare_day(pipeline, 1, "2026-11-28")
    assert bucket.objects


def entry(request_id: str, path: str | None) -> dict[str, Any]:
    return {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": "2026-11-28T10:00:00Z",
        "accountId": "123456789012",
        "identity": {"arn": "arn:aws:sts::123456789012:assumed-role/shop/session"},
        "region": "us-east-1",
        "requestId": request_id,
        "operation": "Converse",
        "modelId": "amazon.nova-pro-v1:0",
        "input": {"inputContentType": "application/json", "inputBodyS3Path": path, "inputTokenCount": 40_000},
        "output": {
            "outputContentType": "application/json",
            "outputBodyJson": {"output": {"message": {"content": [{"text": "{}"}]}}, "stopReason": "end_turn"},
            "outputTokenCount": 5,
        },
    }


def lay_offloaded(bucket: MemoryBucket, logs: MemoryLogs) -> None:
    """Lay four calls: two whose bodies are there, one whose body is gone, one that was not asked for."""
    body = {"system": [{"text": "Sort tickets."}], "messages": [{"role": "user", "content": [{"text": "CANARY " * 9}]}]}
    paths = {name: f"{LOG}2026/11/28/10/data/{name}_input.json.gz" for name in ("a", "b", "gone", "other")}
    for name in ("a", "b", "other"):
        logs.objects[paths[name]] = gzip.compress(json.dumps(body).encode())
    lines = [json.dumps(entry(name, path)) for name, path in paths.items()]
    logs.objects[f"{LOG}2026/11/28/10/x.json.gz"] = gzip.compress("\n".join(["{damaged", "", *lines]).encode())
    wanted = [f"{LOG}2026/11/28/10/x.json.gz,{name}" for name in ("a", "b", "gone")]
    wanted.append(f"{LOG}2026/11/28/11/deleted.json.gz,z")
    bucket.write(discovery_files.result("q"), "\n".join(["object,request_id", *wanted]).encode())
    bucket.write(discovery_files.SALT, b"00" * 32 + b"\n")


def test_bodies_beside_the_log_become_digests_and_what_is_missing_is_counted(
    pipeline: Pipeline, bucket: MemoryBucket, logs: MemoryLogs
) -> None:
    lay_offloaded(bucket, logs)
    result = read_offloaded_bodies(pipeline, 0, "2026-11-28", "q", lambda: 100.0)
    assert (result["wanted"], result["read"], sum(result["unread"].values())) == (4, 2, 2)
    written = bucket.objects["discovery/bodies/source=0/day=2026-11-28/bodies.json"]
    assert {json.loads(line)["request_id"] for line in written.splitlines()} == {"a", "b"}
    assert b"CANARY" not in written
    assert bucket.read_json(discovery_files.marker(0, "2026-11-28")) == result


def test_what_comes_before_damaged_data_is_read_and_the_rest_is_counted(
    pipeline: Pipeline, bucket: MemoryBucket, logs: MemoryLogs
) -> None:
    lay_offloaded(bucket, logs)
    path = f"{LOG}2026/11/28/10/x.json.gz"
    logs.objects[path] = logs.objects[path][:-12]
    result = read_offloaded_bodies(pipeline, 0, "2026-11-28", "q", lambda: 100.0)
    assert result["read"] + sum(result["unread"].values()) == result["wanted"] == 4
    assert result["unread"]["the log object was deleted or damaged"] >= 1


def test_a_day_whose_time_is_over_says_how_many_bodies_were_not_read(
    pipeline: Pipeline, bucket: MemoryBucket, logs: MemoryLogs
) -> None:
    lay_offloaded(bucket, logs)
    result = read_offloaded_bodies(pipeline, 0, "2026-11-28", "q", lambda: -1.0)
    assert (result["read"], result["unread"]) == (0, {"no time was left": 4})
    assert not list(bucket.keys("discovery/bodies/"))


def test_a_repetition_leaves_the_same_rows(pipeline: Pipeline, bucket: MemoryBucket, logs: MemoryLogs) -> None:
    lay_offloaded(bucket, logs)
    first = (read_offloaded_bodies(pipeline, 0, "2026-11-28", "q", lambda: 100.0), dict(bucket.objects))
    assert (read_offloaded_bodies(pipeline, 0, "2026-11-28", "q", lambda: 100.0), bucket.objects) == first
