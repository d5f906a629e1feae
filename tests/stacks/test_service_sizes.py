"""Sizes as the services count them: the largest settings that synth accepts deploy, larger ones are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import App, Stack, Validations
from aws_cdk import aws_lambda as lambda_
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.errors import InvalidSettings
from lambdas.domain.task.settings import Settings
from lambdas.gateways.aws.environment import SETTINGS_FILE, settings_text
from stacks.access.own_rules import OwnRules, oversized
from stacks.limits.longest_names import LongestNames
from stacks.limits.service_sizes import Size, compact, sizes
from stacks.machine.settings_layer import MAX_IN_A_VARIABLE, size_in_json
from tests.stacks.templates import Deployment, Json, synthesize, text_of

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_NAME = "production12"
SUBNETS = [f"subnet-{number:017d}" for number in range(16)]
LARGEST_VPC = {"vpc_id": "vpc-" + "0" * 17, "subnet_ids": SUBNETS, "route_table_ids": ["rtb-" + "0" * 17]}
MOST_LOGS = [
    {
        "bucket": f"{'b' * 62}{number}",
        "prefix": "p" * 512,
        "key": f"arn:aws:kms:us-east-1:111122223333:key/{number}1234567-89ab-cdef-0123-456789abcdef",
    }
    for number in range(10)
]


def models(length: int) -> dict[str, Any]:
    """As many models as the settings may name, all behind ``global.`` profiles, which need the longest statements."""
    ids = [f"global.provider{number:02d}.".ljust(length - 5, "m") + "-v1:0" for number in range(16)]
    roles = ("teacher_models", "judge_models", "baseline_models")
    chosen: dict[str, Any] = {role: ids[5 * place : 5 * place + 5] for place, role in enumerate(roles)}
    return {**chosen, "student_model": ids[15], "models_without_profile": []}


def prices(count: int) -> list[Json]:
    line = {"usage": "input", "usd": 1.25, "unit": "million tokens", "source": "AWS price list", "date": "2026-11-20"}
    return [{"model": f"us.anthropic.claude-haiku-{number}-20251001-v1:0", **line} for number in range(count)]


def measured(deployment: Deployment, name: str) -> list[Size]:
    return list(sizes({f"distillation-{name}-{stack}": found for stack, found in deployment.templates.items()}))


def exceeded(deployment: Deployment, name: str) -> list[str]:
    return [f"{size.resource}: {size}" for size in measured(deployment, name) if size.exceeded]


def test_every_function_role_and_policy_is_measured(deployment: Deployment) -> None:
    # When
    found = measured(deployment, "dev")
    # Then
    of = {what: {size.resource for size in found if size.what == what} for what in {size.what for size in found}}
    functions, roles = deployment.of_type("AWS::Lambda::Function"), deployment.of_type("AWS::IAM::Role")
    assert of["environment variables"] == of["configuration in one request"] == set(functions)
    assert of["inline policies"] == of["trust policy"] == set(roles)
    assert of["managed policy"] == set(deployment.of_type("AWS::IAM::ManagedPolicy"))
    assert {"key policy", "topic policy", "queue policy", "bucket policy", "definition", "dashboard"} <= set(of)
    assert exceeded(deployment, "dev") == []


def test_the_largest_settings_that_are_accepted_can_be_deployed(tmp_path: Path) -> None:
    # Given whatever the settings may have many of, at its most
    settings = {
        **models(60),
        "log_sources": MOST_LOGS,
        "prices": prices(150),
        "model_units": [
            {"model": f"m{number}", "tokens_per_minute": 1, "source": "AWS", "date": "2026-11-20"}
            for number in range(20)
        ],
        "vpc": LARGEST_VPC,
        "notification_emails": [f"somebody-{number}@example.com" for number in range(40)],
        "permissions_boundary": f"arn:aws:iam::111122223333:policy/{'b' * 128}",
    }
    # When
    deployment = synthesize({LONGEST_NAME: settings}, tmp_path)[LONGEST_NAME]
    # Then
    assert exceeded(deployment, LONGEST_NAME) == []
    # And the Lambdas find the settings in the layer, whatever their length
    [layer] = deployment.of_type("AWS::Lambda::LayerVersion").keys() - {
        name for name in deployment.of_type("AWS::Lambda::LayerVersion") if name.startswith("Dependencies")
    }
    function = deployment.the("AWS::Lambda::Function", "EvaluateStudent")
    variable = text_of(function["Environment"]["Variables"]["PIPELINE_SETTINGS"])
    assert variable == f'{{"settings_layer":"<{layer}>"}}'
    assert {"Ref": layer} in function["Layers"]
    [asset] = [folder for folder in tmp_path.glob("asset.*") if (folder / "python" / SETTINGS_FILE).is_file()]
    told = Settings.from_json(settings_text(variable, ["/nowhere", str(asset / "python")]))
    assert told.prices == deployment.settings.prices
    assert [*asset.rglob("*")] == [asset / "python", asset / "python" / SETTINGS_FILE]


def test_settings_just_below_the_layer_fit_beside_everything_else(tmp_path: Path) -> None:
    # Given the longest settings that stay in the variable, and the most that stands beside them
    settings: dict[str, Any] = {**models(27), "vpc": LARGEST_VPC}
    length = size_in_json(Settings.from_mapping(settings).to_json())
    settings["notification_emails"] = [f"a@{'b' * (MAX_IN_A_VARIABLE - length - 6)}"]
    assert size_in_json(Settings.from_mapping(settings).to_json()) == MAX_IN_A_VARIABLE
    # When
    deployment = synthesize({LONGEST_NAME: settings}, tmp_path)[LONGEST_NAME]
    # Then
    assert len(deployment.the("AWS::Lambda::Function", "EvaluateStudent")["Layers"]) == 1
    assert exceeded(deployment, LONGEST_NAME) == []


def test_more_models_than_a_role_has_room_for_are_refused_with_both_figures(tmp_path: Path) -> None:
    # Given
    settings = {**models(128), "log_sources": MOST_LOGS}
    synthesize({LONGEST_NAME: settings}, tmp_path)
    # When
    templates = {str(path): json.loads(path.read_text()) for path in tmp_path.glob("*.template.json")}
    found = oversized(templates)
    # Then
    [path] = [path for path, places in found.items() if places]
    assert path.endswith("-pipeline.template.json")
    said = dict(found[path])
    assert all("of 10,240 characters" in text and "fewer models" in text for text in said.values())
    assert any(role.startswith("EvaluateStudentRole") for role in said)


def test_what_is_too_large_stops_the_synthesis(tmp_path: Path) -> None:
    # Given variables of 4,096 bytes by the sum of names and values, whose quotes Lambda counts twice
    app = App(outdir=str(tmp_path), builtin_cloud_formation_validation=False)
    function = lambda_.CfnFunction(
        Stack(app, "too-large"),
        "Function",
        code=lambda_.CfnFunction.CodeProperty(zip_file="pass"),
        role="arn:aws:iam::111122223333:role/r",
        environment=lambda_.CfnFunction.EnvironmentProperty(variables={"A": json.dumps(["x"] * 800)}),
        logging_config=lambda_.CfnFunction.LoggingConfigProperty(log_group="g"),
    )
    assert function.logical_id
    Validations.of(app).add_plugins(OwnRules())
    # When
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    # Then
    report = (tmp_path / "validation-report.json").read_text()
    assert "Distillation-ServiceSizes" in report
    # And in the description, which the command line shows
    found = [
        violation["description"]
        for plugin in json.loads(report)["pluginReports"]
        for violation in plugin["violations"]
        if violation["ruleName"].endswith("ServiceSizes")
    ]
    assert any("Environment variables: 5,608 of 4,096 bytes" in text for text in found)
    assert any("Configuration in one request" in text and "of 5,120 bytes" in text for text in found)


@pytest.mark.parametrize(
    ("kind", "properties", "said"),
    [
        ("AWS::KMS::Key", {"KeyPolicy": {"Statement": ["x" * 33_000]}}, "key policy: 33,018 of 32,768 bytes"),
        ("AWS::SNS::TopicPolicy", {"PolicyDocument": "x" * 31_000}, "topic policy: 31,002 of 30,720 bytes"),
        ("AWS::SQS::QueuePolicy", {"PolicyDocument": "é" * 5_000}, "queue policy: 10,002 of 8,192 bytes"),
        ("AWS::S3::BucketPolicy", {"PolicyDocument": "x" * 21_000}, "bucket policy: 21,002 of 20,480 bytes"),
        ("AWS::IAM::ManagedPolicy", {"PolicyDocument": "x" * 7_000}, "managed policy: 7,002 of 6,144 characters"),
        (
            "AWS::StepFunctions::StateMachine",
            {"DefinitionString": "x" * 1_100_000},
            "definition: 1,100,000 of 1,048,576",
        ),
        (
            "AWS::CloudWatch::Dashboard",
            {"DashboardBody": json.dumps({"widgets": [{}] * 501})},
            "dashboard: 501 of 500 widgets",
        ),
    ],
)
def test_each_kind_of_policy_has_its_limit(kind: str, properties: Json, said: str) -> None:
    template = {"Resources": {"Large": {"Type": kind, "Properties": properties}}}
    [found] = [str(size) for size in sizes({"one": template}) if size.exceeded and size.resource == "Large"]
    assert found.startswith(said)


def test_inline_policies_add_up_with_policies_that_are_resources_of_their_own() -> None:
    # Given
    half = {"PolicyDocument": "x" * 5_998}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}, "Policies": [half]}}
    policy = {"Type": "AWS::IAM::Policy", "Properties": {**half, "Roles": [{"Ref": "Role"}]}}
    # When
    found = sizes({"one": {"Resources": {"Role": role, "Policy": policy}}})
    # Then
    [inline] = [size for size in found if size.what == "inline policies"]
    assert (inline.resource, inline.measured, inline.exceeded) == ("Role", 12_000, True)


def test_names_are_the_longest_that_cloudformation_makes() -> None:
    # Given
    logical_id = "R" * 60
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {}}
    role = {"Type": "AWS::IAM::Role", "Properties": {}}
    export = f"data:ExportsOutputRef{logical_id}01234567"
    data = {"Resources": {logical_id: bucket}}
    names = LongestNames({"data": data, "other": {"Resources": {"Role": role}}})
    # Then
    assert len(names.resolved("other", {"Fn::ImportValue": export})) == 63
    arn = names.resolved("other", {"Fn::Join": ["", ["<", {"Fn::GetAtt": ["Role", "Arn"]}, ">"]]})
    assert arn.startswith("<arn:aws:iam::999999999999:role/other-Role-")
    assert names.resolved("data", {"Fn::Sub": "a-${AWS::AccountId}"}) == "a-999999999999"


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_a_text_counts_as_lambda_shows_what_it_measured(variables: dict[str, str]) -> None:
    keys = sum(size_in_json(key) + size_in_json(value) for key, value in variables.items())
    marks = 2 + sum(5 for _ in variables) + max(len(variables) - 1, 0)
    assert len(compact(variables).encode()) == keys + marks


def test_a_layer_that_is_not_there_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(InvalidSettings, match="deploy the environment again"):
        settings_text('{"settings_layer": "arn:aws:lambda:us-east-1:111122223333:layer:l:1"}', ["/nowhere"])
    assert settings_text('{"region": "us-east-1"}') == '{"region": "us-east-1"}'
