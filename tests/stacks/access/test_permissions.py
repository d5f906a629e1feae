"""Who may do what: read from the synthesized policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lambdas.domain.model_ids import foundation_model_id, is_profile
from tests.stacks.templates import Deployment, Json, listed, synthesize, text_of

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = "<AWS::AccountId>"


def statements_with(statements: list[Json], action: str) -> list[Json]:
    return [statement for statement in statements if action in listed(statement["Action"])]


def resources(statements: list[Json]) -> set[str]:
    return {resource for statement in statements for resource in listed(statement["Resource"])}


def copied(deployment: Deployment, arns: set[str]) -> set[str]:
    """Put in place of each application inference profile what it copies."""
    sources = {
        f"<{name}.InferenceProfileArn>": text_of(profile["ModelSource"]["CopyFrom"])
        for name, profile in deployment.of_type("AWS::Bedrock::ApplicationInferenceProfile").items()
    }
    return {sources.get(arn, arn) for arn in arns}


def roles_with(deployment: Deployment, action: str) -> dict[str, list[Json]]:
    found = {role: statements_with(statements, action) for role, statements in deployment.policy_documents().items()}
    return {role: statements for role, statements in found.items() if statements}


def short_names(roles: dict[str, list[Json]]) -> set[str]:
    return {role.split("Role")[0] for role in roles}


def test_no_action_has_a_wildcard_and_nobody_is_an_administrator(deployment: Deployment) -> None:
    for statements in deployment.policy_documents().values():
        for statement in statements:
            assert statement["Effect"] == "Allow"
            assert not [action for action in listed(statement["Action"]) if "*" in action]


def test_every_lambda_has_a_role_of_its_own_without_managed_policies_of_aws(deployment: Deployment) -> None:
    functions = deployment.of_type("AWS::Lambda::Function")
    roles = deployment.of_type("AWS::IAM::Role")
    assert len({text_of(function["Role"]) for function in functions.values()}) == len(functions) == 24
    for role in roles.values():
        assert not [policy for policy in role.get("ManagedPolicyArns", []) if "Ref" not in policy]


def test_the_machine_may_invoke_published_versions_and_nothing_of_bedrock(deployment: Deployment) -> None:
    # Given
    [statements] = [
        found for role, found in deployment.policy_documents().items() if role.startswith("DistillationAccess")
    ]
    # When
    services = {action.split(":")[0] for statement in statements for action in listed(statement["Action"])}
    invoked = resources(statements_with(statements, "lambda:InvokeFunction"))
    # Then
    assert services == {"lambda", "logs", "states", "xray"}
    assert len(invoked) == 17
    assert all(arn.endswith("Arn>:*") and arn.startswith("<") for arn in invoked)
    [start] = statements_with(statements, "states:StartExecution")
    assert text_of(start["Resource"]).startswith("<DistillationMachine")


def test_models_are_asked_only_if_the_settings_name_them(deployment: Deployment) -> None:
    # Given
    settings = deployment.settings
    models = {*settings.teacher_models, *settings.judge_models, *settings.baseline_models, settings.student_model}
    named = {f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/{model}" for model in models if is_profile(model)}
    named |= {f"arn:aws:bedrock:us-east-1::foundation-model/{model}" for model in models if not is_profile(model)}
    behind = {f"arn:aws:bedrock:*::foundation-model/{foundation_model_id(model)}" for model in models}
    own = {f"arn:aws:bedrock:us-east-1:{ACCOUNT}:{kind}/*" for kind in ("custom-model-deployment", "provisioned-model")}
    # When
    asking = roles_with(deployment, "bedrock:InvokeModel")
    # Then
    every = resources([found for statements in asking.values() for found in statements])
    assert copied(deployment, every) <= named | behind | own
    for statements in asking.values():
        for statement in statements:
            if any(":bedrock:*::" in resource for resource in listed(statement["Resource"])):
                [(operator, condition)] = statement["Condition"].items()
                assert operator == "StringEquals"
                assert copied(deployment, set(listed(condition["bedrock:InferenceProfileArn"]))) <= named


def test_only_those_who_ask_models_may(deployment: Deployment) -> None:
    asking = {
        "CheckRun",
        "GenerateTeacherData",
        "CalibrateJudge",
        "EvaluateStudent",
        "ScoreEvaluation",
        "PromoteStudent",
        "BakeStudent",
        "RollBackChampion",
        "ReapIdleThroughput",
        "Customization",
        "Batch",
    }
    assert short_names(roles_with(deployment, "bedrock:InvokeModel")) == asking


def test_the_teacher_stage_may_ask_teachers_only(deployment: Deployment) -> None:
    asked = copied(
        deployment, resources(statements_with(deployment.role_of("GenerateTeacherData"), "bedrock:InvokeModel"))
    )
    assert asked
    assert all("nova-pro" in arn or "nova-premier" in arn for arn in asked)


@pytest.mark.parametrize("stage", ["CalibrateJudge", "ScoreEvaluation"])
def test_who_measures_the_judge_may_ask_judges_only(deployment: Deployment, stage: str) -> None:
    asked = copied(deployment, resources(statements_with(deployment.role_of(stage), "bedrock:InvokeModel")))
    assert asked
    judges = {foundation_model_id(model) for model in deployment.settings.judge_models}
    assert all(foundation_model_id(arn.rpartition("/")[2]) in judges for arn in asked)


def test_a_global_profile_needs_the_model_without_a_region_too(tmp_path: Path) -> None:
    # When
    models = ["global.amazon.nova-2-lite-v1:0", "amazon.nova-pro-v1:0"]
    settings = {"teacher_models": models, "inference_profiles": False}
    deployment = synthesize({"dev": settings}, tmp_path)["dev"]
    # Then
    asked = resources(statements_with(deployment.role_of("GenerateTeacherData"), "bedrock:InvokeModel"))
    assert asked == {
        f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/global.amazon.nova-2-lite-v1:0",
        "arn:aws:bedrock:*::foundation-model/amazon.nova-2-lite-v1:0",
        "arn:aws:bedrock:::foundation-model/amazon.nova-2-lite-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
    }


def test_actions_that_know_no_resource_are_allowed_without_one(deployment: Deployment) -> None:
    # Given an ARN in such a statement never matches: AWS would deny the call, the emulator would not
    without = (
        "bedrock:GetFoundationModelAvailability",
        "bedrock:ListCustomModelDeployments",
        "bedrock:ListCustomModels",
        "bedrock:ListModelCustomizationJobs",
        "bedrock:ListModelInvocationJobs",
        "bedrock:ListProvisionedModelThroughputs",
    )
    # Then
    for action in without:
        statements = [item for found in roles_with(deployment, action).values() for item in found]
        assert resources(statements) == {"*"}, action


def test_each_role_is_passed_by_one_stage_and_only_to_bedrock(deployment: Deployment) -> None:
    passed = {}
    for role, [statement] in roles_with(deployment, "iam:PassRole").items():
        passed[role.split("Role")[0]] = text_of(statement["Resource"]).split("Role")[0]
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}}
    assert passed == {"LaunchDistillation": "<Customization", "RunTeacherBatch": "<Batch"}


def test_every_role_is_taken_only_for_this_account(deployment: Deployment) -> None:
    for role in deployment.of_type("AWS::IAM::Role").values():
        [trust] = role["AssumeRolePolicyDocument"]["Statement"]
        assert text_of(trust["Condition"]["StringEquals"]["aws:SourceAccount"]) == ACCOUNT


@pytest.mark.parametrize(
    ("name", "job"), [("CustomizationRole", "model-customization-job"), ("BatchRole", "model-invocation-job")]
)
def test_bedrock_takes_a_role_only_for_jobs_of_its_kind(deployment: Deployment, name: str, job: str) -> None:
    role = deployment.the("AWS::IAM::Role", name)
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "bedrock.amazonaws.com"}
    source = trust["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert text_of(source) == f"arn:aws:bedrock:us-east-1:{ACCOUNT}:{job}/*"


def test_bedrock_reads_training_files_and_writes_only_its_output(deployment: Deployment) -> None:
    [statements] = [found for role, found in deployment.policy_documents().items() if role.startswith("Customization")]
    [written] = resources(statements_with(statements, "s3:PutObject"))
    read = resources(statements_with(statements, "s3:GetObject"))
    assert written.endswith("/runs/*/distillation/*")
    assert {arn.split("/runs/")[1] for arn in read} == {"*/teacher_data/*", "*/distillation/*"}


def test_a_batch_reads_its_input_writes_its_output_and_asks_teachers_only(deployment: Deployment) -> None:
    [statements] = [found for role, found in deployment.policy_documents().items() if role.startswith("Batch")]
    [written] = resources(statements_with(statements, "s3:PutObject"))
    [read] = resources(statements_with(statements, "s3:GetObject"))
    assert read.endswith("/runs/*/teacher_batch/*/input.jsonl")
    assert written.endswith("/runs/*/teacher_batch/*/output/*")
    asked = copied(deployment, resources(statements_with(statements, "bedrock:InvokeModel")))
    assert all("nova-pro" in arn or "nova-premier" in arn for arn in asked)


def test_a_batch_is_started_with_teachers_only(deployment: Deployment) -> None:
    created = copied(
        deployment,
        resources(statements_with(deployment.role_of("RunTeacherBatch"), "bedrock:CreateModelInvocationJob")),
    )
    assert f"arn:aws:bedrock:us-east-1:{ACCOUNT}:model-invocation-job/*" in created
    assert all("nova-pro" in arn or "nova-premier" in arn for arn in created if "invocation-job" not in arn)


def test_no_role_writes_uploads_so_the_pipeline_cannot_trigger_itself(deployment: Deployment) -> None:
    for role, statements in deployment.policy_documents().items():
        for action in ("s3:PutObject", "s3:DeleteObject"):
            uploads = [arn for arn in resources(statements_with(statements, action)) if "Uploads" in arn]
            assert not uploads, f"{role} may {action} {uploads}"


def test_task_tokens_are_written_by_one_role_and_read_by_two(deployment: Deployment) -> None:
    touching = {
        role.split("Role")[0]: {action for statement in statements for action in listed(statement["Action"])}
        for role, found in deployment.policy_documents().items()
        if (statements := [one for one in found if "Approvals" in str(one["Resource"])])
    }
    assert touching == {
        "RequestApproval": {"dynamodb:PutItem"},
        "AnswerApproval": {"dynamodb:GetItem", "dynamodb:DeleteItem"},
        "RecordLabels": {"dynamodb:GetItem", "dynamodb:DeleteItem"},
    }


def test_who_keeps_peoples_scores_writes_no_verdict_and_no_report(deployment: Deployment) -> None:
    statements = deployment.role_of("RecordLabels")
    written = resources(statements_with(statements, "s3:PutObject"))
    assert [arn.rpartition("/runs/")[2] for arn in written] == ["*/labels/*"]
    assert not [arn for arn in resources(statements_with(statements, "bedrock:InvokeModel")) if arn]


def test_only_the_reconciler_may_reach_another_lambda(deployment: Deployment) -> None:
    invoked = resources(statements_with(deployment.role_of("ReconcileRuns"), "lambda:InvokeFunction"))
    assert {arn.split("Function")[0] for arn in invoked} == {
        "<ReleaseResources",
        "<PublishReport",
        "<RollBackChampion",
        "<StartRun",
    }
    assert short_names(roles_with(deployment, "lambda:InvokeFunction")) == {"ReconcileRuns", "DistillationAccess"}


def test_the_key_is_used_only_through_services(deployment: Deployment) -> None:
    for role, statements in deployment.policy_documents().items():
        for statement in statements:
            if any(action.startswith("kms:") for action in listed(statement["Action"])):
                assert "kms:ViaService" in statement["Condition"]["StringEquals"], role


def test_champions_are_published_under_the_environment_s_own_path(deployment: Deployment) -> None:
    writing = roles_with(deployment, "ssm:PutParameter")
    assert short_names(writing) == {"PromoteStudent", "BakeStudent", "RollBackChampion", "ReapIdleThroughput"}
    statements = [statement for found in writing.values() for statement in found]
    assert resources(statements) == {f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/distillation/dev/*"}


def test_without_log_sources_nobody_may_read_a_log(deployment: Deployment) -> None:
    assert deployment.settings.log_sources == []
    for stage in ("ListInvocationLogs", "ReadInvocationLogs"):
        statements = deployment.role_of(stage)
        for action in ("s3:GetObject", "s3:ListBucket"):
            assert all("Uploads" in arn or "Runs" in arn for arn in resources(statements_with(statements, action)))
        assert not [arn for arn in resources(statements_with(statements, "kms:Decrypt")) if "DataKey" not in arn]


def test_no_role_reads_a_bucket_that_is_neither_the_pipeline_s_nor_a_log_source(tmp_path: Path) -> None:
    # Given
    deployment = synthesize({"dev": {"log_sources": [{"bucket": "team-logs"}]}}, tmp_path)["dev"]
    # When
    read = {
        arn
        for statements in deployment.policy_documents().values()
        for statement in statements
        for action in listed(statement["Action"])
        if action.startswith("s3:")
        for arn in resources([statement])
    }
    # Then
    assert read
    assert not [
        arn
        for arn in read
        if not any(own in arn for own in ("OutputRefRuns", "FnGetAttRuns", "Uploads", "arn:aws:s3:::team-logs"))
    ]


def test_log_sources_are_read_by_two_roles_under_their_prefix_and_their_key_only(tmp_path: Path) -> None:
    # Given
    key = "arn:aws:kms:us-east-1:111122223333:key/0123"
    sources = [{"bucket": "team-logs", "prefix": "/app/", "key": key}, {"bucket": "other-logs"}]
    # When
    deployment = synthesize({"dev": {"log_sources": sources}}, tmp_path)["dev"]
    # Then
    below = f"AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/us-east-1/*"
    objects = {f"arn:aws:s3:::team-logs/app/{below}", f"arn:aws:s3:::other-logs/{below}"}
    touching = {
        role.split("Role")[0]: {arn for arn in resources(statements) if "-logs" in arn or arn == key}
        for role, statements in deployment.policy_documents().items()
    }
    assert {role: arns for role, arns in touching.items() if arns} == {
        "ListInvocationLogs": {"arn:aws:s3:::team-logs", "arn:aws:s3:::other-logs"},
        "ReadInvocationLogs": {*objects, key},
    }
    listing = [
        (text_of(statement["Resource"]), text_of(statement["Condition"]["StringLike"]["s3:prefix"]))
        for statement in statements_with(deployment.role_of("ListInvocationLogs"), "s3:ListBucket")
        if "-logs" in text_of(statement["Resource"])
    ]
    assert listing == [("arn:aws:s3:::team-logs", f"app/{below}"), ("arn:aws:s3:::other-logs", below)]
    [decrypt] = [
        statement
        for statement in statements_with(deployment.role_of("ReadInvocationLogs"), "kms:Decrypt")
        if text_of(statement["Resource"]) == key
    ]
    assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
