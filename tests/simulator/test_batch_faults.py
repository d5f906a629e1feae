"""Batch inference that goes wrong by order, in each way that a pipeline must survive."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.bedrock_simulator.control import ControlError
from tests.simulator import toy
from tests.simulator.conftest import BATCH_SECONDS, STOP_SECONDS, Account

HOUR = 3600.0


def finish(account: Account, **changes: Any) -> Any:
    account.put_batch(toy.queries(200, "batch"))
    arn = account.create_batch(**changes)
    account.clock.advance(BATCH_SECONDS)
    return account.batch(arn)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("end_batch", {}, "needs status"),
        ("end_batch", {"status": "Gone"}, "status must be one of Completed, PartiallyCompleted"),
        ("end_batch", {"status": "Failed", "share": 2}, "share must be from 0 to 1"),
        ("stall_batch", {"phase": "Lunch"}, "phase must be one of Submitted"),
        ("error_records", {"fraction": 0.5, "code": 200}, "code must be a whole number of 400 or more"),
        ("lose_records", {"fraction": 0}, "fraction must be above 0"),
    ],
)
def test_what_makes_no_sense_is_not_taken(account: Account, kind: str, options: dict[str, Any], said: str) -> None:
    # Given / When / Then
    with pytest.raises(ControlError, match=said):
        account.control.order(kind, **options)


@pytest.mark.parametrize(
    ("status", "share", "lines"),
    [
        ("PartiallyCompleted", 0.25, 50),
        ("Failed", 0.25, 50),
        ("Failed", 0, 0),
        ("Stopped", 0.5, 100),
        ("Expired", 1, 0),
    ],
)
def test_a_job_ends_as_ordered(account: Account, status: str, share: float, lines: int) -> None:
    # Given an order for one job
    account.control.order("end_batch", status=status, share=share, count=1)

    # When it runs
    job = finish(account)

    # Then it ended so, with the share of the work that was done, and that alone is billed
    assert job["status"] == status
    assert (job["totalRecordCount"], job["processedRecordCount"]) == (200, lines)
    assert ("message" in job) == (status == "Failed")
    assert [charge.requests for charge in account.control.billing()] == ([lines] if lines else [])
    if lines:
        assert len(account.batch_output(job["jobArn"])) == lines
    else:
        assert account.objects.keys("runs", "batch/") == []

    # And the next one is as usual
    assert finish(account, jobName="b2")["status"] == "Completed"


@pytest.mark.parametrize(
    ("phase", "ending"),
    [
        ("Submitted", "Expired"),
        ("Validating", "Expired"),
        ("Scheduled", "Expired"),
        ("InProgress", "PartiallyCompleted"),
    ],
)
def test_a_job_hangs_until_its_time_out(account: Account, phase: str, ending: str) -> None:
    # Given a job that hangs
    account.control.order("stall_batch", phase=phase)
    job = finish(account, timeoutDurationInHours=24)

    # When a day has almost passed
    assert job["status"] == phase
    account.clock.advance(24 * HOUR - BATCH_SECONDS - 1)
    assert account.batch(job["jobArn"])["status"] == phase
    account.clock.advance(1)

    # Then it ends as the service says: expired where it had not begun
    ended = account.batch(job["jobArn"])
    assert (ended["status"], ended["endTime"]) == (ending, ended["jobExpirationTime"])
    assert bool(account.control.billing()) == (ending == "PartiallyCompleted")


def test_the_time_out_has_hours_of_its_own(account: Account) -> None:
    # Given hours that pass in seconds
    account.control.change(durations={"hour": 10})
    account.control.order("stall_batch")

    # When / Then 24 of them end a job that is stuck
    job = finish(account)
    assert job["status"] == "Scheduled"
    account.clock.advance(40)
    assert account.batch(job["jobArn"])["status"] == "Expired"


def test_a_job_that_never_finishes_stopping(account: Account) -> None:
    # Given
    account.put_batch(toy.queries(200, "batch"))
    account.control.order("stall_batch", phase="Stopping")
    arn = account.create_batch()

    # When it is stopped
    account.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    account.clock.advance(STOP_SECONDS * 100)

    # Then
    assert account.batch(arn)["status"] == "Stopping"


def test_lost_records_are_in_no_output_and_the_counts_say_so(account: Account) -> None:
    # Given
    account.control.order("lose_records", fraction=0.03)

    # When
    job = finish(account)

    # Then it calls itself completed, six records short
    assert job["status"] == "Completed"
    assert (job["totalRecordCount"], job["processedRecordCount"], job["successRecordCount"]) == (200, 194, 194)
    assert len({line["recordId"] for line in account.batch_output(job["jobArn"])}) == 194
    assert account.control.billing()[0].requests == 194


def test_error_records_have_their_code_and_cost_nothing(account: Account) -> None:
    # Given
    account.control.order("error_records", fraction=0.1, code=429, message="Too many requests.")

    # When
    job = finish(account)
    errors = [line["error"] for line in account.batch_output(job["jobArn"]) if "error" in line]

    # Then
    assert errors == [{"errorCode": 429, "errorMessage": "Too many requests."}] * 20
    assert (job["successRecordCount"], job["errorRecordCount"]) == (180, 20)
    assert account.control.billing()[0].requests == 180


def test_doubled_records_were_processed_twice(account: Account) -> None:
    # Given
    account.control.order("duplicate_records", fraction=0.05)

    # When
    job = finish(account)
    lines = account.batch_output(job["jobArn"])

    # Then ten ids come twice, and the bill and the manifest have both
    assert (len(lines), len({line["recordId"] for line in lines})) == (210, 200)
    manifest = json.loads(account.batch_object(job["jobArn"], "manifest.json.out"))
    assert manifest["outputTokenCount"] == sum(line["modelOutput"]["usage"]["outputTokens"] for line in lines)
    assert account.control.billing()[0].requests == 210
    assert (
        sum(account.control.billing()[0].usage.values()) == manifest["inputTokenCount"] + manifest["outputTokenCount"]
    )


def test_an_output_file_cut_in_the_middle_was_paid_all_the_same(account: Account) -> None:
    # Given
    account.control.order("cut_output", fraction=0.5)

    # When
    job = finish(account)
    lines = account.batch_object(job["jobArn"], "questions.jsonl.out").splitlines()

    # Then the last line is torn, and counts and bill are those of the whole
    assert 80 < len(lines) < 120
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        json.loads(lines[-1])
    assert job["successRecordCount"] == 200
    assert account.control.billing()[0].requests == 200


def test_faults_add_up(account: Account) -> None:
    # Given a job of which everything goes wrong
    account.control.order("end_batch", status="PartiallyCompleted", share=0.5)
    account.control.order("lose_records", fraction=0.1)
    account.control.order("error_records", fraction=0.1)
    account.control.order("duplicate_records", fraction=0.1)

    # When
    job = finish(account)

    # Then the counts still add up
    assert job["processedRecordCount"] == job["successRecordCount"] + job["errorRecordCount"]
    assert job["processedRecordCount"] < 100
    lines = account.batch_output(job["jobArn"])
    assert len({line["recordId"] for line in lines}) == job["processedRecordCount"]
