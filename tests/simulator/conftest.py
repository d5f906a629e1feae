"""A simulator in this process, on a free port, with a dictionary for S3 and a clock that tests move."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.bedrock_simulator.catalog import REGION
from local.bedrock_simulator.clock import ManualClock
from local.bedrock_simulator.control import SimulatorControl
from local.bedrock_simulator.objects import MemoryObjectStore
from local.bedrock_simulator.policies import RolePolicies
from local.bedrock_simulator.server import SimulatorServer
from local.bedrock_simulator.settings import Durations, Errors, Settings
from local.bedrock_simulator.simulator import Simulator
from tests.simulator import toy

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
    from mypy_boto3_service_quotas import ServiceQuotasClient

ROLE = "arn:aws:iam::000000000000:role/customization"
STUDENT = "amazon.nova-micro-v1:0:128k"
JOB_SECONDS, DEPLOYMENT_SECONDS, THROUGHPUT_SECONDS, UPDATE_SECONDS, STOP_SECONDS = 100.0, 20.0, 30.0, 10.0, 5.0
BATCH_SECONDS = 200.0
UNITS = "L-BE77399C"
FLAWLESS = Errors(teacher=0.0, baseline=0.0, judge_noise=0.0)
COMMITTED_UNITS = "SIM-COMMITTED-UNITS"


@dataclass
class DictPolicies:
    """Role name to policies, in place of the embedded IAM."""

    roles: dict[str, RolePolicies] = field(default_factory=dict)

    def role(self, name: str) -> RolePolicies | None:
        return self.roles.get(name)


@dataclass
class MemorySink:
    """A list that stands for CloudWatch."""

    data: list[Any] = field(default_factory=list)

    def put(self, data: list[Any]) -> None:
        self.data += data


@dataclass
class Account:
    """The simulated account as a test sees it."""

    url: str
    clock: ManualClock
    objects: MemoryObjectStore
    policies: DictPolicies
    control: SimulatorControl
    simulator: Simulator
    sink: MemorySink

    @cached_property
    def bedrock(self) -> BedrockClient:
        client: BedrockClient = make_client(self.url, "bedrock")
        return client

    @cached_property
    def runtime(self) -> BedrockRuntimeClient:
        client: BedrockRuntimeClient = make_client(self.url, "bedrock-runtime")
        return client

    @cached_property
    def quotas(self) -> ServiceQuotasClient:
        client: ServiceQuotasClient = make_client(self.url, "service-quotas")
        return client

    def client(self, service: Any, access_key: str = "test") -> Any:
        return make_client(self.url, service, access_key)

    def put_training(self, prompts: Sequence[str], answer: Callable[[str], Any] | None = None) -> str:
        records = [record(prompt, json.dumps(answer(prompt)) if answer else None) for prompt in prompts]
        return self.put_lines([json.dumps(entry) for entry in records])

    def put_lines(self, lines: Sequence[str]) -> str:
        self.objects.write("runs", "data/train.jsonl", "\n".join(lines).encode())
        return "s3://runs/data/train.jsonl"

    def job_request(self, **changes: Any) -> dict[str, Any]:
        request: dict[str, Any] = {
            "jobName": "job-1",
            "customModelName": "model-1",
            "roleArn": ROLE,
            "baseModelIdentifier": STUDENT,
            "customizationType": "DISTILLATION",
            "trainingDataConfig": {"s3Uri": "s3://runs/data/train.jsonl"},
            "outputDataConfig": {"s3Uri": "s3://runs/out/"},
            "customizationConfig": distillation("amazon.nova-pro-v1:0"),
        }
        merged = request | changes
        return {name: value for name, value in merged.items() if value is not None}

    def create_job(self, **changes: Any) -> str:
        return self.bedrock.create_model_customization_job(**self.job_request(**changes))["jobArn"]

    def job(self, identifier: str) -> Any:
        return self.bedrock.get_model_customization_job(jobIdentifier=identifier)

    def put_batch(self, records: Sequence[Any], name: str = "in/questions.jsonl") -> None:
        """Write the input of a batch: texts are questions in Converse format, anything else a line as it is."""
        lines = [entry if isinstance(entry, dict) else batch_record(f"r{i}", entry) for i, entry in enumerate(records)]
        self.objects.write("runs", name, "\n".join(json.dumps(line) for line in lines).encode())

    def batch_request(self, **changes: Any) -> dict[str, Any]:
        request: dict[str, Any] = {
            "jobName": "batch-1",
            "roleArn": "arn:aws:iam::000000000000:role/batch",
            "modelId": "amazon.nova-pro-v1:0",
            "modelInvocationType": "Converse",
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://runs/in/questions.jsonl"}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://runs/batch/"}},
        }
        merged = request | changes
        return {name: value for name, value in merged.items() if value is not None}

    def create_batch(self, **changes: Any) -> str:
        return self.bedrock.create_model_invocation_job(**self.batch_request(**changes))["jobArn"]

    def batch(self, identifier: str) -> Any:
        return self.bedrock.get_model_invocation_job(jobIdentifier=identifier)

    def batch_object(self, job_arn: str, name: str) -> bytes:
        return self.objects.read("runs", f"batch/{job_arn.rsplit('/', 1)[1]}/{name}")

    def batch_output(self, job_arn: str, name: str = "questions.jsonl.out") -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.batch_object(job_arn, name).splitlines()]

    def train(self, name: str = "1", **changes: Any) -> str:
        """Run a job to its end and return the custom model's ARN."""
        arn = self.create_job(**({"jobName": f"job-{name}", "customModelName": f"model-{name}"} | changes))
        self.clock.advance(JOB_SECONDS)
        job = self.job(arn)
        assert job["status"] == "Completed", job.get("failureMessage")
        return str(job["outputModelArn"])

    def deploy(self, model_arn: str, name: str = "candidate") -> str:
        """Deploy a custom model and wait until it is active."""
        created = self.bedrock.create_custom_model_deployment(modelDeploymentName=name, modelArn=model_arn)
        self.clock.advance(DEPLOYMENT_SECONDS)
        return created["customModelDeploymentArn"]

    def provision(self, model_arn: str, name: str = "champion", **more: Any) -> str:
        """Create a throughput of one unit and wait until it is in service."""
        created = self.bedrock.create_provisioned_model_throughput(
            provisionedModelName=name, modelId=model_arn, modelUnits=1, **more
        )
        self.clock.advance(THROUGHPUT_SECONDS)
        return created["provisionedModelArn"]

    def ask(self, model_id: str, text: str, system: str = toy.SHORT_PROMPT, **more: Any) -> Any:
        return self.runtime.converse(
            modelId=model_id,
            system=[{"text": system}],
            messages=[{"role": "user", "content": [{"text": text}]}],
            **more,
        )

    def metrics(self, model_id: str) -> dict[str, list[float]]:
        """Return the values that were put for a model, by metric."""
        self.simulator.metrics.flush()
        found: dict[str, list[float]] = {}
        for entry in self.sink.data:
            if entry["Dimensions"] == [{"Name": "ModelId", "Value": model_id}]:
                found.setdefault(entry["MetricName"], []).extend(entry["Values"])
        return found

    def text(self, model_id: str, text: str, system: str = toy.SHORT_PROMPT, **more: Any) -> str:
        return str(self.ask(model_id, text, system, **more)["output"]["message"]["content"][0]["text"])


