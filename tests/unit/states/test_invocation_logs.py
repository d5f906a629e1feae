"""The stages that read logs: bounded, in order, the same bytes again; what production asked is not asked again."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import IO, Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.dataset.records import from_json_lines
from lambdas.domain.errors import InvalidUpload
from lambdas.domain.identity import Upload
from lambdas.gateways.aws.log_bucket import LogBucket, LogObject
from lambdas.gateways.registry.runs import Run
from lambdas.states.list_invocation_logs import stage as listing
from lambdas.states.prepare_dataset.stage import execute as prepare
from lambdas.states.read_invocation_logs import stage as reading
from lambdas.workflow.logs import known_from_logs
from lambdas.workflow.stage import Stage
from tests.unit.domain.logs.log_samples import NOVA, converse, log_object
from tests.unit.support.workshop import Workshop

REQUEST = {"bucket": "logs", "from": "2026-11-02T09:00:00Z", "to": "2026-11-02T10:00:00Z"}


class MemoryLogs:
    """A log source whose objects are a dictionary."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects

    def entries_of(self, hour: str) -> Any:
        return [LogObject(key, "e", len(body)) for key, body in sorted(self.objects.items()) if key.startswith(hour)]

    def open(self, key: str) -> IO[bytes] | None:
        return io.BytesIO(self.objects[key]) if key in self.objects else None

    def open_body(self, path: str) -> IO[bytes] | None:
        return self.open(path)


class Traffic:
    """A workshop with a run that comes from logs."""

    def __init__(self, workshop: Workshop, logs: MemoryLogs, monkeypatch: pytest.MonkeyPatch, **task: object) -> None:
        self.workshop, self.logs = workshop, logs
        workshop.time = datetime(2026, 11, 3, tzinfo=UTC)
        uploads: Any = workshop.uploads
        uploads.open_version = lambda key, _version: io.BytesIO(uploads.objects[key])
        bucket: Any = workshop.bucket
        bucket.upload = lambda key, file: (file.seek(0), bucket.write(key, file.read()))
        uploads.objects |= {"video/a.logs.json": json.dumps(REQUEST).encode(), "video/task.json": b"{}"}
        uploads.objects["video/task.json"] = json.dumps(task).encode()
        for stage in (listing, reading):
            monkeypatch.setattr(stage, "open_source", lambda *_: logs)
        registry = workshop.pipeline.registry
        self.run: Run = registry.claim(Upload("uploads", "video/a.logs.json", "1"), "v1", None, workshop.now())

    def stage(self, name: str, **payload: object) -> Stage:
        return self.workshop.stage(name, self.run, **payload)

    def read(self) -> list[dict[str, Any]]:
        shards = listing.execute(self.stage("ListInvocationLogs"))["log_shards"]
        return [reading.execute(self.stage("ReadInvocationLogs", shard=shard)) for shard in shards]

    def dataset(self, name: str) -> bytes:
        return self.workshop.bucket.objects[self.run.files.dataset(name)]


def traffic(count: int = 600) -> MemoryLogs:
    calls = [converse(f"search number {number}", f"answer {number}") for number in range(count)]
    half = count // 2
    return MemoryLogs(
        {
            "2026/11/02/09/a.json.gz": log_object({"schemaType": "Other"}, *calls[:half]),
            "2026/11/02/10/b.json.gz": log_object(*calls[half:], calls[0], converse("User: reserved")),
        }
    )


def test_a_range_without_logs_is_refused_with_what_to_check(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidUpload, match=r"has no invocation logs.*Nothing was paid"):
        Traffic(workshop, MemoryLogs({}), monkeypatch).read()


