"""What a person reads when nothing can be reached or nothing is deployed, and with which code the command ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from click.testing import CliRunner, Result

from cli.main import cli
from cli.session import Session
from tests.unit.cli.conftest import FakeAws, make_run


def test_an_environment_that_is_not_deployed(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.outputs.clear()
    aws.stub("cloudformation").add_client_error(
        "describe_stacks", "ValidationError", "Stack with id distillation-dev-data does not exist"
    )
    # When
    result = call("runs")
    # Then
    assert result.exit_code == 3
    assert "Environment 'dev' is not deployed in us-east-1" in result.stderr
    assert "cdk deploy --all" in result.stderr


def test_a_stack_without_the_output(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.outputs["data"].pop("RegistryTable")
    # When
    result = call("runs")
    # Then
    assert result.exit_code == 3
    assert "no output 'RegistryTable'" in result.stderr


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (NoCredentialsError(), "No usable AWS credentials"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "Cannot connect"),
    ],
)
def test_no_credentials_or_no_connection(problem: Exception, said: str) -> None:
    # Given
    def connect() -> Any:
        raise problem

    # When
    result = CliRunner().invoke(cli, ["runs"], obj=Session(connect, False))
    # Then
    assert result.exit_code == 3
    assert said in result.stderr


def test_credentials_that_have_expired(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.stub("dynamodb").add_client_error("query", "ExpiredTokenException", "The token has expired")
    # When
    result = call("runs")
    # Then
    assert result.exit_code == 3
    assert "aws sso login" in result.stderr


def test_a_call_that_the_role_may_not_make(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.stub("dynamodb").add_client_error("query", "AccessDeniedException", "not authorized to perform: dynamodb:Query")
    # When
    result = call("runs")
    # Then
    assert result.exit_code == 1
    assert "AWS refused Query (AccessDeniedException)" in result.stderr


def test_no_embedded_aws_runs(tmp_path: Path) -> None:
    # When
    result = CliRunner().invoke(cli, ["--local-dir", str(tmp_path), "runs"])
    # Then
    assert result.exit_code == 3
    assert "python -m local.demo --stay" in result.stderr


@pytest.mark.parametrize("text", ["{", "[]", '{"endpoint": "http://127.0.0.1:1"}'])
def test_a_description_of_the_embedded_aws_that_is_broken(tmp_path: Path, text: str) -> None:
    # Given
    (tmp_path / "embedded-aws.json").write_text(text)
    # When
    result = CliRunner().invoke(cli, ["--local-dir", str(tmp_path), "runs"])
    # Then
    assert result.exit_code == 3
    assert "cannot be read" in result.stderr


def test_an_embedded_aws_that_was_killed(tmp_path: Path) -> None:
    # Given: nothing listens on port 9 of the loopback address
    description = {"endpoint": "http://127.0.0.1:9", "region": "us-east-1", "simulator": "http://127.0.0.1:9"}
    (tmp_path / "embedded-aws.json").write_text(json.dumps(description))
    # When
    result = CliRunner().invoke(cli, ["--local-dir", str(tmp_path), "runs"])
    # Then
    assert result.exit_code == 3
    assert "Cannot connect" in result.stderr


def test_a_region_for_the_embedded_aws_is_a_usage_error() -> None:
    # When
    result = CliRunner().invoke(cli, ["--local", "--region", "us-west-2", "runs"])
    # Then
    assert result.exit_code == 2


def test_runs_as_json(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.runs_in_registry(
        make_run("a-1", created_at="2026-11-24T08:00:00.000Z"), make_run("a-2", created_at="2026-11-25")
    )
    # When
    result = call("--json", "runs")
    # Then
    assert [run["run_id"] for run in json.loads(result.stdout)] == ["a-2", "a-1"]


def test_no_runs_yet(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.runs_in_registry()
    # When
    result = call("runs")
    # Then
    assert result.exit_code == 0
    assert "There is no run yet" in result.stdout


@pytest.mark.parametrize("code", ["InternalServerError", "ThrottlingException", "ValidationException"])
def test_a_service_that_does_not_answer_for_now(aws: FakeAws, call: Callable[..., Result], code: str) -> None:
    # Given
    aws.stub("dynamodb").add_client_error("query", code, "Bad Gateway", http_status_code=502)
    # When
    result = call("runs")
    # Then
    assert result.exit_code == 3
    assert f"AWS does not answer Query for now ({code}: Bad Gateway). Try again in a minute." in result.stderr
