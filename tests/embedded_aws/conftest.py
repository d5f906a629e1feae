"""One embedded AWS for all tests of this folder, with a function that does what it is told."""

from __future__ import annotations

import io
import itertools
import json
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.embedded_aws.lifecycle import ACCOUNT, REGION, EmbeddedAws

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = Path(__file__).parent / "sample"
STAND_IN = "tests.embedded_aws.stand_in_simulator"


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Bench:
    """The embedded AWS with one function and ways to run a state machine around it."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.aws = aws
        self._numbers = itertools.count()
        self.states = aws.client("stepfunctions")
        iam, functions = aws.client("iam"), aws.client("lambda")
        iam.create_role(RoleName="function", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
        iam.create_role(RoleName="machine", AssumeRolePolicyDocument=trust("states.amazonaws.com"))
        self.layer = functions.publish_layer_version(LayerName="sample", Content={"ZipFile": zipped(SAMPLE / "layer")})[
            "LayerVersionArn"
        ]
        functions.create_function(
            FunctionName="sample",
            Runtime="python3.14",
            Handler="index.handler",
            Role=f"arn:aws:iam::{ACCOUNT}:role/function",
            Code={"ZipFile": zipped(SAMPLE / "function")},
            Layers=[self.layer],
            Timeout=30,
        )
        self.function = functions.publish_version(FunctionName="sample")["FunctionArn"]

    def task(self, payload: Any, *, wait_for_token: bool = False, **fields: Any) -> dict[str, Any]:
        resource = "arn:aws:states:::lambda:invoke" + (".waitForTaskToken" if wait_for_token else "")
        arguments = {"FunctionName": self.function, "Payload": payload}
        return {"Type": "Task", "Resource": resource, "Arguments": arguments, **fields}

    def machine(self, states: dict[str, Any], **fields: Any) -> str:
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **fields}
        answer = self.states.create_state_machine(
            name=f"machine-{next(self._numbers)}",
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/machine",
            definition=json.dumps(definition),
        )
        return str(answer["stateMachineArn"])

    def start(self, states: dict[str, Any], **fields: Any) -> str:
        return str(self.states.start_execution(stateMachineArn=self.machine(states, **fields))["executionArn"])

    def ended(self, execution: str) -> dict[str, Any]:
        """Wait for the end; the description, with its output parsed."""
        description: dict[str, Any] = eventually(lambda: self._ended(execution))
        return description

    def run(self, states: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return self.ended(self.start(states, **fields))

    def _ended(self, execution: str) -> dict[str, Any] | None:
        description: dict[str, Any] = self.states.describe_execution(executionArn=execution)
        if description["status"] == "RUNNING":
            return None
        return description | {"output": json.loads(description.get("output") or "null")}


def eventually(look: Any, seconds: float = 15.0) -> Any:
    """Look until there is something to see."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen = look()
        if seen:
            return seen
        time.sleep(0.03)
    pytest.fail(f"nothing to see after {seconds} s")


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in sorted(folder.rglob("*.py")):
            archive.write(file, file.relative_to(folder))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws.start(tmp_path_factory.mktemp("aws"), simulator_module=STAND_IN) as started:
        yield started


@pytest.fixture(scope="session")
def bench(aws: EmbeddedAws) -> Bench:
    assert aws.client("s3").meta.region_name == REGION
    return Bench(aws)
