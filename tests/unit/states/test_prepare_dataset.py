"""PrepareDataset is a function of its object versions: the same bytes again, every line accounted for, no secret."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pytest

from lambdas.domain.dataset.records import SCHEMA_VERSION
from lambdas.domain.errors import DatasetRefused, InvalidUpload, SecretsFound
from lambdas.domain.identity import Upload
from lambdas.gateways.registry.runs import Run
from lambdas.states.prepare_dataset.stage import execute
from tests.unit.domain.text.secret_samples import SECRETS
from tests.unit.support.workshop import Workshop

KEY = SECRETS["AWS Access Key"]


class Intake:
    """A workshop with a run whose files are in memory."""

    def __init__(self, workshop: Workshop, lines: list[bytes], own_holdout: list[bytes] | None, **task: object) -> None:
        self.workshop = workshop
        uploads: Any = workshop.uploads
        uploads.open_version = lambda key, _version: io.BytesIO(uploads.objects[key])
        bucket: Any = workshop.bucket
        bucket.upload = lambda key, file: (file.seek(0), bucket.write(key, file.read()))
        uploads.objects |= {"video/a.jsonl": b"\n".join(lines), "video/task.json": json.dumps(task).encode()}
        if own_holdout is not None:
            uploads.objects["video/holdout.jsonl"] = b"\n".join(own_holdout)
        held = None if own_holdout is None else "h1"
        self.run: Run = workshop.pipeline.registry.claim(
            Upload("uploads", "video/a.jsonl", "1"), "v1", held, workshop.now()
        )

    def prepare(self) -> Any:
        return execute(self.workshop.stage("PrepareDataset", self.run))

    def written(self) -> dict[str, bytes]:
        prefix = self.run.files.dataset("")
        return {key.removeprefix(prefix): body for key, body in self.workshop.bucket.objects.items() if prefix in key}


def prompts(count: int) -> list[bytes]:
    return [json.dumps({"prompt": f"cats number {number}"}).encode() for number in range(count)]


def trusted(question: str) -> bytes:
    messages = [
        {"role": role, "content": [{"text": text}]} for role, text in (("user", question), ("assistant", "yes"))
    ]
    return json.dumps({"schemaVersion": SCHEMA_VERSION, "messages": messages}).encode()


def test_a_secret_stops_the_run_and_is_in_no_file_that_was_written(workshop: Workshop) -> None:
    # Given
    intake = Intake(workshop, [*prompts(600), json.dumps({"prompt": f"use {KEY}"}).encode()], None)

    # When
    with pytest.raises(SecretsFound, match=r"line 601 \(AWS Access Key\).*Nothing was paid"):
        intake.prepare()

    # Then the person finds the line, and nobody finds the key
    assert json.loads(intake.written()["rejected.jsonl"])["line"] == 601
    assert json.loads(intake.written()["dataset.json"])["secrets"] == 1
    assert not any(KEY.encode() in body for body in workshop.bucket.objects.values())


def test_a_damaged_line_of_the_holdout_file_stops_the_run(workshop: Workshop) -> None:
    # Given
    intake = Intake(workshop, prompts(600), [*(trusted(f"dogs {number}") for number in range(120)), b'{"sch'])

    # When / Then
    with pytest.raises(InvalidUpload, match=r"1 of 121 lines are damaged; holdout\.jsonl line 121: not JSON"):
        intake.prepare()


def test_too_few_records_are_refused_with_what_was_kept_out_of_the_training(workshop: Workshop) -> None:
    # Given a holdout that asks most of what the training asks
    intake = Intake(workshop, prompts(150), [trusted(f"Cats, number {number}!") for number in range(100)])

    # When / Then
    with pytest.raises(DatasetRefused, match=r"50 training records of at least 112.*100 in the holdout"):
        intake.prepare()


def test_running_again_writes_the_same_bytes(workshop: Workshop) -> None:
    # Given every kind of line: used, rejected, merged, with a secret, and asked by the holdout
    more = [b'{"prompt": "?"}', b'{"prompt": "CATS number 7"}', json.dumps({"prompt": KEY}).encode()]
    own = [*(trusted(f"dogs {number}") for number in range(110)), trusted("cats number 3"), b'{"prompt": "no answer"}']
    intake = Intake(workshop, [*prompts(300), *more], own, secrets="drop")

    # When
    told = intake.prepare()
    first = dict(workshop.bucket.objects)
    workshop.pass_time(hours=5)
    again = intake.prepare()

    # Then
    assert told == again
    assert workshop.bucket.objects == first
    summary = json.loads(intake.written()["dataset.json"])
    parts = ("train", "rejected", "duplicates", "leaked", "not_chosen")
    assert [summary[name] for name in parts] == [299, 2, 1, 1, 0]
    assert sum(summary[name] for name in parts) == summary["lines"] == 303
    assert summary["holdout_file"] == {
        "lines": 112,
        "rejected": 1,
        "damaged": 0,
        "secrets": 0,
        "secrets_allowed": 0,
        "duplicates": 0,
        "not_chosen": 0,
    }


def test_the_summary_names_each_file_by_its_hash(workshop: Workshop) -> None:
    # Given / When
    intake = Intake(workshop, prompts(600), None)
    intake.prepare()

    # Then
    written = intake.written()
    named = json.loads(written["dataset.json"])["sha256"]
    for name in ("train.jsonl", "holdout.jsonl", "rejected.jsonl"):
        assert named[name] == hashlib.sha256(written[name]).hexdigest()
    assert named["upload"] == hashlib.sha256(workshop.uploads.read("video/a.jsonl")).hexdigest()
