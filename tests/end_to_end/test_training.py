"""The student's training: without a pair, with a job that fails at first, and with records that get lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.account import Account, example_lines, lenient

pytestmark = pytest.mark.end_to_end

STUDENT = "amazon.nova-micro-v1:0"


@pytest.fixture
def without_a_pair(account: Account) -> Iterator[Account]:
    """Give an account in which the student cannot be distilled."""
    account.simulator.change(models={STUDENT: {"customizations": ["FINE_TUNING"]}})
    yield account
    account.simulator.change(models={STUDENT: {"customizations": None}})


def test_records_that_are_lost_in_silence_fail_the_run_and_the_model_goes(account: Account) -> None:
    # Given
    account.simulator.order("drop_records", fraction=0.3, count=1)
    # When
    run = account.ended(account.upload("lost", example_lines()[300:560], **lenient()).run_id)
    # Then
    assert run.outcome == "FAILED"
    assert "records sent" in str(run.reason)
    assert "training_data_max_rejected_rate" in str(run.reason)
    assert account.report(run)["training"]["learnt"]["counts"]["rejected"] > 0


def test_an_internal_error_in_the_first_minutes_is_tried_again_once(account: Account) -> None:
    # Given
    account.simulator.order("fail_job", phase="validation", count=1)
    # When
    run = account.ended(account.upload("again", example_lines()[310:560], **lenient()).run_id)
    # Then
    assert run.outcome == "PROMOTED", run.reason
    training = account.report(run)["training"]
    assert ["internal error" in item["reason"] for item in training["failed_tries"]] == [True]
    assert training["job_name"] == training["failed_tries"][0]["job_name"] + "-2"
    assert training["learnt"]["last_loss"] < training["learnt"]["first_loss"]


def stopped_jobs(account: Account) -> set[str]:
    return {job["name"] for job in account.simulator.resources().jobs if job["status"] == "Stopped"}


def test_a_job_that_stalls_is_stopped_once_and_the_second_one_is_promoted(account: Account) -> None:
    # Given a job that has hung for longer than the setting's 12 hours when it is first looked at
    account.simulator.order("stall_job", hours=13, count=1)
    before = stopped_jobs(account)
    # When
    run = account.ended(account.upload("stalls", example_lines()[320:570], **lenient()).run_id)
    # Then
    assert run.outcome == "PROMOTED", run.reason
    (failed,) = account.report(run)["training"]["failed_tries"]
    assert "'distillation_stall_hours'" in failed["reason"]
    assert stopped_jobs(account) - before == {failed["job_name"]}


def test_without_an_open_pair_the_same_data_fine_tune_a_student_that_is_promoted(without_a_pair: Account) -> None:
    # Given / When
    account = without_a_pair
    upload = account.example("no-pair")
    run = account.ended(upload.run_id)
    # Then
    assert run.outcome == "PROMOTED", run.reason
    report = account.report(run)
    assert report["models"]["training"] == "fine_tuning"
    paid = {line["stage"] for line in report["ledger"] if line["model"] in report["models"]["teacher"]}
    assert "LaunchDistillation" not in paid  # Bedrock asks no teacher
    assert report["training"]["learnt"]["counts"]["accepted"] == report["training"]["records"]
