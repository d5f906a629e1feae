"""Every way that a promotion may take: after each of them exactly that bills which the registry holds open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.gateways.aws.endpoint_metrics import BEDROCK_NAMESPACE
from lambdas.gateways.registry.approvals import Approvals
from lambdas.gateways.registry.runs import Run
from lambdas.gateways.registry.tasks import TaskBook
from tests.end_to_end.account import Account, example_lines, lenient
from tests.end_to_end.test_after_promotion import call_student, pointer, rolled_back, served_model

pytestmark = pytest.mark.end_to_end

QUOTA = "L-BE77399C"


def upload(account: Account, task: str, prompts: int, **changes: object) -> str:
    return account.upload(task, example_lines()[:prompts], **lenient(**changes)).run_id


def promoted(account: Account, task: str, prompts: int, **changes: object) -> Run:
    run = account.ended(upload(account, task, prompts, **changes))
    assert run.outcome == "PROMOTED", run.reason
    return run


def server_errors(account: Account, endpoint_arn: str) -> None:
    """Let CloudWatch hold failed calls of an endpoint for every moment of the next two minutes.

    Every 20 ms: the minute in which a student is watched is 60 ms long here.
    """
    now, client = datetime.now(UTC), account.aws.client("cloudwatch")
    for start in range(0, 6000, 1000):  # as many as PutMetricData takes at once
        data = [
            {
                "MetricName": "InvocationServerErrors",
                "Dimensions": [{"Name": "ModelId", "Value": endpoint_arn}],
                "Timestamp": now + timedelta(milliseconds=20 * step),
                "Value": 100.0,
            }
            for step in range(start, start + 1000)
        ]
        client.put_metric_data(Namespace=BEDROCK_NAMESPACE, MetricData=data)


def test_a_student_whose_callers_meet_errors_is_rolled_back_by_the_metrics(account: Account) -> None:
    # Given
    first = promoted(account, "watched", 200)
    server_errors(account, str(first.endpoint_arn))
    # When
    second = account.ended(upload(account, "watched", 260))
    # Then
    assert second.outcome == "FAILED"
    assert "StudentRolledBack" in str(second.reason)
    assert "ended in a server error" in str(second.reason)
    assert pointer(account, "watched")["run_id"] == first.run_id
    assert served_model(account, first) == first.facts["custom_model_arn"] != second.facts["custom_model_arn"]
    assert account.bills_what_the_registry_says("watched")
    # When somebody rolls back once more, there is only what was rolled back from: it must not roll forward
    refused = account.invoke("RollbackFunction", {"task": "watched", "why": "a test"})
    # Then
    assert refused["errorType"] == "RollbackRefused"
    assert second.run_id in refused["errorMessage"]


def test_an_approval_may_fail_expire_be_outdated_and_count_once(account: Account) -> None:
    # Given a student that was approved, and an endpoint that refuses its smoke test
    task = "approvals"
    run_id = upload(account, task, 200, approval="required")
    first_asked = account.approval_wanted(run_id)
    assert account.bills_what_the_registry_says(task)
    account.simulator.order_error("Converse", "ValidationException")
    # When
    assert account.answer(first_asked)["answer"] == "approved"
    failed = account.ended(run_id)
    account.simulator.withdraw()
    # Then nobody serves, and only the model is kept for the retry
    assert failed.outcome == "FAILED"
    assert "the endpoint refused the smoke test: ValidationException" in str(failed.reason)
    assert account.bills_what_the_registry_says(task)
    assert {item.kind for item in account.resources().open() if item.task == task} == {"custom_model"}
    # When it is asked again and nobody answers: the time-out of the waiting state, which takes days
    account.invoke("StartRunFunction", {"retry": run_id})
    second_asked = account.approval_wanted(run_id, attempt=2)
    tables = account.aws.client("dynamodb").list_tables()["TableNames"]
    [approvals] = [name for name in tables if "Approvals" in name]
    waiting = Approvals(account.aws.client("dynamodb"), approvals).find(run_id)
    assert waiting is not None
    account.states.send_task_failure(taskToken=waiting.task_token, error="States.Timeout", cause="nobody answered")
    expired = account.ended(run_id, attempt=2)
    # Then
    assert (expired.outcome, str(expired.reason)) == ("EXPIRED", "nobody approved within 72 hours")
    assert account.bills_what_the_registry_says(task)
    assert account.answer(second_asked)["errorType"] == "AnswerRefused"
    # When it is asked a third time, and somebody answers for the report of the time before
    account.invoke("StartRunFunction", {"retry": run_id})
    third_asked = account.approval_wanted(run_id, attempt=3)
    assert third_asked.report_sha256 != second_asked.report_sha256
    outdated = {"run_id": run_id, "answer": "approved", "report_sha256": second_asked.report_sha256}
    assert "no longer the one you read" in account.invoke("AnswerApprovalFunction", outdated)["errorMessage"]
    # When two people answer at once
    with ThreadPoolExecutor(2) as executor:
        answers = list(executor.map(lambda _: account.answer(third_asked), range(2)))
    # Then it is promoted once
    ended = account.ended(run_id, attempt=3)
    assert ended.outcome == "PROMOTED", ended.reason
    assert any(answer.get("answer") == "approved" for answer in answers)
    assert account.answer(third_asked)["errorType"] == "AnswerRefused"
    assert [entry["action"] for entry in history(account, task)] == ["promoted"]
    assert account.bills_what_the_registry_says(task)
    # When the champion's endpoint fails under the move to the next student
    account.simulator.order("fail_update", count=1, status="Failed")
    next_id = upload(account, task, 260, approval="required")
    assert account.answer(account.approval_wanted(next_id))["answer"] == "approved"
    second = account.ended(next_id)
    assert second.outcome == "PROMOTED", second.reason
    # Then another endpoint serves it, and callers find it by the pointer
    assert second.endpoint_arn != ended.endpoint_arn
    assert served_model(account, second) == second.facts["custom_model_arn"]
    assert call_student(account, task).keys() >= {"visual", "audio"}
    assert account.bills_what_the_registry_says(task)


def history(account: Account, task: str) -> list[dict[str, Any]]:
    return TaskBook(account.table).history(task)


def test_students_on_demand_take_over_one_deployment_and_come_back(account: Account) -> None:
    # Given
    task, serving = "by-token", {"mode": "on_demand"}
    first = promoted(account, task, 200, serving=serving)
    assert ":custom-model-deployment/" in str(first.endpoint_arn)
    assert call_student(account, task).keys() >= {"visual", "audio"}
    assert account.bills_what_the_registry_says(task)
    # When
    second = promoted(account, task, 260, serving=serving)
    # Then callers change nothing
    assert second.endpoint_arn == first.endpoint_arn
    bedrock = account.aws.client("bedrock")
    given = {"customModelDeploymentIdentifier": first.endpoint_arn}
    assert bedrock.get_custom_model_deployment(**given)["modelArn"] == second.facts["custom_model_arn"]
    assert call_student(account, task).keys() >= {"visual", "audio"}
    assert account.bills_what_the_registry_says(task)
    # When
    assert rolled_back(account, task)["to_run"] == first.run_id
    # Then
    assert bedrock.get_custom_model_deployment(**given)["modelArn"] == first.facts["custom_model_arn"]
    assert call_student(account, task).keys() >= {"visual", "audio"}
    assert account.bills_what_the_registry_says(task)


def test_a_quota_of_zero_is_found_before_anything_is_paid(account: Account) -> None:
    # Given
    account.simulator.change(quotas={QUOTA: 0})
    try:
        # When
        run = account.ended(upload(account, "no-units", 200))
    finally:
        account.simulator.change(quotas={QUOTA: 50})
    # Then
    assert run.outcome == "FAILED"
    request = f"request-service-quota-increase --service-code bedrock --quota-code {QUOTA} --desired-value 1"
    assert "QuotaTooLow" in str(run.reason)
    assert request in str(run.reason)
    assert account.registry.ledger(run.run_id) == []
    assert account.bills_what_the_registry_says("no-units")
