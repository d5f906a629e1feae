"""Lambdas, triggers, alarms: what is started by what, and who is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lambdas.domain.task.settings import Settings
from lambdas.operations.start_run.retry import RELEASED_EVERY
from tests.stacks.templates import Deployment, synthesize, text_of

if TYPE_CHECKING:
    from pathlib import Path

EVERYWHERE = {
    "ENVIRONMENT",
    "PIPELINE_SETTINGS",
    "UPLOADS_BUCKET",
    "RUNS_BUCKET",
    "REGISTRY_TABLE",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
}
BESIDE = {
    "ListInvocationLogs": {"ACCOUNT"},
    "ReadInvocationLogs": {"ACCOUNT"},
    "CollectTeacherData": {"ACCOUNT"},
    "CheckRun": {"INFERENCE_PROFILES"},
    "ExportCosts": {"ACCOUNT"},
    "StartRun": {"STATE_MACHINE_ARN", "ACCOUNT"},
    "RunTeacherBatch": {"BATCH_ROLE_ARN", "MODEL_KEY_ARN", "INFERENCE_PROFILES"},
    "CalibrateJudge": {"INFERENCE_PROFILES"},
    "GenerateTeacherData": {"INFERENCE_PROFILES"},
    "EvaluateStudent": {"INFERENCE_PROFILES"},
    "ScoreEvaluation": {"INFERENCE_PROFILES"},
    "LaunchDistillation": {"CUSTOMIZATION_ROLE_ARN", "MODEL_KEY_ARN"},
    "RequestApproval": {"APPROVALS_TABLE", "TOPIC_ARN"},
    "ReapIdleThroughput": {"TOPIC_ARN", "ACCOUNT"},
    "RollBackChampion": {"ACCOUNT"},
    "AnswerApproval": {"APPROVALS_TABLE", "ACCOUNT"},
    "RecordLabels": {"APPROVALS_TABLE", "ACCOUNT"},
    "PublishReport": {"TOPIC_ARN"},
    "BakeStudent": {"TOPIC_ARN"},
    "ReconcileRuns": {
        "STATE_MACHINE_ARN",
        "START_FUNCTION",
        "RELEASE_FUNCTION",
        "REPORT_FUNCTION",
        "TOPIC_ARN",
        "ROLLBACK_FUNCTION",
        "ACCOUNT",
    },
}


def test_every_lambda_gets_the_settings_and_only_what_it_needs_beside_them(deployment: Deployment) -> None:
    for name, function in deployment.of_type("AWS::Lambda::Function").items():
        variables = function["Environment"]["Variables"]
        assert set(variables) == EVERYWHERE | BESIDE.get(name.split("Function")[0], set()), name
        assert Settings.from_json(variables["PIPELINE_SETTINGS"]) == deployment.settings
        assert json.loads(variables["PIPELINE_SETTINGS"])["region"] == "us-east-1"


def test_every_lambda_runs_on_one_platform_with_the_same_code_and_layer(deployment: Deployment) -> None:
    functions = deployment.of_type("AWS::Lambda::Function").values()
    assert {(function["Runtime"], *function["Architectures"]) for function in functions} == {("python3.14", "arm64")}
    assert len({json.dumps([function["Code"], function["Layers"]]) for function in functions}) == 1
    assert {function["TracingConfig"]["Mode"] for function in functions} == {"Active"}


def test_every_log_group_is_encrypted_and_ends_with_the_setting(tmp_path: Path) -> None:
    # When
    deployment = synthesize({"dev": {"log_retention_days": 30}}, tmp_path)["dev"]
    # Then
    groups = deployment.of_type("AWS::Logs::LogGroup").values()
    assert len(groups) == 25
    assert {group["RetentionInDays"] for group in groups} == {30}
    assert all("DataKey" in text_of(group["KmsKeyId"]) for group in groups)


def test_what_events_invoke_keeps_what_it_could_not_handle(deployment: Deployment) -> None:
    kept = {
        name.split("Function")[0]: text_of(function["DeadLetterConfig"]["TargetArn"])
        for name, function in deployment.of_type("AWS::Lambda::Function").items()
        if "DeadLetterConfig" in function
    }
    assert set(kept) == {"StartRun", "ReconcileRuns", "ReapIdleThroughput", "ExportCosts"}
    for rule in deployment.of_type("AWS::Events::Rule").values():
        [target] = rule["Targets"]
        assert text_of(target["DeadLetterConfig"]["Arn"]) in kept.values()
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] > 0


def test_an_upload_of_prompts_starts_a_run_and_nothing_else_does(deployment: Deployment) -> None:
    rule = deployment.the("AWS::Events::Rule", "TriggersPromptsUploaded")
    assert rule["EventPattern"]["source"] == ["aws.s3"]
    assert rule["EventPattern"]["detail-type"] == ["Object Created"]
    assert [text_of(name) for name in rule["EventPattern"]["detail"]["bucket"]["name"]] == [
        "<distillation-dev-data:ExportsOutputRefUploads4F6EB0FDCD8CB653>"
    ]
    assert rule["EventPattern"]["detail"]["object"]["key"] == [
        {"suffix": ".jsonl"},
        {"suffix": ".jsonl.gz"},
        {"suffix": ".logs.json"},
    ]
    assert text_of(rule["Targets"][0]["Arn"]).startswith("<StartRunFunction")


def test_every_end_of_an_execution_and_every_five_minutes_is_reconciled(deployment: Deployment) -> None:
    ended = deployment.the("AWS::Events::Rule", "TriggersRunEnded")
    assert ended["EventPattern"]["detail-type"] == ["Step Functions Execution Status Change"]
    assert set(ended["EventPattern"]["detail"]["status"]) == {"FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"}
    [machine] = ended["EventPattern"]["detail"]["stateMachineArn"]
    assert text_of(machine).startswith("<DistillationMachine")
    scheduled = deployment.the("AWS::Events::Rule", "TriggersEveryFiveMinutes")
    assert scheduled["ScheduleExpression"] == f"rate({RELEASED_EVERY.total_seconds() / 60:.0f} minutes)"
    for rule in (ended, scheduled):
        assert text_of(rule["Targets"][0]["Arn"]).startswith("<ReconcileRunsFunction")


def test_a_rule_may_invoke_only_its_own_lambda(deployment: Deployment) -> None:
    permissions = deployment.of_type("AWS::Lambda::Permission").values()
    assert len(permissions) == 5
    assert all(permission["Principal"] == "events.amazonaws.com" for permission in permissions)
    assert all(text_of(permission["SourceArn"]).startswith("<Triggers") for permission in permissions)


def test_the_topic_is_encrypted_takes_alarms_and_refuses_plain_http(deployment: Deployment) -> None:
    topic = deployment.the("AWS::SNS::Topic", "Notifications")
    policy = deployment.the("AWS::SNS::TopicPolicy", "Notifications")["PolicyDocument"]["Statement"]
    assert "DataKey" in text_of(topic["KmsMasterKeyId"])
    assert [found["Principal"] for found in policy if found["Effect"] == "Allow"] == [
        {"Service": "cloudwatch.amazonaws.com"}
    ]
    assert [found["Condition"] for found in policy if found["Effect"] == "Deny"] == [
        {"Bool": {"aws:SecureTransport": "false"}}
    ]


def test_everybody_in_the_settings_is_told(tmp_path: Path) -> None:
    # When
    deployment = synthesize({"dev": {"notification_emails": ["b@example.com", "a@example.com"]}}, tmp_path)["dev"]
    # Then
    subscriptions = deployment.of_type("AWS::SNS::Subscription").values()
    assert {(found["Protocol"], found["Endpoint"]) for found in subscriptions} == {
        ("email", "a@example.com"),
        ("email", "b@example.com"),
    }
