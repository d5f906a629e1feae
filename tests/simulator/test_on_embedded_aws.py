"""The simulator beside the real emulator: S3 for the jobs' files, IAM for the callers' policies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from local.bedrock_simulator.control import SimulatorControl
from local.embedded_aws.lifecycle import EmbeddedAws
from tests.simulator import toy
from tests.simulator.conftest import distillation, make_client, record, refusal

ACCOUNT = "arn:aws:bedrock:us-east-1:000000000000"
OPTIONS = ["--rules", "tests.simulator.toy", "--settings", '{"durations": {"job": 0.2, "deployment": 0.1}}']


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws.start(tmp_path_factory.mktemp("aws"), simulator_options=OPTIONS) as running:
        running.client("s3").create_bucket(Bucket="runs")
        yield running


def make_role(aws: EmbeddedAws, name: str, service: str, *statements: dict[str, Any]) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
    }
    iam = aws.client("iam")
    arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"])
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy)
    return arn


def allow(action: str, *resources: str, **condition: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": list(resources)}
    return statement | ({"Condition": condition} if condition else {})


def test_a_job_reads_and_writes_s3_under_its_roles_policies(aws: EmbeddedAws) -> None:
    # Given a training file, a caller's role and a job's role, each with what it needs
    lines = "\n".join(json.dumps(record(query)) for query in toy.queries(120, "train"))
    aws.client("s3").put_object(Bucket="runs", Key="data/train.jsonl", Body=lines.encode())
    reads = allow("s3:GetObject", "arn:aws:s3:::runs/data/*")
    writes = allow("s3:PutObject", "arn:aws:s3:::runs/out/*")
    job_role = make_role(aws, "customization", "bedrock.amazonaws.com", reads, writes)
    passes = allow("iam:PassRole", job_role, StringEquals={"iam:PassedToService": "bedrock.amazonaws.com"})
    bedrock = allow("bedrock:*", f"{ACCOUNT}:*", "arn:aws:bedrock:us-east-1::foundation-model/*")
    make_role(aws, "launch", "lambda.amazonaws.com", passes, bedrock)
    SimulatorControl(aws.simulator).register("ASIALAUNCH", "arn:aws:sts::000000000000:assumed-role/launch/session")
    client = make_client(aws.simulator, "bedrock", "ASIALAUNCH")
    request = {
        "jobName": "job-1",
        "customModelName": "model-1",
        "roleArn": job_role,
        "baseModelIdentifier": "amazon.nova-micro-v1:0:128k",
        "customizationType": "DISTILLATION",
        "trainingDataConfig": {"s3Uri": "s3://runs/data/train.jsonl"},
        "outputDataConfig": {"s3Uri": "s3://runs/out/"},
        "customizationConfig": distillation("amazon.nova-pro-v1:0"),
    }

    # When the job runs
    client.create_model_customization_job(**request)
    deadline = time.monotonic() + 20
    while (job := client.get_model_customization_job(jobIdentifier="job-1"))["status"] == "InProgress":
        assert time.monotonic() < deadline
        time.sleep(0.05)

    # Then it completed and its report lies in the bucket
    assert job["status"] == "Completed"
    keys = [entry["Key"] for entry in aws.client("s3").list_objects_v2(Bucket="runs", Prefix="out/")["Contents"]]
    assert any(key.endswith("input_status/training/manifest.report.csv") for key in keys)

    # And neither a file that is not there nor one that the role may not read is accepted
    missing = request | {"jobName": "job-2", "customModelName": "m2"}
    missing["trainingDataConfig"] = {"s3Uri": "s3://runs/data/nothing.jsonl"}
    assert "key data/nothing.jsonl" in refusal(lambda: client.create_model_customization_job(**missing))[2]
    missing["trainingDataConfig"] = {"s3Uri": "s3://runs/other/train.jsonl"}
    assert "s3:GetObject" in refusal(lambda: client.create_model_customization_job(**missing))[2]


def test_a_managed_policy_and_a_boundary_of_the_emulator_count(aws: EmbeddedAws) -> None:
    # Given a role whose grant is an attached policy, and another that a boundary limits
    iam = aws.client("iam")
    model = "arn:aws:bedrock:*::foundation-model/amazon.nova-pro-v1:0"
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow("bedrock:InvokeModel", model)]})
    policy = iam.create_policy(PolicyName="invoke", PolicyDocument=document)["Policy"]["Arn"]
    limits = json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:*", "*")]})
    boundary = iam.create_policy(PolicyName="limits", PolicyDocument=limits)["Policy"]["Arn"]
    for name in ("free", "bound"):
        make_role(aws, name, "lambda.amazonaws.com", allow("s3:GetObject", "*"))
        iam.attach_role_policy(RoleName=name, PolicyArn=policy)
        arn = f"arn:aws:sts::000000000000:assumed-role/{name}/session"
        SimulatorControl(aws.simulator).register(f"ASIA{name.upper()}", arn)
    iam.put_role_permissions_boundary(RoleName="bound", PermissionsBoundary=boundary)

    def ask(key: str) -> Any:
        messages = [{"role": "user", "content": [{"text": "guitar song"}]}]
        return make_client(aws.simulator, "bedrock-runtime", key).converse(
            modelId="amazon.nova-pro-v1:0", messages=messages
        )

    # When / Then
    assert ask("ASIAFREE")["stopReason"] == "end_turn"
    assert refusal(lambda: ask("ASIABOUND"))[:2] == ("AccessDeniedException", 403)
