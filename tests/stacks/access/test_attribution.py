"""Costs can be told apart: everything is tagged, and models are asked through profiles that carry the tags."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from lambdas.domain.model_ids import foundation_model_id, is_profile
from lambdas.gateways.aws.environment import Environment
from stacks.access.inference_profiles import profile_name
from tests.stacks.templates import Deployment, listed, synthesize, text_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stacks.templates import Json

PROFILE = "AWS::Bedrock::ApplicationInferenceProfile"
TAG = {"Key": "distillation:environment", "Value": "dev"}

WITHOUT_TAGS = {
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}
"""Types whose CloudFormation schemas have no tags."""


def variables(deployment: Deployment, stage: str) -> Json:
    found: Json = deployment.the("AWS::Lambda::Function", f"{stage}Function")["Environment"]["Variables"]
    return found


def asked(deployment: Deployment, role: str, action: str = "bedrock:InvokeModel") -> list[Json]:
    [found] = [found for name, found in deployment.policy_documents().items() if name.startswith(role)]
    return [statement for statement in found if action in listed(statement["Action"])]


def test_everything_that_can_be_tagged_is(deployment: Deployment) -> None:
    for name, resource in deployment.resources.items():
        if resource["Type"] in WITHOUT_TAGS:
            continue
        tags = resource["Properties"].get("Tags", [])
        assert TAG in tags, f"{name} ({resource['Type']})"


def test_what_belongs_to_a_stage_says_so(deployment: Deployment) -> None:
    for kind in ("AWS::Lambda::Function", "AWS::IAM::Role", "AWS::Logs::LogGroup"):
        tags = deployment.the(kind, "EvaluateStudent")["Tags"]
        assert {"Key": "stage", "Value": "EvaluateStudent"} in tags


def test_each_model_that_is_asked_has_one_profile_that_copies_it(deployment: Deployment) -> None:
    settings = deployment.settings
    profiles = deployment.of_type(PROFILE).values()
    wanted = set(settings.asked_models())
    copied = [text_of(profile["ModelSource"]["CopyFrom"]) for profile in profiles]
    assert {arn.rpartition("/")[2] for arn in copied} == wanted
    assert len(copied) == len(wanted)
    for arn in copied:
        kind = ":inference-profile/" if is_profile(arn.rpartition("/")[2]) else "::foundation-model/"
        assert kind in arn
    names = [profile["InferenceProfileName"] for profile in profiles]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"([0-9a-zA-Z][ _-]?)+", name) and name.startswith("dev-") for name in names)
    for profile in profiles:
        assert re.fullmatch(r"([0-9a-zA-Z:.][ _-]?)+", profile["Description"])


def test_a_model_past_its_end_of_life_cannot_stop_a_deployment(tmp_path: Path) -> None:
    # Given the model that the published case used, which is gone in most accounts and named where it is not
    premier = "us.amazon.nova-premier-v1:0"
    named = {"teacher_models": [premier, "us.amazon.nova-pro-v1:0"]}
    deployment = synthesize({"dev": named}, tmp_path)["dev"]
    # Then it has no profile, and can still be asked where an account still has it
    assert "premier" not in json.dumps(list(deployment.of_type(PROFILE).values()))
    resources = [
        text_of(one) for line in asked(deployment, "GenerateTeacherDataRole") for one in listed(line["Resource"])
    ]
    assert any(arn.endswith("inference-profile/us.amazon.nova-premier-v1:0") for arn in resources)


def test_a_model_that_no_setting_names_has_no_grant_and_no_profile(deployment: Deployment) -> None:
    # Given every statement of every role and every profile of an environment
    settings = deployment.settings
    named = {foundation_model_id(model) for model in [*settings.asked_models(), settings.student_customization_model]}

    # When
    arns = re.findall(
        r"(?:foundation-model|inference-profile)/([a-z0-9-]+\.[a-zA-Z0-9.:-]+)",
        json.dumps([*deployment.policy_documents().values(), *deployment.of_type(PROFILE).values()]),
    )

    # Then
    assert arns
    assert {foundation_model_id(arn) for arn in arns} <= named
    assert "premier" not in json.dumps(deployment.resources)


def test_any_teacher_may_be_asked_where_the_settings_name_it(tmp_path: Path) -> None:
    # Given teachers of other families, with which no distillation pair is open
    teachers = ["us.anthropic.claude-sonnet-4-6", "openai.gpt-oss-120b-1:0"]

    # When
    deployment = synthesize({"dev": {"teacher_models": teachers}}, tmp_path)["dev"]

    # Then
    resources = [
        text_of(one) for line in asked(deployment, "GenerateTeacherDataRole") for one in listed(line["Resource"])
    ]
    assert all(any(teacher.removeprefix("us.") in arn for arn in resources) for teacher in teachers)


@pytest.mark.parametrize("length", [20, 63, 64, 65, 128])
def test_a_name_fits_however_long_the_model_s_is(length: int) -> None:
    models = [f"{family}.{'m' * length}-v1:0" for family in ("amazon", "amazona")]
    names = {profile_name("environment1", model) for model in models}
    assert len(names) == 2
    assert all(len(name) <= 64 and re.fullmatch(r"([0-9a-zA-Z][ _-]?)+", name) for name in names)


def test_a_lambda_reads_the_profile_of_each_model_out_of_its_variable(deployment: Deployment) -> None:
    # Given what CloudFormation will have put in
    text = text_of(variables(deployment, "EvaluateStudent")["INFERENCE_PROFILES"])
    known = {
        name: value if isinstance(value, str) else "x"
        for name, value in variables(deployment, "EvaluateStudent").items()
    }
    # When
    environment = Environment.read({**known, "INFERENCE_PROFILES": text})
    # Then
    for model in deployment.settings.profiled_models():
        arn = environment.callable_model(model)
        assert re.fullmatch(r"arn:aws:bedrock:us-east-1:.+:application-inference-profile/<.+InferenceProfileId>", arn)
    assert environment.callable_model("us.amazon.nova-premier-v1:0") == "us.amazon.nova-premier-v1:0"


@pytest.mark.parametrize("role", ["GenerateTeacherDataRole", "EvaluateStudentRole", "CalibrateJudgeRole", "BatchRole"])
def test_a_model_with_a_profile_is_allowed_through_that_profile_only(deployment: Deployment, role: str) -> None:
    profiles = {f"<{name}.InferenceProfileArn>" for name in deployment.of_type(PROFILE)}
    allowed: set[str] = set()
    for statement in asked(deployment, role):
        for resource in (text_of(one) for one in listed(statement["Resource"])):
            if resource in profiles:
                allowed.add(resource)
            if "::foundation-model/" in resource and "premier" not in resource:
                [(_, condition)] = statement["Condition"].items()
                assert set(listed(condition["bedrock:InferenceProfileArn"])) <= profiles, resource
    assert allowed


def test_the_teacher_of_a_distillation_is_asked_without_a_profile_of_ours(deployment: Deployment) -> None:
    statements = json.dumps(asked(deployment, "CustomizationRole"))
    assert "InferenceProfiles" not in statements
    assert "inference-profile/us.amazon.nova-pro-v1:0" in statements


def test_without_profiles_nothing_is_made_and_models_are_asked_as_they_are(tmp_path: Path) -> None:
    # When
    deployment = synthesize({"dev": {"inference_profiles": False}}, tmp_path)["dev"]
    # Then
    assert deployment.of_type(PROFILE) == {}
    assert json.loads(text_of(variables(deployment, "EvaluateStudent")["INFERENCE_PROFILES"]))["ids"] == []
    assert "InferenceProfiles" not in json.dumps(deployment.policy_documents())


@pytest.mark.parametrize("geography", ["us", "eu", "apac", "amer", "in", "global", "us-gov"])
def test_profiles_of_two_environments_never_have_one_name(geography: str) -> None:
    # Given an environment whose name goes on like another one's profile of a geography
    model = "amazon.nova-pro-v1:0"
    # When
    names = {profile_name("dev", f"{geography}.{model}"), profile_name(f"dev-{geography}", model)}
    # Then
    assert len(names) == 2
    assert all(len(name) <= 64 for name in names)
    assert profile_name("dev", f"{geography}.{model}") == f"dev-{geography}-amazon-nova-pro-v1-0"
