"""Deliveries are at least once, in any order, at any time: one object version is one run."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdas.domain.identity import Upload
from lambdas.gateways.registry.runs import ENDED, QUEUED
from tests.end_to_end.account import Account, example_lines, lenient, until

SLOTS = ("SLOTS", "SLOTS")
MANY = 20
"""Deliveries of one event, four at a time; five hundred are delivered without a server (test_event_orders.py)."""

HELD = {":run": {"held-1", "held-2"}}
"""Two slots, as many as there are, held by nobody: what is uploaded waits."""

pytestmark = pytest.mark.end_to_end


def deliver(account: Account, upload: Upload, times: int) -> None:
    """Deliver the S3 event of an upload again, some at once."""
    detail = {
        "bucket": {"name": upload.bucket},
        "object": {"key": upload.key, "version-id": upload.version, "size": 1},
        "reason": "PutObject",
    }
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: account.invoke("StartRunFunction", event), range(times)))
    assert not [answer for answer in answers if "errorType" in answer]


def test_many_deliveries_during_and_many_after_make_one_run(account: Account) -> None:
    # Given
    jobs = len(account.simulator.calls("CreateModelCustomizationJob"))
    upload = account.upload("storm", example_lines()[:200], **lenient())
    until(lambda: account.registry.find(upload.run_id), "the claim")
    # When
    deliver(account, upload, MANY)
    run = account.ended(upload.run_id)
    deliver(account, upload, MANY)
    # Then
    assert run.outcome == "PROMOTED", run.reason
    names = [execution["name"] for execution in account.executions() if upload.run_id in execution["name"]]
    assert names == [f"{upload.run_id}-1"]
    assert account.registry.run(upload.run_id) == run
    assert len(account.simulator.calls("CreateModelCustomizationJob")) == jobs + 1


def test_a_new_version_of_the_same_key_is_another_run(account: Account) -> None:
    # Given, When
    first, second = (account.upload("versions", example_lines()[:count]) for count in (5, 6))
    # Then
    assert first.run_id != second.run_id
    assert {account.ended(upload.run_id).outcome for upload in (first, second)} == {"FAILED"}


def test_runs_beyond_the_limit_wait_in_the_queue_and_none_is_dropped(account: Account) -> None:
    # Given, When
    uploads = [account.upload(f"queue-{number}", example_lines()[:5]) for number in range(6)]
    # Then
    assert [account.ended(upload.run_id).outcome for upload in uploads] == ["FAILED"] * 6
    assert account.registry.slots() == set()


def test_a_key_with_spaces_and_plus_signs_is_taken_literally(account: Account) -> None:
    # Given, When
    bucket, key = account.outputs["UploadsBucket"], "Intent Tässk/a+b c%20d.jsonl"
    version = account.s3.put_object(Bucket=bucket, Key=key, Body=b"")["VersionId"]
    run = account.ended(Upload(bucket, key, version).run_id)
    # Then
    assert run.key == key
    assert run.task.isascii()
    assert json.loads(json.dumps(run.outcome)) == "FAILED"


def test_a_key_of_1024_bytes_is_one_run(account: Account) -> None:
    # Given the longest key that S3 takes, in letters of two bytes
    bucket, start, end = account.outputs["UploadsBucket"], "Größe/", "+ .jsonl"
    key = start + "ü" * ((1024 - len(f"{start}{end}".encode())) // 2) + end
    # When
    version = account.s3.put_object(Bucket=bucket, Key=key, Body=b"")["VersionId"]
    run = account.ended(Upload(bucket, key, version).run_id)
    # Then
    assert len(key.encode()) == 1024
    assert (run.key, run.outcome) == (key, "FAILED")


def test_a_copy_into_the_folder_is_a_run_of_its_own(account: Account) -> None:
    # Given prompts where none are looked for
    bucket = account.outputs["UploadsBucket"]
    account.s3.put_object(Bucket=bucket, Key="copies/drafts/a.jsonl", Body=b"{}\n")
    # When
    copied = account.s3.copy_object(
        Bucket=bucket, Key="copies/a.jsonl", CopySource={"Bucket": bucket, "Key": "copies/drafts/a.jsonl"}
    )
    # Then
    run = account.ended(Upload(bucket, "copies/a.jsonl", copied["VersionId"]).run_id)
    assert run.outcome == "FAILED"
    assert [known.key for known in account.registry.in_state(ENDED) if known.task == "copies"] == ["copies/a.jsonl"]


@pytest.mark.parametrize("keys_of_both", [12, pytest.param(50, marks=pytest.mark.thorough)])
def test_a_storm_waits_in_the_queue_and_what_is_gone_by_its_turn_says_so(account: Account, keys_of_both: int) -> None:
    # Given both slots taken, and a storm over two tasks, each key overwritten once
    bucket = account.outputs["UploadsBucket"]
    account.table.update(*SLOTS, "ADD running :run", HELD)
    keys = [f"storm-{number % 2}/part {number:02d}.jsonl" for number in range(keys_of_both)] * 2
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda key: (key, account.s3.put_object(Bucket=bucket, Key=key, Body=b"{}")["VersionId"]), keys)
    uploads = [Upload(bucket, key, version) for key, version in made]
    until(lambda: all(account.registry.find(upload.run_id) for upload in uploads), "the claims")
    # When all but a few are forgotten, one of those is deleted, and the slots are given back
    waiting = {run.run_id for run in account.registry.in_state(QUEUED)}
    first, *others = uploads
    rest = others[:3]
    for upload in others[3:]:
        account.registry.forget(upload.run_id)
    account.s3.delete_object(Bucket=bucket, Key=first.key, VersionId=first.version)
    account.table.update(*SLOTS, "DELETE running :run", HELD)
    started = account.look_after_all()["started"]  # what the schedule does
    # Then each version had its place in the queue, and the queue goes on by itself
    assert waiting == {upload.run_id for upload in uploads}
    assert len(waiting) == 2 * keys_of_both
    assert len(started) == len(HELD[":run"])
    ended = {upload.run_id: account.ended(upload.run_id) for upload in (first, *rest)}
    assert {run.outcome for run in ended.values()} == {"FAILED"}
    assert "was deleted before it was read; upload it again" in str(ended[first.run_id].reason)