def test_more_objects_than_a_run_reads_are_refused(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_OBJECTS", 1)
    with pytest.raises(InvalidUpload, match=r"more than 1 log objects.*shorter range"):
        Traffic(workshop, traffic(), monkeypatch).read()


def test_an_object_deleted_after_the_listing_is_rejected_by_name(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    made = Traffic(workshop, traffic(), monkeypatch)
    listing.execute(made.stage("ListInvocationLogs"))
    del made.logs.objects["2026/11/02/10/b.json.gz"]
    # When
    told = reading.execute(made.stage("ReadInvocationLogs", shard="00000"))
    # Then
    assert told["rejected"] == 2
    [*_, last] = workshop.bucket.objects[made.run.files.logs("prompts/00000.jsonl")].splitlines()
    assert json.loads(last)["reason"].startswith("the object was deleted before it was read")


def test_shards_are_bounded_by_number_and_bytes() -> None:
    small = [LogObject(f"{number:03d}", "e", 1) for number in range(250)]
    large = [LogObject("x", "e", listing.BYTES_A_SHARD), LogObject("y", "e", listing.BYTES_A_SHARD)]
    shards = list(listing.deal([*small, *large]))
    assert [len(members) for members in shards] == [100, 100, 50, 1, 1]
    assert [item for members in shards for item in members] == [*small, *large]


def test_a_body_is_never_read_outside_the_log_source() -> None:
    class Client:
        def get_object(self, **request: Any) -> Any:
            return {"Body": io.BytesIO(request["Key"].encode())}

    bucket: Any = LogBucket(Client(), "logs", "app/AWSLogs/1/", "1")  # type: ignore[arg-type]
    assert bucket.open_body("s3://logs/app/AWSLogs/1/data/x").read() == b"app/AWSLogs/1/data/x"
    for path in ("s3://other/app/AWSLogs/1/x", "s3://logs/secret", "s3://logs", "/etc/passwd", ""):
        assert bucket.open_body(path) is None


def test_an_object_that_s3_refuses_is_missing_and_any_other_error_is_not() -> None:
    class Client:
        def get_object(self, **request: Any) -> Any:
            raise ClientError({"Error": {"Code": request["Key"]}}, "GetObject")

    bucket: Any = LogBucket(Client(), "logs", "", "1")  # type: ignore[arg-type]
    assert bucket.open("AccessDenied") is None
    assert bucket.open("NoSuchKey") is None
    with pytest.raises(ClientError):
        bucket.open("SlowDown")


def test_the_dataset_is_a_pure_function_of_the_range_and_names_object_and_line(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    made = Traffic(workshop, traffic(), monkeypatch)
    # When
    told = made.read()
    counts = prepare(made.stage("PrepareDataset"))
    first = dict(workshop.bucket.objects)
    made.read()
    prepare(made.stage("PrepareDataset"))
    # Then
    assert workshop.bucket.objects == first
    assert all(len(json.dumps(result)) <= 200 for result in told)
    assert counts["train"] + counts["holdout"] == 600
    assert (counts["rejected"], counts["duplicates"]) == (2, 1)
    rejected = [json.loads(line) for line in made.dataset("rejected.jsonl").splitlines()]
    assert [(item["object"], item["line"]) for item in rejected] == [
        ("2026/11/02/09/a.json.gz", 1),
        ("2026/11/02/10/b.json.gz", 302),
    ]
    assert "reserved word" in rejected[1]["reason"]
    assert made.run.files.dataset("logged_answers.jsonl") not in workshop.bucket.objects


@pytest.mark.parametrize(
    ("teacher", "prompt", "known"),
    [
        (f"us.{NOVA}", None, True),
        (NOVA, "Sort the search.", True),
        (NOVA, "Another prompt.", False),
        ("x.y", None, False),
    ],
)
def test_what_production_asked_the_teacher_is_not_asked_again_for_training(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, teacher: str, prompt: str | None, known: bool
) -> None:
    # Given
    task: dict[str, object] = {"teacher_data": {"use_logged_answers": True}}
    made = Traffic(workshop, traffic(), monkeypatch, **task, **({"teacher_system_prompt": prompt} if prompt else {}))
    made.read()
    prepare(made.stage("PrepareDataset"))
    train, holdout = (from_json_lines(made.dataset(f"{name}.jsonl")) for name in ("train", "holdout"))
    # When
    found = known_from_logs(made.stage("GenerateTeacherData"), teacher, [*train, *holdout])
    # Then
    assert set(found) == ({record.id for record in train} if known else set())
    for record in train if known else []:
        assert found[record.id].answer.text == record.turns[-1].text.replace("search number", "answer")
