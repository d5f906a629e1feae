"""The main job: from an upload to a promoted student."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.domain.evaluation.labels import Label
from lambdas.gateways.aws.storage import Bucket
from lambdas.gateways.registry.runs import Run
from lambdas.workflow.answer_labels import order_of_run
from tests.end_to_end.account import EXAMPLE, Account, example_lines, lenient, until

pytestmark = pytest.mark.end_to_end


@pytest.mark.parametrize(
    ("label_semantics", "evidence"),
    [
        ("regenerate", "trusted"),
        # The whole example once: the second way differs in who labels the prompts, not in what becomes of them.
        ("verbatim", "pairwise"),
        pytest.param("verbatim", "trusted", marks=pytest.mark.thorough),
    ],
)
def test_the_example_is_promoted_under_both_label_semantics(
    account: Account, label_semantics: str, evidence: str
) -> None:
    # Given its trusted answers, or a part of it without any
    account.simulator.change(label_semantics=label_semantics)
    bill = account.bill()
    # When
    if evidence == "trusted":
        upload = account.example(f"search-{label_semantics}", trusted=True)
    else:
        upload = account.upload("search-part", example_lines()[:200], **lenient())
    run = account.ended(upload.run_id)
    # Then
    assert run.outcome == "PROMOTED", run.reason
    report = account.report(run)
    if label_semantics == "regenerate":  # as documented; in the other way Bedrock asks its teacher nothing
        bill.is_the_ledger_of(run)
        assert report["estimate_usd"] == pytest.approx(report["total_usd"], rel=0.25)
    assert {bill["stage"]: bill["within_range"] for bill in report["reconciliation"]}["EvaluateStudent"] is True
    assert report["simulated"] is True
    assert all(line["passed"] for line in report["gate"])
    assert [line["evidence"] for line in report["gate"] if line["rule"] == "max_quality_drop"] == [evidence]
    assert report["prompting"]["enough"] is False
    batch = report["training"]["batch"]
    assert (batch["way"], {job["status"] for job in batch["jobs"]}) == ("batch", {"Completed"})
    assert report["endpoint"]["arn"] == run.endpoint_arn
    pointer = account.aws.client("ssm").get_parameter(Name=f"/distillation/local/{upload.task}/champion")
    student = json.loads(pointer["Parameter"]["Value"])
    assert student["endpoint_arn"] == run.endpoint_arn
    answer = account.aws.client("bedrock-runtime").converse(
        modelId=student["endpoint_arn"],
        system=[{"text": student["system_prompt"]}],
        messages=[{"role": "user", "content": [{"text": "slow motion goal with loud crowd"}]}],
        inferenceConfig=student["inference_parameters"],
    )
    assert json.loads(answer["output"]["message"]["content"][0]["text"]).keys() >= {"visual", "audio"}


def test_only_the_champion_is_left_of_a_promoted_run(account: Account) -> None:
    # Given, When
    upload = account.upload("left-over", example_lines()[:200], **lenient())
    run = account.ended(upload.run_id)
    # Then
    assert run.outcome == "PROMOTED", run.reason
    mine = {item.arn: item.state for item in account.resources().of_run(run.run_id)}
    living = {thing["arn"] for thing in account.billable()} & mine.keys()
    assert living == {run.endpoint_arn}
    assert mine[run.endpoint_arn] == "IN_USE"


def test_a_second_run_moves_the_champions_own_endpoint(account: Account) -> None:
    # Given
    bill = account.bill()
    first = account.ended(account.upload("moving", example_lines()[:200], **lenient()).run_id)
    assert first.outcome == "PROMOTED", first.reason
    # When
    second = account.ended(account.upload("moving", example_lines()[:260], **lenient()).run_id)
    # Then
    assert second.outcome == "PROMOTED", second.reason
    assert second.endpoint_arn == first.endpoint_arn
    bill.is_the_ledger_of(first, second)
    assert all(line["within_range"] for line in account.report(first)["reconciliation"])
    # The verdicts on answers that did not change are bought already, and the estimate knows which; that a new student
    # answers a question like another contestant, whose verdict exists, it cannot know.
    again = account.report(second)
    assert again["total_usd"] == pytest.approx(again["estimate_usd"], rel=0.25)
    judged = next(line for line in again["reconciliation"] if line["stage"] == "EvaluateStudent")
    assert 0.8 * judged["estimated_calls"] <= judged["actual_calls"] <= judged["estimated_calls"]
    model = account.aws.client("bedrock").get_provisioned_model_throughput(provisionedModelId=second.endpoint_arn)
    assert model["modelArn"] == second.facts["custom_model_arn"] != first.facts["custom_model_arn"]
    roles = {contestant["role"] for contestant in account.report(second)["contestants"]}
    assert "champion" in roles


def test_a_person_approves(account: Account) -> None:
    # Given
    upload = account.upload("asked", example_lines()[:200], **lenient(approval="required"))
    until(lambda: account.entered(upload.run_id, "RequestApproval"), "the request for approval")
    run = until(
        lambda: (found := account.registry.run(upload.run_id)).progress.get("stage") == "RequestApproval" and found,
        "the stored request",
    )
    wrong = {"run_id": run.run_id, "answer": "approved", "report_sha256": "0" * 64}
    # When, Then: an answer for another report is refused
    assert account.invoke("AnswerApprovalFunction", wrong)["errorType"] == "AnswerRefused"
    # When people score blinded answers
    old = run.report_sha256
    given = {"run_id": run.run_id, "labels": labels_of(account, run)}
    assert account.invoke("RecordLabelsFunction", given)["next"] == "decides_anew"
    run = until(lambda: (now := account.approval_wanted(run.run_id)).report_sha256 != old and now, "another request")
    # Then the verdict rests on them, and the hash of the old report approves no more
    said = account.report(run)["evidence"]
    assert (said["comparison"], said["labels"]["people"]) == ("labelled", 1)
    late = {**wrong, "report_sha256": old}
    assert "no longer the one you read" in account.invoke("AnswerApprovalFunction", late)["errorMessage"]
    # When
    right = {**wrong, "report_sha256": run.report_sha256, "why": "the figures are good"}
    assert account.invoke("AnswerApprovalFunction", right) == {"run_id": run.run_id, "answer": "approved"}
    # Then
    assert account.ended(run.run_id).outcome == "PROMOTED"
    assert account.invoke("AnswerApprovalFunction", right)["errorType"] == "AnswerRefused"


def labels_of(account: Account, run: Run) -> list[dict[str, Any]]:
    """Score the first answers alike, as somebody does who finds the student as good."""
    bucket = Bucket(account.aws.client("s3"), account.outputs["RunsBucket"])
    order = order_of_run(bucket, run.files, run.attempt, "baseline")
    return [Label(pair.record_id, pair.answers, 5, 5).to_document() for pair in order.values()]


def test_a_person_rejects_and_nothing_is_left(account: Account) -> None:
    # Given
    upload = account.upload("refused", example_lines()[:200], **lenient(approval="required"))
    run = until(
        lambda: (
            (found := account.registry.find(upload.run_id))
            and found.progress.get("stage") == "RequestApproval"
            and found
        ),
        "the stored request",
    )
    # When
    answer = {"run_id": run.run_id, "answer": "rejected", "report_sha256": run.report_sha256, "why": "too dear"}
    account.invoke("AnswerApprovalFunction", answer)
    # Then
    ended = account.ended(run.run_id)
    assert (ended.outcome, ended.reason) == ("REJECTED", "rejected by a person: too dear")
    assert all(item.state == "RELEASED" for item in account.resources().of_run(run.run_id))


def test_conversation_records_without_a_task_definition_reach_a_verdict(account: Account) -> None:
    # Given records that bring their own system text, and no task.json: the defaults hold, approval included
    system = json.loads((EXAMPLE / "task.json").read_text())["student_system_prompt"]
    records = [
        {
            "schemaVersion": "bedrock-conversation-2024",
            "system": [{"text": system}],
            "messages": [{"role": "user", "content": [{"text": json.loads(line)["prompt"]}]}],
        }
        for line in example_lines()
    ]
    # When
    upload = account.upload("no-task", [json.dumps(record).encode() for record in records])

    def decided() -> Run | None:
        run = account.registry.find(upload.run_id)
        waiting = run and run.progress.get("stage") == "RequestApproval"
        return run if run and (waiting or run.state == "ENDED") else None

    run = until(decided, "a verdict")
    # Then
    report = account.report(run)
    assert report["decision"] in ("PROMOTE", "REJECT"), run.reason
    assert {line["rule"] for line in report["gate"]} >= {"min_judge_score", "max_quality_drop"}
    assert run.outcome in (None, "REJECTED"), run.reason
    if run.outcome is None:
        answer = {"run_id": run.run_id, "answer": "rejected", "report_sha256": run.report_sha256}
        until(lambda: account.invoke("AnswerApprovalFunction", answer).get("answer"), "an answer that counts")
        assert account.ended(run.run_id).outcome == "REJECTED"