def record(prompt: str, answer: str | None = None, system: str = toy.SHORT_PROMPT) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": prompt}]}]
    if answer is not None:
        messages.append({"role": "assistant", "content": [{"text": answer}]})
    return {"schemaVersion": "bedrock-conversation-2024", "system": [{"text": system}], "messages": messages}


def batch_record(record_id: str, text: str, system: str = toy.LONG_PROMPT) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return {"recordId": record_id, "modelInput": {"system": [{"text": system}], "messages": messages}}


def distillation(teacher: str, **more: Any) -> dict[str, Any]:
    return {"distillationConfig": {"teacherModelConfig": {"teacherModelIdentifier": teacher, **more}}}


def make_client(url: str, service: Any, access_key: str = "test") -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key="secret",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}, parameter_validation=False),
    )


def refusal(call: Callable[[], object]) -> tuple[str, int, str]:
    """Return (code, HTTP status, message) of the refusal that a call must meet."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


@pytest.fixture
def account() -> Iterator[Account]:
    clock, objects, policies = ManualClock(), MemoryObjectStore(), DictPolicies()
    durations = Durations(
        JOB_SECONDS, STOP_SECONDS, DEPLOYMENT_SECONDS, THROUGHPUT_SECONDS, UPDATE_SECONDS, BATCH_SECONDS
    )
    settings = Settings(durations=durations, errors=FLAWLESS, quotas={UNITS: 2.0})
    sink = MemorySink()
    simulator = Simulator(objects, toy.answer, clock, policies, settings, sink)
    server = SimulatorServer(simulator).start()
    yield Account(
        url=server.url,
        clock=clock,
        objects=objects,
        policies=policies,
        control=SimulatorControl(server.url),
        simulator=simulator,
        sink=sink,
    )
    server.close()


@pytest.fixture
def trained(account: Account) -> str:
    """The ARN of a custom model that learned the toy task."""
    account.put_training(toy.queries(300, "train"))
    return account.train()
