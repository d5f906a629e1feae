"""What lies beyond the environment is said before anything is uploaded; what serves beyond it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from lambdas.domain.gate.approved_limits import ApprovedLimits
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.gateways.registry.items import to_values
from tests.unit.cli.conftest import FakeAws
from tests.unit.cli.test_champions_now import CHAMPION, THROUGHPUT, bedrock_has, pointer_leads_to
from tests.unit.cli.test_reap_doctor_teardown import deployed_settings

Call = Callable[..., Result]

MILLION = {"budget_usd": 1_000_000}
SAID = "'budget_usd' is 1,000,000.00, at most 500.00 ('max_budget_usd')"


def with_task(task_dir: Path, document: dict[str, Any]) -> Path:
    path = task_dir / "task.json"
    path.write_text(json.dumps({"teacher_system_prompt": "Greet in one sentence.", **document}))
    return path


def test_validate_says_what_the_environment_does_not_allow(call: Call, task_dir: Path) -> None:
    # Given
    path = with_task(task_dir, MILLION)
    # When
    said = call("validate", str(task_dir / "prompts.jsonl"), "--task", str(path))
    # Then
    assert said.exit_code == 1
    assert SAID in said.output


def test_validate_without_settings_says_that_it_did_not_look(
    call: Call, task_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given a folder without cdk.json
    path = with_task(task_dir, MILLION)
    monkeypatch.chdir(tmp_path)
    # When
    said = call("validate", str(task_dir / "prompts.jsonl"), "--task", str(path))
    # Then
    assert said.exit_code == 0, said.output
    assert "what the environment allows was not checked" in said.output


def test_estimate_says_it_too(call: Call, task_dir: Path) -> None:
    with_task(task_dir, MILLION)
    said = call("estimate", str(task_dir), "--offline")
    assert said.exit_code == 1
    assert SAID in said.stderr


def test_submit_uploads_nothing_that_the_deployed_settings_do_not_allow(
    aws: FakeAws, call: Call, task_dir: Path
) -> None:
    # Given
    with_task(task_dir, {"budget_usd": 40})
    deployed_settings(aws, max_budget_usd=30)
    # When
    said = call("submit", str(task_dir))
    # Then
    assert said.exit_code == 1
    assert "Nothing was uploaded" in said.stderr
    assert "'budget_usd' is 40.00, at most 30.00 ('max_budget_usd')" in said.stderr


def test_champions_tells_what_serves_beyond_the_settings(aws: FakeAws, call: Call) -> None:
    # Given a champion with four units, and an environment that allows two by now
    limits = ApprovedLimits.of(TaskDefinition.from_document({"serving": {"model_units": 4}}))
    item = to_values({"pk": "TASK#greetings", "champion": {**CHAMPION, "limits": limits.to_document()}})
    aws.stub("dynamodb").add_response("query", {"Items": [item]})
    aws.stub("dynamodb").add_response("get_item", {"Item": item})
    aws.stub("dynamodb").add_response("query", {"Items": []})
    bedrock_has(aws)
    pointer_leads_to(aws, json.dumps({"endpoint_arn": THROUGHPUT}))
    deployed_settings(aws, max_model_units=2)
    # When
    said = call("--json", "champions")
    # Then it is told and not broken
    assert said.exit_code == 0, said.output
    found = json.loads(said.output)
    assert found["wrong"] == []
    assert found["beyond_settings"] == [
        "beyond the settings of today: 'serving.model_units' is 4, at most 2 ('max_model_units')",
        (
            "its base model base is not the one of the settings, amazon.nova-micro-v1:0:128k "
            "('student_customization_model')"
        ),
    ]
