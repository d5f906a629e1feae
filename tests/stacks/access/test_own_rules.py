"""Our own rule pack: each rule finds what it is for, and the templates keep all of them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_

from stacks.access.names import EXCEPTIONS
from stacks.access.own_rules import RULES, violations
from stacks.access.rule_packs import enforce_rule_packs
from tests.stacks.templates import Deployment, Json

TRUST = {"StringEquals": {"aws:SourceAccount": "1"}, "ArnEquals": {"aws:SourceArn": "arn:aws:bedrock:*:1:*"}}


def role(condition: Json | None = None, service: str = "bedrock.amazonaws.com", **statement: Any) -> Json:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    allowed = {"Effect": "Allow", "Resource": "*"} | statement
    policies = [{"PolicyName": "P", "PolicyDocument": {"Statement": [allowed]}}] if statement else []
    trusted = {"Statement": [trust | ({"Condition": condition} if condition else {})]}
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trusted, "Policies": policies}}


def pass_role(condition: Json, resource: object) -> Json:
    return role(TRUST, Action="iam:PassRole", Resource=resource, Condition=condition)


def machine(definition: Json) -> Json:
    properties = {
        "DefinitionString": {"Fn::Join": ["", [json.dumps(definition)]]},
        "LoggingConfiguration": {"Destinations": [{}]},
    }
    return {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}


def of_type(kind: str, retained: bool = True, **properties: Any) -> Json:
    policies = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"} if retained else {}
    return {"Type": kind, "Properties": properties, **policies}


TO_BEDROCK = {"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}}
TASK = {"Type": "Task"}
IN_A_MAP = {"Type": "Map", "ItemProcessor": {"States": {"Inner": TASK}}}
EVERYBODY = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "*"}]}


@pytest.mark.parametrize(
    ("rule", "resource", "place"),
    [
        ("BedrockTrust", role({"StringEquals": {"aws:SourceAccount": "1"}}), "AssumeRolePolicyDocument/aws:SourceArn"),
        ("BedrockTrust", role({"ArnLike": {"aws:SourceArn": "x"}}), "AssumeRolePolicyDocument/aws:SourceAccount"),
        ("PassRole", pass_role({}, "arn:role"), "Policies/P/0/iam:PassedToService"),
        ("PassRole", pass_role(TO_BEDROCK, "arn:aws:iam::1:role/*"), "Policies/P/0/Resource"),
        ("NoActionWildcard", role(TRUST, Action="bedrock:*"), "Policies/P/0/Action"),
        ("NoActionWildcard", role(TRUST, Action=["s3:Get*"]), "Policies/P/0/Action"),
        ("NoActionWildcard", role(TRUST, NotAction=["iam:PassRole"]), "Policies/P/0/Action"),
        (
            "TaskTimeOut",
            machine({"TimeoutSeconds": 9, "States": {"Each": IN_A_MAP}}),
            "DefinitionString/States/Inner/TimeoutSeconds",
        ),
        ("TaskTimeOut", machine({"States": {"End": {"Type": "Succeed"}}}), "DefinitionString/TimeoutSeconds"),
        ("RetainedData", of_type("AWS::DynamoDB::Table", retained=False), "DeletionPolicy"),
        ("RetainedData", of_type("AWS::KMS::Key", retained=False), "UpdateReplacePolicy"),
        ("NoPublicEndpoint", of_type("AWS::Lambda::Url"), "Type"),
        ("NoPublicEndpoint", of_type("AWS::ApiGatewayV2::Api"), "Type"),
        ("NoPublicEndpoint", of_type("AWS::S3::Bucket"), "PublicAccessBlockConfiguration"),
        ("NoPublicEndpoint", of_type("AWS::Lambda::Permission", Principal="*"), "Principal"),
        ("NoPublicEndpoint", of_type("AWS::S3::BucketPolicy", PolicyDocument=EVERYBODY), "PolicyDocument/0/Principal"),
        ("LogRetention", of_type("AWS::Logs::LogGroup"), "RetentionInDays"),
        ("LogRetention", of_type("AWS::Lambda::Function"), "LoggingConfig/LogGroup"),
        ("PhysicalNames", of_type("AWS::S3::Bucket", BucketName="mine"), "BucketName"),
        ("PhysicalNames", of_type("AWS::Events::Rule", Name="mine"), "Name"),
        ("PhysicalNames", of_type("AWS::Logs::LogGroup", LogGroupName="/aws/lambda/mine"), "LogGroupName"),
        ("PhysicalNames", of_type("AWS::EC2::SecurityGroup", GroupName="mine"), "GroupName"),
    ],
)
def test_a_rule_finds_what_it_is_for_and_says_where(rule: str, resource: Json, place: str) -> None:
    found = violations({"Resources": {"Bad": resource}})
    assert ("Bad", place) in found[f"Distillation-{rule}"]


@pytest.mark.parametrize(
    "resource", [role(TRUST), role(service="lambda.amazonaws.com"), pass_role(TO_BEDROCK, "arn:r")]
)
def test_what_keeps_the_rules_is_not_found(resource: Json) -> None:
    assert violations({"Resources": {"Good": copy.deepcopy(resource)}}) == {}


def test_our_templates_keep_all_rules(deployment: Deployment) -> None:
    assert {name: violations(template) for name, template in deployment.templates.items()} == {
        "data": {},
        "pipeline": {},
        "operations": {},
    }


def test_a_violation_stops_the_synthesis_and_is_named(tmp_path: Path) -> None:
    # Given
    app = App(outdir=str(tmp_path), builtin_cloud_formation_validation=False)
    stack = Stack(app, "added-by-somebody")
    lambda_.CfnUrl(
        stack, "Url", auth_type="NONE", target_function_arn="arn:aws:lambda:us-east-1:111122223333:function:f"
    )
    enforce_rule_packs(app)
    # When
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    # Then
    assert "Distillation-NoPublicEndpoint" in (tmp_path / "validation-report.json").read_text()


def test_every_rule_says_what_it_is_for() -> None:
    assert all(str(rule.__doc__).strip().endswith(".") for rule in RULES.values())


def test_each_exception_of_names_is_used_and_says_why(deployment: Deployment) -> None:
    # Given
    named = {
        (resource["Type"], key)
        for resource in deployment.resources.values()
        for key in resource.get("Properties", {})
        if key in {found.key for found in EXCEPTIONS if found.kind == resource["Type"]}
    }
    # Then the list is closed both ways; the workgroup is in the discovery stack (tests/stacks/test_discovery_stack.py)
    workgroup = ("AWS::Athena::WorkGroup", "Name")
    assert named | {workgroup} == {(found.kind, found.key) for found in EXCEPTIONS}
    assert all(len(found.reason.split()) > 8 for found in EXCEPTIONS)


def test_the_machine_s_log_has_the_name_that_spares_the_account_s_resource_policy(deployment: Deployment) -> None:
    [(name, group)] = [
        (name, found)
        for name, found in deployment.resources.items()
        if found["Type"] == "AWS::Logs::LogGroup" and "LogGroupName" in found["Properties"]
    ]
    assert name.startswith("DistillationLogs")
    assert group["Properties"]["LogGroupName"] == "/aws/vendedlogs/states/distillation-dev"
    # And an environment deployed before that keeps its old log, while one that is destroyed can be deployed again
    assert (group["UpdateReplacePolicy"], group["DeletionPolicy"]) == ("Retain", "Delete")
