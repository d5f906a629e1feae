"""The real CDK command line against the embedded AWS, with a small app."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from local.embedded_aws.deploy import deploy, deployed, synthesize
from local.embedded_aws.processes import EmbeddedAwsError
from tests.embedded_aws.conftest import SAMPLE, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from local.embedded_aws.lifecycle import EmbeddedAws


def test_a_failing_synthesis_is_reported_with_its_output(tmp_path: Path) -> None:
    # Given an app that fails
    (tmp_path / "cdk.json").write_text(json.dumps({"app": "python3 app.py"}))
    (tmp_path / "app.py").write_text("raise SystemExit('settings: unknown key colour')")
    # When it is synthesized, then the error says what the app said
    with pytest.raises(EmbeddedAwsError, match="settings: unknown key colour"):
        synthesize(tmp_path / "cdk.out", app=tmp_path, context={})


def test_the_sample_is_deployed_and_works(aws: EmbeddedAws, tmp_path: Path) -> None:
    # Given the sample, synthesized outside the repository and deployed
    synthesize(tmp_path / "cdk.out", app=SAMPLE, context={})
    outputs = deploy(aws, tmp_path / "cdk.out")["Sample"]
    described = json.loads((aws.workdir / "embedded-aws.json").read_text())
    assert described["outputs"]["Sample"] == outputs
    # When somebody uploads two versions under one key that S3 notifications would encode
    s3, key = aws.client("s3"), "my task/ü + %20.jsonl"
    versions = [s3.put_object(Bucket=outputs["BucketName"], Key=key, Body=body)["VersionId"] for body in (b"1", b"2")]
    # Then the rule's function got the key literally, with the version, under its own role
    table = aws.client("dynamodb")

    def seen() -> bool:
        item = table.get_item(TableName=outputs["TableName"], Key={"id": {"S": key}}).get("Item", {})
        return item.get("version", {}).get("S") in versions

    assert versions[0] != versions[1]
    assert eventually(seen)


@pytest.mark.end_to_end
@pytest.mark.thorough  # the tests of end_to_end deploy them too (decision 0180)
def test_the_real_stacks_are_deployed_beside_the_real_simulator(tmp_path: Path) -> None:
    # Given and When
    steps: list[str] = []
    with deployed(tmp_path, progress=steps.append) as aws:
        # Then the local environment's stacks are there, and the machine has no execution yet
        assert list(aws.outputs) == [f"distillation-local-{part}" for part in ("data", "pipeline", "operations")]
        machine = aws.outputs["distillation-local-pipeline"]["StateMachineArn"]
        assert aws.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == []
        # And Bedrock's calls are answered by the simulator
        assert aws.client("bedrock").list_custom_models()["modelSummaries"] == []
        quota = aws.client("service-quotas").get_service_quota(ServiceCode="bedrock", QuotaCode="L-BE77399C")
        assert quota["Quota"]["Value"] == 2
    assert steps == ["starting the embedded AWS", "synthesizing the stacks", "deploying the stacks"]
