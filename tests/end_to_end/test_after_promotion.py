"""The day after the first promotion: callers change nothing, a bad move is undone, and nothing bills unseen."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lambdas.gateways.registry.runs import Run
from tests.end_to_end.account import Account, example_lines, lenient, until

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).resolve().parents[2]
CALLER = ROOT / "examples/call_student.py"


def call_student(account: Account, task: str, program: Path = CALLER) -> dict[str, Any]:
    """Run the caller's example as a program of its own, as a reader would who has installed the client."""
    environment = account.aws.environment() | {
        "PYTHONPATH": str(ROOT / "client"),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    done = subprocess.run(  # noqa: S603 - this interpreter, a file of this repository
        [sys.executable, str(program), "local", task, "slow motion goal with loud crowd"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def pointer(account: Account, task: str) -> dict[str, Any]:
    found = account.aws.client("ssm").get_parameter(Name=f"/distillation/local/{task}/champion")
    document: dict[str, Any] = json.loads(found["Parameter"]["Value"])
    return document


def served_model(account: Account, run: Run) -> str:
    client = account.aws.client("bedrock")
    return str(client.get_provisioned_model_throughput(provisionedModelId=run.endpoint_arn)["modelArn"])


def run_of(account: Account, task: str, prompts: int) -> Run:
    return account.ended(account.upload(task, example_lines()[:prompts], **lenient()).run_id)


def rolled_back(account: Account, task: str) -> dict[str, Any]:
    def step() -> dict[str, Any] | None:
        given = account.invoke("RollbackFunction", {"task": task, "why": "a test"})
        return None if given.get("status") == "IN_PROGRESS" else given

    return until(step, "the end of the rollback")


def test_callers_change_nothing_over_a_second_promotion_a_failed_one_and_a_rollback(account: Account) -> None:
    # Given a first champion
    task = "second-day"
    first = run_of(account, task, 200)
    assert first.outcome == "PROMOTED", first.reason
    assert call_student(account, task).keys() >= {"visual", "audio"}
    # When a second student takes over
    second = run_of(account, task, 260)
    # Then
    assert second.outcome == "PROMOTED", second.reason
    assert call_student(account, task).keys() >= {"visual", "audio"}
    assert pointer(account, task)["run_id"] == second.run_id
    assert account.bills_what_the_registry_says(task)
    # When Bedrock undoes the move to a third
    account.simulator.order("fail_update", count=1)
    third = run_of(account, task, 320)
    # Then the second serves, and the run says why it does not
    assert third.outcome == "FAILED"
    assert "PromotionFailed: Bedrock did not move endpoint" in str(third.reason)
    assert served_model(account, second) == second.facts["custom_model_arn"]
    assert pointer(account, task)["run_id"] == second.run_id
    assert account.bills_what_the_registry_says(task)
    # When a person rolls back
    ended = rolled_back(account, task)
    # Then
    assert (ended["status"], ended["to_run"], ended["endpoint_arn"]) == ("COMPLETED", first.run_id, first.endpoint_arn)
    assert served_model(account, first) == first.facts["custom_model_arn"]
    assert pointer(account, task)["run_id"] == first.run_id
    assert call_student(account, task).keys() >= {"visual", "audio"}
    assert call_student(account, task, ROOT / "examples/call_student_boto3.py").keys() >= {"visual", "audio"}
    assert account.bills_what_the_registry_says(task)


def test_a_quota_of_zero_leaves_nothing_and_says_what_to_ask_for(account: Account) -> None:
    # Given
    account.simulator.order(
        "error", operation="CreateProvisionedModelThroughput", error="ServiceQuotaExceededException", count=1
    )
    # When
    run = run_of(account, "no-quota", 200)
    # Then
    assert run.outcome == "FAILED"
    request = "request-service-quota-increase --service-code bedrock --quota-code L-BE77399C --desired-value 1"
    assert request in str(run.reason)
    assert account.bills_what_the_registry_says("no-quota")


def test_of_two_students_approved_at_once_one_wins_and_the_other_says_so(account: Account) -> None:
    # Given two runs of a task that both wait for approval
    task, required = "two-at-once", lenient(approval="required")
    ids = [account.upload(task, example_lines()[:number], **required).run_id for number in (200, 260)]
    waiting = [account.approval_wanted(run_id) for run_id in ids]
    # When
    answers = [{"run_id": run.run_id, "answer": "approved", "report_sha256": run.report_sha256} for run in waiting]

    def answer(given: dict[str, Any]) -> str:
        said = account.invoke("AnswerApprovalFunction", given)
        if said.get("errorType") == "AnswerRefused":
            account.invoke("AnswerApprovalFunction", given | {"answer": "rejected"})
        return str(said.get("errorMessage", ""))

    with ThreadPoolExecutor(2) as executor:
        refusals = list(executor.map(answer, answers))
    ended = [account.ended(run_id) for run_id in ids]
    # Then
    winners = [run for run in ended if run.outcome == "PROMOTED"]
    assert len(winners) == 1, [run.reason for run in ended]
    [loser] = [number for number, run in enumerate(ended) if run.outcome != "PROMOTED"]
    said = f"{ended[loser].reason} {refusals[loser]}"
    assert any(word in said for word in ("LeaseTaken", "ChampionChanged", f"champion of run {winners[0].run_id}")), said
    assert served_model(account, winners[0]) == winners[0].facts["custom_model_arn"]
    assert account.bills_what_the_registry_says(task)
