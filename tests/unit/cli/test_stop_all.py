"""``stop --all`` stops every run that is queued or in progress, what waits first."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from lambdas.gateways.registry.items import to_values
from tests.unit.cli.conftest import FakeAws, make_run

Call = Callable[..., Result]


@pytest.fixture
def two_runs(aws: FakeAws) -> FakeAws:
    aws.outputs["pipeline"]["ReconcileFunction"] = "reconcile"
    for run in (make_run("a-1", state="QUEUED"), make_run("b-1")):
        aws.stub("dynamodb").add_response("query", {"Items": [to_values(run)]})
    return aws


@pytest.mark.parametrize("words", [(), ("a-1", "--all")])
def test_one_of_both_must_be_said(call: Call, words: tuple[str, ...]) -> None:
    result = call("stop", *words)
    assert result.exit_code == 2
    assert "Give either RUN or --all." in result.output


def test_a_no_stops_nothing(two_runs: FakeAws, call: Call) -> None:
    result = call("stop", "--all")
    assert result.exit_code == 1
    assert "a-1 (QUEUED)" in result.output
    assert "Stop 2 runs of environment dev?" in result.output
    assert "lambda" not in two_runs.clients


def test_one_that_has_ended_meanwhile_keeps_the_other_from_nothing(two_runs: FakeAws, call: Call) -> None:
    # Given
    gone = {"errorType": "RunNotFound", "errorMessage": "run a-1 has ended"}
    two_runs.function_answers("reconcile", {"stop": "a-1", "why": "fire"}, gone, error=True)
    two_runs.function_answers("reconcile", {"stop": "b-1", "why": "fire"}, {})
    # When
    result = call("--json", "stop", "--all", "--yes", "--why", "fire")
    # Then
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"refused": {"a-1": "RunNotFound: run a-1 has ended"}, "stopped": ["b-1"]}


def test_where_nothing_runs_nothing_is_asked(aws: FakeAws, call: Call) -> None:
    for _ in range(2):
        aws.stub("dynamodb").add_response("query", {"Items": []})
    result = call("stop", "--all")
    assert (result.exit_code, result.output.strip()) == (0, "No run is queued or in progress.")
