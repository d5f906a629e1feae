from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from click.testing import CliRunner, Result

from cli.deployment import Deployment
from cli.main import cli
from cli.session import Session
from lambdas.gateways.registry.items import to_values

OUTPUTS = {
    "data": {"UploadsBucket": "uploads", "RunsBucket": "runs", "RegistryTable": "registry"},
    "pipeline": {"StartRunFunction": "start-run", "AnswerApprovalFunction": "answer-approval"},
}


class Sent:
    """A payload as it is expected; the proof of who calls is another one each time, where the verb needs one."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self._payload = payload

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, bytes)
        sent = json.loads(other)
        proof = sent.pop("proof", None)
        proven = bool({"answer", "labels", "confirm", "to", "forget", "serve", "adopt"} & self._payload.keys())
        signed = proof is not None and proof["url"].startswith("https://sts.us-east-1.amazonaws.com/?Action=GetCaller")
        return bool(sent == self._payload and proven == signed)

    __hash__ = None  # type: ignore[assignment]


class FakeAws:
    """Real boto3 clients whose answers are queued; a call that was not foreseen fails."""

    def __init__(self) -> None:
        self.clients: dict[str, Any] = {}
        self.stubs: dict[str, Stubber] = {}
        self.outputs: dict[str, dict[str, str]] = {stack: dict(values) for stack, values in OUTPUTS.items()}
        self.local = False

    def client(self, service: str) -> Any:
        if service not in self.clients:
            made = boto3.client(
                service,  # type: ignore[call-overload]
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            self.clients[service], self.stubs[service] = made, Stubber(made)
            self.stubs[service].activate()
        return self.clients[service]

    def stub(self, service: str) -> Stubber:
        self.client(service)
        return self.stubs[service]

    def deployment(self) -> Deployment:
        return Deployment("dev", "us-east-1", self.client, self.local, self.outputs)

    def runs_in_registry(self, *runs: dict[str, Any]) -> None:
        """Answer one listing of all runs: a query for each state."""
        for state in ("QUEUED", "RUNNING", "ENDED"):
            found = [to_values(run) for run in runs if run["state"] == state]
            self.stub("dynamodb").add_response("query", {"Items": found})

    def run_in_registry(self, run: dict[str, Any] | None) -> None:
        """Answer one reading of a run."""
        self.stub("dynamodb").add_response("get_item", {"Item": to_values(run)} if run else {})

    def run_is_unknown(self) -> None:
        """Answer the search for a run that no id is or begins with: itself, whether all are listed, and a listing."""
        self.run_in_registry(None)
        self.run_in_registry(None)
        self.runs_in_registry()

    def function_answers(self, name: str, payload: dict[str, Any], answer: object, *, error: bool = False) -> None:
        response: dict[str, Any] = {"Payload": io.BytesIO(json.dumps(answer).encode()), "StatusCode": 200}
        if error:
            response["FunctionError"] = "Unhandled"
        expected = {"FunctionName": name, "Payload": Sent(payload)}
        self.stub("lambda").add_response("invoke", response, expected)

    def object_in_runs(self, key: str, content: bytes) -> None:
        self.stub("s3").add_response(
            "get_object", {"Body": StreamingBody(io.BytesIO(content), len(content))}, {"Bucket": "runs", "Key": key}
        )

    def upload_expected(self, key: str, version: str | None) -> None:
        response = {"VersionId": version} if version else {}
        expected = {"Bucket": "uploads", "Key": key, "Body": ANY, "ContentType": ANY, "Metadata": ANY}
        self.stub("s3").add_response("put_object", response, expected)

    def is_missing(self, key: str) -> None:
        self.stub("s3").add_response("list_objects_v2", {}, {"Bucket": "uploads", "Prefix": key})

    def is_there(self, key: str) -> None:
        found = {"Contents": [{"Key": key}]}
        self.stub("s3").add_response("list_objects_v2", found, {"Bucket": "uploads", "Prefix": key})

    def nothing_left(self) -> None:
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    fake = FakeAws()
    yield fake
    fake.nothing_left()


@pytest.fixture
def call(aws: FakeAws) -> Callable[..., Result]:
    def run_it(*arguments: str) -> Result:
        session = Session(aws.deployment, "--json" in arguments)
        return CliRunner().invoke(cli, list(arguments), obj=session)

    return run_it


def worded(number: int) -> str:
    """Give a word for a number: texts that differ in digits or hexadecimal ids alone are near-duplicates."""
    return "".join(chr(ord("k") + int(digit)) for digit in f"{number:05d}")


@pytest.fixture
def task_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "greetings"
    folder.mkdir()
    lines = [json.dumps({"prompt": f"greet {worded(number)} politely, please"}) for number in range(800)]
    (folder / "prompts.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "task.json").write_text('{"teacher_system_prompt": "Greet in one sentence."}')
    return folder


def make_run(run_id: str = "greetings-aaaa11112222", **changes: Any) -> dict[str, Any]:
    run: dict[str, Any] = {
        "run_id": run_id,
        "task": "greetings",
        "folder": "greetings",
        "bucket": "uploads",
        "key": "greetings/prompts.jsonl",
        "version": "v1",
        "task_version": None,
        "state": "RUNNING",
        "attempt": 1,
        "created_at": "2026-11-24T08:00:00.000Z",
        "started_at": "2026-11-24T08:00:01.000Z",
        "progress": {},
        "facts": {},
    }
    return run | changes


def ended(outcome: str, **changes: Any) -> dict[str, Any]:
    about = {"state": "ENDED", "outcome": outcome, "reason": f"because of {outcome.lower()}"}
    return make_run(**(about | {"ended_at": "2026-11-24T09:00:00.000Z"} | changes))


def sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
