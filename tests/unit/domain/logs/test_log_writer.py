"""The log objects that a run writes for Bedrock: read again they are the pairs of the training file, and no others."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from lambdas.domain.dataset.records import Record, Turn
from lambdas.domain.logs.log_entry import answer_of, check_entry, prompt_of
from lambdas.domain.logs.log_writer import (
    ENTRIES_AN_OBJECT,
    NOT_LOGGED,
    SEVERAL_TURNS,
    LogPlace,
    invocation_logs_config,
    log_entry,
    log_objects,
    why_not_logged,
)
from lambdas.domain.logs.logged_answers import ReusedAnswer
from lambdas.domain.questions.answers import Answer
from lambdas.domain.questions.prompts import training_line
from lambdas.domain.task.log_request import LogRequest
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.support.fake_bedrock import check_request

TEACHER = "us.amazon.nova-pro-v1:0"
PLACE = LogPlace(account="111122223333", region="us-east-1", teacher=TEACHER, metadata={"app": "search"})
SHORT = TaskDefinition.from_document({"student_system_prompt": "Be short."})


def record(number: int, *more: Turn) -> Record:
    return Record(number, "As logged.", (Turn("user", f"q{number}"), *more), None, {})


def logged(number: int) -> ReusedAnswer:
    answer = Answer(
        key="k",
        record_id=f"{number:016x}",
        model="arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
        text=f"a{number} \N{PILE OF POO}",
        stop_reason="end_turn",
        input_tokens=12,
        output_tokens=7,
        latency_ms=302.0,
        client_ms=302.0,
    )
    return ReusedAnswer(answer, f"2026-11-02T09:{number % 60:02d}:00Z", f"request-{number}")


@pytest.mark.parametrize("task", [TaskDefinition.default(), SHORT])
def test_an_entry_read_as_a_log_is_the_line_of_the_training_file(task: TaskDefinition) -> None:
    # Given
    entry = json.loads(json.dumps(log_entry(record(1), task, logged(1), PLACE)))
    # When it is read as those of production are
    found, exact = prompt_of(check_entry(entry)["input"]["inputBodyJson"])
    answer = answer_of(entry["modelId"], entry["output"]["outputBodyJson"])
    # Then
    assert exact
    assert answer is not None
    assert answer.model == TEACHER
    pair = {**found, "messages": [*found["messages"], {"role": "assistant", "content": [{"text": answer.text}]}]}
    assert pair == json.loads(training_line(record(1), task, logged(1).answer.text))


def test_an_entry_keeps_when_it_was_asked_and_passes_the_filters_of_its_range() -> None:
    # Given
    request = LogRequest.from_document(
        {
            "bucket": "logs",
            "from": "2026-11-02T09:00:00Z",
            "to": "2026-11-02T10:00:00Z",
            "models": ["amazon.nova-pro-v1:0"],
            "metadata": dict(PLACE.metadata),
        }
    )
    # When
    entry = log_entry(record(1), SHORT, logged(1), PLACE)
    # Then
    assert request.takes(entry)
    assert entry["requestId"] == "request-1"
    assert "identity" not in entry


def test_objects_lie_as_bedrock_delivers_them_and_are_the_same_each_time() -> None:
    # Given one entry more than an object takes
    entries = [log_entry(record(n), SHORT, logged(n), PLACE) for n in range(ENTRIES_AN_OBJECT + 1)]
    # When
    objects = list(log_objects(entries, PLACE))
    # Then
    assert objects == list(log_objects(entries, PLACE))
    root = "AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2026/11/02/09/"
    assert all(name.startswith(root) and name.endswith(".json.gz") for name, _ in objects)
    lines = [json.loads(line) for _, body in objects for line in gzip.decompress(body).splitlines()]
    assert lines == entries
    assert len(objects) == 2


@pytest.mark.parametrize(
    ("metadata", "filters"),
    [
        ({}, None),
        ({"app": "search"}, {"equals": {"app": "search"}}),
        ({"b": "2", "app": "search"}, {"andAll": [{"equals": {"app": "search"}}, {"equals": {"b": "2"}}]}),
    ],
)
def test_the_request_is_one_that_the_service_model_takes(metadata: dict[str, str], filters: Any) -> None:
    # When
    config = invocation_logs_config("s3://runs/runs/video/r-1/teacher_data/invocation_logs/0123/", metadata)
    # Then
    assert config["invocationLogsConfig"].get("requestMetadataFilters") == filters
    assert config["invocationLogsConfig"]["usePromptResponse"] is True
    request = {
        "jobName": "j",
        "customModelName": "m",
        "roleArn": "arn:aws:iam::111122223333:role/customization",
        "baseModelIdentifier": "amazon.nova-micro-v1:0:128k",
        "trainingDataConfig": config,
        "outputDataConfig": {"s3Uri": "s3://runs/out/"},
    }
    check_request("CreateModelCustomizationJob", request)


def test_why_a_record_has_no_logged_answer() -> None:
    assert why_not_logged(record(1)) == NOT_LOGGED
    assert why_not_logged(record(1, Turn("assistant", "a"), Turn("user", "q"))) == SEVERAL_TURNS
