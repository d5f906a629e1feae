"""What callers read about the champion is taken by SSM whatever the task's prompt says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.gateways.aws import clients
from lambdas.workflow.serving.pointer import publish_pointer
from tests.unit.support.workshop import Workshop


class FakeParameters:
    """Systems Manager as far as the pointer goes; it refuses what PutParameter's reference says that it refuses."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def put_parameter(self, **request: Any) -> None:
        assert "{{" not in request["Value"], "ValidationException: a value may not refer to another parameter"
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
