"""Rules that hold for all templates: ours, and those of the packs AwsSolutions and Serverless."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from constructs import Node

from stacks.access import acknowledgements
from stacks.access.names import EXCEPTIONS, own_names
from stacks.access.rule_packs import enforce_rule_packs
from tests.stacks.templates import Deployment, build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aws_cdk import Acknowledgment
    from constructs import IConstruct

PHYSICAL_NAMES = {
    # The name is required: it begins with the environment's.
    "AWS::Bedrock::ApplicationInferenceProfile": None,
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Key": None,
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Subscription": None,
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
    # Parts of other resources: their name properties say of which.
    "AWS::IAM::Policy": None,
    "AWS::Lambda::Permission": None,
    "AWS::Lambda::Version": None,
    "AWS::S3::BucketPolicy": None,
    "AWS::SNS::TopicPolicy": None,
    "AWS::SQS::QueuePolicy": None,
}


def test_no_resource_has_a_name_of_its_own(deployment: Deployment) -> None:
    for name, resource in deployment.resources.items():
        assert resource["Type"] in PHYSICAL_NAMES, f"say which property names a {resource['Type']}"
        key = PHYSICAL_NAMES[resource["Type"]]
        excepted = (resource["Type"], key) in {(found.kind, found.key) for found in EXCEPTIONS}
        assert excepted or key not in resource["Properties"], name
    assert list(own_names(deployment.resources)) == []


def test_no_custom_resource_and_no_lambda_but_ours(deployment: Deployment) -> None:
    types = {resource["Type"] for resource in deployment.resources.values()}
    assert not [found for found in types if "Custom" in found]
    for function in deployment.of_type("AWS::Lambda::Function").values():
        assert function["Handler"].startswith("lambdas.")


def test_nothing_is_looked_up_at_synth(tmp_path: Path) -> None:
    build({"dev": {}}, tmp_path).synth()
    assert "missing" not in json.loads((tmp_path / "manifest.json").read_text())


def test_nothing_of_this_machine_is_in_the_assembly(tmp_path: Path) -> None:
    # Given
    here = str(acknowledgements.__file__).removesuffix("/stacks/access/acknowledgements.py")
    # When
    build({"dev": {}}, tmp_path).synth()
    # Then; the layer, which is not installed here, is the one asset that would lie outside the assembly
    read = [path for path in tmp_path.glob("*.json") if not path.name.endswith(".assets.json")]
    assert len(read) > 6
    for path in read:
        assert here not in path.read_text(), path.name


def test_two_syntheses_are_byte_identical(tmp_path: Path) -> None:
    # Given
    folders = [tmp_path / "one", tmp_path / "two"]
    # When
    for folder in folders:
        build({"dev": {}, "prod": {}}, folder).synth()
    # Then
    one, two = ({path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()} for folder in folders)
    assert set(one) == set(two)
    assert len(one) > 10
    for name, path in one.items():
        assert path.read_bytes() == two[name].read_bytes(), name


def test_the_rule_packs_find_nothing_that_is_not_acknowledged(tmp_path: Path) -> None:
    app = build({"dev": {}}, tmp_path)
    enforce_rule_packs(app, in_full=True)
    app.synth()


@pytest.fixture
def acknowledged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """Record acknowledgements instead of making them: construct, finding, reason."""
    recorded: list[tuple[str, str, str]] = []

    class Recorder:
        def __init__(self, construct: IConstruct) -> None:
            self._path = Node.of(construct).path

        @classmethod
        def of(cls, construct: IConstruct) -> Recorder:
            return cls(construct)

        def acknowledge(self, *accepted: Acknowledgment) -> None:
            recorded.extend((self._path, one.id, one.reason) for one in accepted)

    monkeypatch.setattr(acknowledgements, "Validations", Recorder)
    return recorded


@pytest.fixture
def findings(acknowledged: list[tuple[str, str, str]], tmp_path: Path) -> Callable[[], set[tuple[str, str]]]:
    """Synthesize without acknowledgements and read what the pack then finds: resource, finding."""
    assert acknowledged == []

    def read() -> set[tuple[str, str]]:
        app = build({"dev": {}}, tmp_path)
        enforce_rule_packs(app, in_full=True)
        with pytest.raises(RuntimeError, match="ValidationFailed"):
            app.synth()
        reports = json.loads((tmp_path / "validation-report.json").read_text())["pluginReports"]
        return {
            (construct["constructPath"], violation["ruleName"])
            for report in reports
            for violation in report["violations"]
            for construct in violation["violatingConstructs"]
        }

    return read


def test_every_acknowledgement_is_needed_and_every_finding_has_one(
    findings: Callable[[], set[tuple[str, str]]], acknowledged: list[tuple[str, str, str]]
) -> None:
    # When
    found = findings()
    # Then
    accepted = {(f"{path}/Resource", finding) for path, finding, _ in acknowledged}
    assert accepted == found
    assert {finding.split("[")[0] for _, finding in found} == {
        "AwsSolutions-IAM5",
        "Serverless-LambdaDLQ",
        "Serverless-LambdaStarPermissions",
        "Serverless-SQSRedrivePolicy",
    }


def test_each_acknowledgement_is_for_one_finding_on_one_construct(
    findings: Callable[[], set[tuple[str, str]]], acknowledged: list[tuple[str, str, str]]
) -> None:
    findings()
    assert len({(path, finding) for path, finding, _ in acknowledged}) == len(set(acknowledged))
    # A construct that has children of its own, such as a stack, would cover findings that nobody has looked at.
    assert all(
        path.rpartition("/")[2] in ("Role", "Function", "MapRuns", "WriteTraces", "Undelivered")
        for path, *_ in acknowledged
    )


def test_every_acknowledgement_gives_a_reason_that_says_something(
    findings: Callable[[], set[tuple[str, str]]], acknowledged: list[tuple[str, str, str]]
) -> None:
    findings()
    assert acknowledged
    assert all(len(reason.split()) >= 6 for _, _, reason in acknowledged)
