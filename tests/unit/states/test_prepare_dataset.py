"""PrepareDataset is a function of its object versions: the same bytes again, every line accounted for, no secret."""

from __future__ import annotations

import hashlib
import io
import json
import unicodedata
from typing import Any, Literal

import pytest

from lambdas.domain.dataset.records import SCHEMA_VERSION
from lambdas.domain.errors import DatasetRefused, InvalidUpload, SecretsFound
from lambdas.domain.identity import Upload
from lambdas.gateways.registry.runs import Run
from lambdas.states.prepare_dataset.stage import execute
from lambdas.workflow.late_files import check_late_files
from lambdas.workflow.task_folders import check_folder_owner
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


class Arriving(dict[str, bytes]):
    """Objects of which one shows at the so many-th look for it."""

    def __init__(self, objects: dict[str, bytes], key: str, looks: int) -> None:
        super().__init__(objects)
        self.late, self.looks = key, looks

    def __contains__(self, key: object) -> bool:
        if key == self.late:
            self.looks -= 1
            return self.looks <= 0
        return super().__contains__(key)


LATE = {
    "task.json": ("task_version", json.dumps({"budget_usd": 7}).encode()),
    "holdout.jsonl": ("holdout_version", b"\n".join(trusted(f"dogs number {number}") for number in range(300))),
    "calibration.jsonl": (
        "calibration_version",
        b"\n".join(
            json.dumps({"question": f"p{n}", "answer": "a", "reference": "a", "expected_score": 1 + n % 5}).encode()
            for n in range(60)
        ),
    ),
}


def unpinned(workshop: Workshop, looks: int, name: str) -> tuple[Intake, Run]:
    """Claim a run whose folder has the prompts alone; a file of the task is found at the so many-th look."""
    intake = Intake(workshop, prompts(900), None)
    uploads: Any = workshop.uploads
    del uploads.objects["video/task.json"]
    uploads.objects = Arriving({**uploads.objects, f"video/{name}": LATE[name][1]}, f"video/{name}", looks)
    intake.run = workshop.pipeline.registry.claim(Upload("uploads", "video/a.jsonl", "2"), None, None, workshop.now())
    return intake, intake.run


@pytest.mark.parametrize("looks", [1, 2], ids=["before the prompts are read", "while they are read"])
@pytest.mark.parametrize("name", LATE)
def test_a_file_that_arrives_after_the_prompts_is_taken(workshop: Workshop, name: str, looks: int) -> None:
    # Given a run that was claimed without a file that is there a moment later
    intake, run = unpinned(workshop, looks, name)
    field, content = LATE[name]

    # When
    intake.prepare()

    # Then the run is pinned to it, and made of it
    again = workshop.pipeline.registry.run(run.run_id)
    assert getattr(again, field) == "v1"
    written = intake.written()
    summary = json.loads(written["dataset.json"])
    assert not any(name in text for text in summary["missing_files"])
    if name == "task.json":
        assert workshop.bucket.objects[run.files.task_definition] == content
        assert not summary["warnings"]
    if name == "holdout.jsonl":
        assert summary["own_holdout"]
    if name == "calibration.jsonl":
        assert written["calibration.jsonl"] == content


def test_a_run_without_task_json_says_so_and_goes_on_with_the_defaults(workshop: Workshop) -> None:
    # Given
    intake, run = unpinned(workshop, 1_000, "task.json")

    # When
    intake.prepare()

    # Then
    summary = json.loads(intake.written()["dataset.json"])
    assert summary["warnings"][0].startswith("no task.json was in the task's folder: the defaults apply")
    assert [text.split(":")[0] for text in summary["missing_files"][1:]] == ["no holdout.jsonl", "no calibration.jsonl"]
    del workshop.uploads.objects["video/task.json"]
    check_late_files(workshop.stage("CheckRun", run))


@pytest.mark.parametrize("name", LATE)
def test_a_file_that_arrives_later_still_stops_the_run_before_it_pays(workshop: Workshop, name: str) -> None:
    # Given a dataset that was made without it
    intake, run = unpinned(workshop, 1_000, name)
    intake.prepare()
    workshop.uploads.objects = dict(workshop.uploads.objects)

    # When / Then it says what to do, and that brings it in
    with pytest.raises(InvalidUpload, match=f"{name} arrived after .* Nothing was paid; .*retry {run.run_id}"):
        check_late_files(workshop.stage("CheckRun", run))
    workshop.pipeline.registry.take_slot(run.run_id, 100, workshop.now())
    intake.run = workshop.fail_and_retry(run)
    intake.prepare()
    check_late_files(workshop.stage("CheckRun", intake.run))
    assert getattr(workshop.pipeline.registry.run(run.run_id), LATE[name][0]) == "v1"


