"""The simulator beside the real emulator: S3 for the jobs' files, IAM for the callers' policies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.bedrock_simulator.control import SimulatorControl
from local.embedded_aws.lifecycle import EmbeddedAws
from tests.simulator import toy
from tests.simulator.conftest import batch_record, distillation, make_client, record, refusal

ACCOUNT = "arn:aws:bedrock:us-east-1:000000000000"
OPTIONS = [
    "--rules", "tests.simulator.toy", "--settings", '{"durations": {"job": 0.2, "deployment": 0.1, "batch": 0.4}}',
]  # fmt: skip


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


def test_a_batch_reads_and_writes_s3_under_its_roles_policies(aws: EmbeddedAws) -> None:
    # Given an input in a folder, and a batch role with what it needs
    lines = (json.dumps(batch_record(str(n), query)) for n, query in enumerate(toy.queries(100, "batch")))
    aws.client("s3").put_object(Bucket="runs", Key="in/questions.jsonl", Body="\n".join(lines).encode())
    lists = allow("s3:ListBucket", "arn:aws:s3:::runs", StringLike={"s3:prefix": "in/*"})
    reads, writes = allow("s3:GetObject", "arn:aws:s3:::runs/in/*"), allow("s3:PutObject", "arn:aws:s3:::runs/batch/*")
    asks = allow("bedrock:InvokeModel", "arn:aws:bedrock:*::foundation-model/amazon.nova-pro-v1:0")
    batch_role = make_role(aws, "batch", "bedrock.amazonaws.com", lists, reads, writes, asks)
    poor_role = make_role(aws, "poor", "bedrock.amazonaws.com", lists, reads, writes)
    passes = allow("iam:PassRole", batch_role, poor_role)
    bedrock = allow("bedrock:*", f"{ACCOUNT}:*", "arn:aws:bedrock:us-east-1::foundation-model/*")
    make_role(aws, "batcher", "lambda.amazonaws.com", passes, bedrock)
    SimulatorControl(aws.simulator).register("ASIABATCH", "arn:aws:sts::000000000000:assumed-role/batcher/session")
    client = make_client(aws.simulator, "bedrock", "ASIABATCH")

    def run(name: str, role: str) -> Any:
        arn = client.create_model_invocation_job(
            jobName=name,
            roleArn=role,
            modelId="amazon.nova-pro-v1:0",
            modelInvocationType="Converse",
            inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://runs/in/"}},
            outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://runs/batch/"}},
        )["jobArn"]
        deadline = time.monotonic() + 20
        while "endTime" not in (job := client.get_model_invocation_job(jobIdentifier=arn)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return job

    # When / Then it completes, and its output lies in the bucket under the job's id
    job = run("batch-1", batch_role)
    assert (job["status"], job["successRecordCount"]) == ("Completed", 100)
    folder = f"batch/{job['jobArn'].rsplit('/', 1)[1]}/"
    keys = [entry["Key"] for entry in aws.client("s3").list_objects_v2(Bucket="runs", Prefix=folder)["Contents"]]
    assert keys == [f"{folder}manifest.json.out", f"{folder}questions.jsonl.out"]

    # And a role that may not ask the model fails the job
    assert "bedrock:InvokeModel" in run("batch-2", poor_role)["message"]


def test_cloudwatch_has_the_runtimes_metrics(aws: EmbeddedAws) -> None:
    # Given five calls, one of which fails
    began = datetime.now(UTC) - timedelta(minutes=1)
    runtime = make_client(aws.simulator, "bedrock-runtime")
    messages = [{"role": "user", "content": [{"text": "guitar song"}]}]
    SimulatorControl(aws.simulator).order_error("Converse", "InternalServerException")
    assert refusal(lambda: runtime.converse(modelId="us.amazon.nova-lite-v1:0", messages=messages))[1] == 500
    for _ in range(4):
        runtime.converse(modelId="us.amazon.nova-lite-v1:0", messages=messages)

    # When they are read in both ways
    cloudwatch = aws.client("cloudwatch")
    dimensions: list[Any] = [{"Name": "ModelId", "Value": "us.amazon.nova-lite-v1:0"}]

    def read(*wanted: tuple[str, str]) -> list[list[float]]:
        queries: list[Any] = [
            {
                "Id": f"q{number}",
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/Bedrock", "MetricName": name, "Dimensions": dimensions},
                    "Period": 3600,
                    "Stat": statistic,
                },
            }
            for number, (name, statistic) in enumerate(wanted)
        ]
        span = {"StartTime": began, "EndTime": datetime.now(UTC) + timedelta(minutes=1)}
        return [
            result["Values"]
            for result in cloudwatch.get_metric_data(MetricDataQueries=queries, **span)["MetricDataResults"]
        ]

    deadline = time.monotonic() + 10
    while sum(map(sum, read(("Invocations", "Sum")))) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    # Then sums and percentiles are there
    errors, latency, p95 = read(
        ("InvocationServerErrors", "Sum"), ("InvocationLatency", "Average"), ("InvocationLatency", "p95")
    )
    assert sum(errors) == 1
    assert all(500 < value < 3000 for value in latency + p95)
    points = cloudwatch.get_metric_statistics(
        Namespace="AWS/Bedrock",
        MetricName="Invocations",
        Dimensions=dimensions,
        StartTime=began,
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=3600,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    assert sum(point["Sum"] for point in points) == 4


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
