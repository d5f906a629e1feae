"""Deliveries are at least once, in any order, at any time: one object version is one run."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdas.domain.identity import Upload
from tests.end_to_end.account import Account, example_lines, lenient, until

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


def test_fifty_deliveries_during_and_fifty_after_make_one_run(account: Account) -> None:
    # Given
    jobs = len(account.simulator.calls("CreateModelCustomizationJob"))
    upload = account.upload("storm", example_lines()[:200], **lenient())
    until(lambda: account.registry.find(upload.run_id), "the claim")
    # When
    deliver(account, upload, 50)
    run = account.ended(upload.run_id)
    deliver(account, upload, 50)
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