def test_a_run_that_may_have_paid_keeps_the_task_that_it_paid_for(workshop: Workshop) -> None:
    # Given an attempt whose budget was checked, and a task.json that comes before the retry
    intake, run = unpinned(workshop, 1_000, "task.json")
    intake.prepare()
    workshop.pipeline.registry.record_facts(run.run_id, budget_usd=50)
    workshop.uploads.objects = dict(workshop.uploads.objects)

    # When
    intake.prepare()
    check_late_files(workshop.stage("CheckRun", run))

    # Then
    assert workshop.pipeline.registry.run(run.run_id).task_version is None


def test_a_task_json_that_is_replaced_changes_no_run(workshop: Workshop) -> None:
    # Given
    registry = workshop.pipeline.registry
    run = registry.claim(Upload("uploads", "video/a.jsonl", "3"), "v0", None, workshop.now())

    # When
    pinned = registry.pin_files(run.run_id, {"task_version": "v1", "holdout_version": "v2"})

    # Then
    assert (pinned.task_version, pinned.holdout_version) == ("v0", "v2")


@pytest.mark.parametrize(("prompts_in", "task_in"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_task_json_in_a_folder_that_reads_the_same_is_told(
    workshop: Workshop, prompts_in: Literal["NFC", "NFD"], task_in: Literal["NFC", "NFD"]
) -> None:
    # Given a folder with an accent, uploaded by two kinds of machine
    key, other = (unicodedata.normalize(form, "Übersetzung") for form in (prompts_in, task_in))
    workshop.uploads.objects = {f"{other}/task.json": b"{}"}
    upload = Upload("uploads", f"{key}/a.jsonl", "1")
    run = workshop.pipeline.registry.claim(upload, None, None, workshop.now())

    # When / Then
    with pytest.raises(InvalidUpload, match="reads the same but is another folder"):
        check_late_files(workshop.stage("CheckRun", run))


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


@pytest.mark.parametrize("name", ["holdout.jsonl.gz", "Holdout.jsonl", "calibration.jsonl.gz", "CALIBRATION.JSONL"])
def test_a_file_of_the_task_under_another_name_is_refused_by_name_before_anything_is_paid(
    workshop: Workshop, name: str
) -> None:
    # Given
    intake = Intake(workshop, prompts(1_000), None)
    workshop.uploads.objects[f"video/{name}"] = b"{}"
    # When / Then
    with pytest.raises(InvalidUpload, match=f"'{name}' stands for .*Nothing was paid"):
        check_late_files(workshop.stage("CheckRun", intake.run))


def test_a_copy_beside_the_file_that_is_read_is_left_alone(workshop: Workshop) -> None:
    intake = Intake(workshop, prompts(1_000), [trusted("q")])
    workshop.uploads.objects |= {"video/holdout.jsonl.gz": b"", "video/more/Holdout.jsonl": b"", "video/notes.md": b""}
    check_late_files(workshop.stage("CheckRun", intake.run))


def claimed(workshop: Workshop, folder: str) -> Run:
    return workshop.pipeline.registry.claim(Upload("uploads", f"{folder}/a.jsonl", "1"), None, None, workshop.now())


def test_a_folder_named_like_the_slug_of_another_is_refused_with_both_names(workshop: Workshop) -> None:
    # Given
    owner = claimed(workshop, "Intent")
    check_folder_owner(workshop.stage("PrepareDataset", owner))
    other = claimed(workshop, owner.task)
    assert other.task == owner.task
    # When / Then
    with pytest.raises(InvalidUpload, match=f"'Intent' and '{owner.task}'.*Nothing was paid"):
        execute(workshop.stage("PrepareDataset", other))
    check_folder_owner(workshop.stage("PrepareDataset", owner))


def test_a_task_from_before_belongs_to_the_folder_of_its_champions_run(workshop: Workshop) -> None:
    # Given a champion whose task has no owner written down
    first = workshop.run("1")
    workshop.crown(first.run_id, "arn:model", "arn:endpoint")
    state = workshop.pipeline.tasks.state("video")
    # When
    check_folder_owner(workshop.stage("PrepareDataset", workshop.run("2")))
    # Then: and nothing else of the task has changed
    assert workshop.pipeline.tasks.claim_folder("video", "other") == "video"
    assert workshop.pipeline.tasks.state("video") == state


def test_both_spellings_of_a_folder_are_its_owner(workshop: Workshop) -> None:
    for form in ("NFC", "NFD"):
        run = claimed(workshop, unicodedata.normalize(form, "v\u00eddeo"))
        check_folder_owner(workshop.stage("PrepareDataset", run))


# Split rules


def test_a_run_that_was_split_under_an_earlier_rule_keeps_its_sides_at_a_retry(workshop: Workshop) -> None:
    # Given a paid attempt of an earlier version, whose rule had near-duplicates on both sides
    intake = Intake(workshop, [*prompts(800), *(_order(number) for number in range(200))], None)
    intake.prepare()
    files, bucket = intake.run.files, workshop.bucket
    old = dict(bucket.read_json(files.dataset("dataset.json")))
    moved = bucket.read(files.dataset("train.jsonl")) + b'{"id": "ffffffffffffffff", "turns": [["user", "old"]]}\n'
    bucket.write(files.dataset("train.jsonl"), moved)
    for name in ("near_duplicates", "train_groups", "holdout_groups"):
        del old[name]
    bucket.write_json(files.dataset("dataset.json"), {**old, "split_rule": "v2", "train": old["train"] + 1})

    # When it is retried before anything was paid / Then it is made anew
    assert intake.prepare()["train"] == old["train"]
    assert bucket.read(files.dataset("train.jsonl")) != moved

    # When answers may have been paid for
    bucket.write(files.dataset("train.jsonl"), moved)
    bucket.write_json(files.dataset("dataset.json"), {**old, "split_rule": "v2", "train": old["train"] + 1})
    workshop.pipeline.registry.record_facts(intake.run.run_id, budget_usd=50.0)
    result = intake.prepare()

    # Then
    assert result["train"] == old["train"] + 1
    assert bucket.read(files.dataset("train.jsonl")) == moved
    assert sum(len(bucket.read(files.shard("teacher", name)).splitlines()) for name in result["teacher_shards"]) == (
        old["train"] + 1 + old["holdout"]
    )

    # When its data have expired / Then it is made anew
    del bucket.objects[files.dataset("train.jsonl")]
    assert intake.prepare()["train"] == old["train"]


def _order(number: int) -> bytes:
    return json.dumps({"prompt": f"where is order {number} of the blue chairs"}).encode()


# The planned holdout


def test_so_many_are_held_out_as_the_whole_gate_needs_with_what_the_last_run_measured(workshop: Workshop) -> None:
    # Given
    looks, lines = workshop.pipeline.looks, prompts(2_000)
    first = Intake(workshop, lines, None, output_schema={"type": "object"})

    # When the task has not run yet
    assumed = first.prepare()

    # Then
    planned = json.loads(first.written()["dataset.json"])["planned_holdout"]
    assert assumed["holdout"] == planned["records"] == 204
    assert (planned["measured_spread"], planned["capped"]) == (False, False)

    # When its last run has measured more spread, and this one is prepared again / Then it keeps its sides
    looks.note_spread("video", 1.2)
    assert first.prepare()["holdout"] == 204

    # When another run begins / Then it is planned with that
    run = workshop.pipeline.registry.claim(Upload("uploads", "video/a.jsonl", "2"), "v1", None, workshop.now())
    later = execute(workshop.stage("PrepareDataset", run))
    assert 204 < later["holdout"] <= 600
    assert later["train"] + later["holdout"] == 2_000
    document = json.loads(workshop.bucket.read(run.files.dataset("dataset.json")))["planned_holdout"]
    assert (document["records"], document["spread"], document["measured_spread"]) == (later["holdout"], 1.2, True)


def test_a_holdout_of_one_question_with_other_numbers_is_refused_before_anything_is_paid(workshop: Workshop) -> None:
    # Given
    own = [trusted(f"where is order {number} of the blue chairs") for number in range(300)]

    # When / Then
    with pytest.raises(
        DatasetRefused, match=r"1 groups of independent holdout records \(300 records.*Nothing was paid"
    ):
        Intake(workshop, prompts(600), own).prepare()
