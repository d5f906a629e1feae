"""A range of production traffic is checked on the person's machine before anything is uploaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from lambdas.domain.identity import Upload
from lambdas.domain.task.settings import Settings
from tests.unit.cli.conftest import FakeAws

RANGE = ("--from", "2026-11-01T00:00:00Z", "--to", "2026-11-02T00:00:00Z")
LOGS = ("--from-logs", "s3://team-logs/app")


@pytest.mark.parametrize(
    ("options", "exit_code", "said"),
    [
        (LOGS, 2, "needs --from and --to"),
        (("--from-logs", "team-logs", *RANGE), 2, "must be s3://bucket/prefix"),
        ((*LOGS, *RANGE, "--metadata", "app"), 2, "must be name=value"),
        ((*LOGS, *RANGE, "--operation", "CountTokens"), 2, "CountTokens"),
        ((*LOGS, "--from", "2026-11-01T00:00:00", "--to", "2026-11-02T00:00:00Z"), 1, "no time zone"),
        ((*LOGS, "--from", "2026-11-01T00:00:00Z", "--to", "2126-11-01T00:00:00Z"), 1, "at most 92 days"),
        ((*LOGS, "--from", "2126-11-01T00:00:00Z", "--to", "2126-11-02T00:00:00Z"), 1, "still to come"),
        (RANGE, 2, "go with --from-logs"),
    ],
)
def test_a_range_that_cannot_be_read_uploads_nothing(
    aws: FakeAws, call: Callable[..., Result], task_dir: Path, options: tuple[str, ...], exit_code: int, said: str
) -> None:
    # When
    result = call("submit", str(task_dir), *options)
    # Then
    assert result.exit_code == exit_code, result.stderr
    assert said in result.stderr
    assert not aws.clients


def test_a_location_that_the_deployment_may_not_read_uploads_nothing(
    aws: FakeAws, call: Callable[..., Result], task_dir: Path
) -> None:
    # Given
    deployed_with(aws, {"bucket": "team-logs", "prefix": "other"})
    # When
    result = call("submit", str(task_dir), *LOGS, *RANGE)
    # Then
    assert result.exit_code == 1
    assert "allowed: s3://team-logs/other" in result.stderr
    assert "s3" not in aws.clients


def test_an_allowed_range_is_uploaded_after_the_task_and_names_the_run(
    aws: FakeAws, call: Callable[..., Result], task_dir: Path
) -> None:
    # Given
    deployed_with(aws, {"bucket": "team-logs", "prefix": "app"})
    key = "greetings/20261101T0000Z-20261102T0000Z.logs.json"
    aws.is_missing("greetings/holdout.jsonl")
    aws.is_missing("greetings/calibration.jsonl")
    aws.upload_expected("greetings/task.json", "v1")
    aws.upload_expected(key, "v2")
    # When
    result = call("--json", "submit", str(task_dir), *LOGS, *RANGE, "--metadata", "app=search")
    # Then
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["run_id"] == Upload("uploads", key, "v2").run_id


def deployed_with(aws: FakeAws, source: dict[str, str]) -> None:
    text = Settings.from_mapping({"log_sources": [source]}).to_json()
    answer = {"Environment": {"Variables": {"PIPELINE_SETTINGS": text}}}
    aws.stub("lambda").add_response("get_function_configuration", answer, {"FunctionName": "start-run"})
