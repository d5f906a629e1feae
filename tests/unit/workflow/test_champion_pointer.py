"""What callers read about the champion is taken by SSM whatever the task's prompt says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.gateways.aws import clients
from lambdas.workflow.serving.pointer import LONGEST_ARN, MAX_BYTES, longest_pointer, pointer_text, publish_pointer
from tests.unit.support.workshop import Workshop


class FakeParameters:
    """Systems Manager as far as the pointer goes; it refuses what PutParameter's reference says that it refuses."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def put_parameter(self, **request: Any) -> None:
        assert "{{" not in request["Value"], "ValidationException: a value may not refer to another parameter"
        assert len(request["Value"].encode()) <= 8192, "ValidationException: an advanced parameter takes 8 KB"
        self.values[request["Name"]] = request["Value"]


@pytest.mark.parametrize("prompt", ["Route {{query}}.", "{{{a}}}", "{{{{", "back\\{{slash", "{ {", "plain"])
def test_a_prompt_with_double_braces_is_published_as_it_is(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, prompt: str
) -> None:
    # Given
    parameters, run = FakeParameters(), workshop.run()
    monkeypatch.setattr(clients, "ssm", lambda: parameters)
    task = {"student_system_prompt": prompt, "output_schema": {"type": "object", "properties": {"a": {"const": "{{"}}}}
    workshop.bucket.write_json(run.files.task_definition, task)
    champion = workshop.crown(run.run_id, "arn:model", "arn:endpoint")

    # When
    publish_pointer(workshop.stage("PromoteStudent", run), champion)

    # Then
    [value] = parameters.values.values()
    document = json.loads(value)
    assert document["system_prompt"] == prompt
    assert document["output_schema"] == task["output_schema"]
    assert document["endpoint_arn"] == "arn:endpoint"


@given(st.text(alphabet='{}"aé ', min_size=1, max_size=9000), st.text(alphabet="{x", max_size=40))
@settings(max_examples=60, deadline=None)
def test_what_check_run_lets_pass_can_be_published_as_it_is_written(prompt: str, constant: str) -> None:
    # Given
    schema = {"type": "object", "properties": {"a": {"const": constant}}}
    task = TaskDefinition.from_document({"student_system_prompt": prompt, "output_schema": schema})
    arn = "arn:aws:bedrock:us-east-1:111122223333:custom-model/amazon.nova-micro-v1:0:128k/abcdefghijkl"
    run_id = "0" * 32
    # When
    text = pointer_text(task, endpoint_arn=arn, model_arn=arn, run_id=run_id, promoted_at="2026-11-29T12:00:00+00:00")
    # Then the bound holds, and is no looser than the ARNs that it leaves room for
    assert len(text.encode()) <= longest_pointer(task, run_id) <= len(text.encode()) + 2 * LONGEST_ARN
    assert "{{" not in text
    assert json.loads(text)["system_prompt"] == task.student_system_prompt


@pytest.mark.parametrize(("unit", "times", "passes"), [("{{", 900, True), ("{{", 1200, False), ("x", 7400, True)])
def test_a_prompt_counts_as_ssm_gets_it(unit: str, times: int, passes: bool) -> None:
    # Given 1,200 pairs of braces, which are 2,400 characters in task.json and 8,400 in the parameter
    task = TaskDefinition.from_document({"student_system_prompt": unit * times})
    # Then
    assert (longest_pointer(task, "0" * 32) <= MAX_BYTES) is passes
