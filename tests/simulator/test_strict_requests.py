"""Requests that botocore lets pass and Bedrock does not."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.bedrock_simulator.protocol.validation import matches
from tests.simulator import toy
from tests.simulator.conftest import Account, distillation, refusal

TAGS_51 = [{"key": f"k{number}", "value": "v"} for number in range(51)]


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        pytest.param({"jobName": "run_1"}, "ValidationException", "'jobName'", id="underscore in a job name"),
        pytest.param({"jobName": "a" * 64}, "ValidationException", "63", id="job name too long"),
        pytest.param({"jobName": "Ünlaut"}, "ValidationException", "'jobName'", id="letter outside ASCII"),
        pytest.param(
            {"customModelName": "nova.v1"}, "ValidationException", "'customModelName'", id="dot in a model name"
        ),
        pytest.param({"customModelName": "a--b"}, "ValidationException", "'customModelName'", id="double hyphen"),
        pytest.param({"roleArn": "role/x"}, "ValidationException", "'roleArn'", id="role that is no ARN"),
        pytest.param(
            {"trainingDataConfig": {"s3Uri": "s3://runs/dt=2026-01-01/train.jsonl"}},
            "ValidationException",
            "trainingDataConfig.s3Uri",
            id="equals sign in a key",
        ),
        pytest.param(
            {"outputDataConfig": {"s3Uri": "s3://runs/nova-v1:0/"}},
            "ValidationException",
            "outputDataConfig.s3Uri",
            id="colon in a key",
        ),
        pytest.param(
            {"outputDataConfig": {"s3Uri": "s3://runs//out"}},
            "ValidationException",
            "outputDataConfig.s3Uri",
            id="empty folder name",
        ),
        pytest.param(
            {"clientRequestToken": "states:execution/run-1"},
            "ValidationException",
            "'clientRequestToken'",
            id="slash and colon in a token",
        ),
        pytest.param(
            {"clientRequestToken": "run_1"}, "ValidationException", "'clientRequestToken'", id="underscore in a token"
        ),
        pytest.param(
            {"customizationType": "DISTILL"}, "ValidationException", "'customizationType'", id="unknown enum value"
        ),
        pytest.param({"jobTags": TAGS_51}, "TooManyTagsException", "50", id="51 tags"),
        pytest.param({"customModelTags": TAGS_51}, "TooManyTagsException", "50", id="51 tags on the model"),
        pytest.param({"jobTags": TAGS_51 * 4}, "ValidationException", "200", id="204 tags"),
        pytest.param({"jobTags": [{"key": "a*b", "value": ""}]}, "ValidationException", "key", id="star in a tag key"),
        pytest.param(
            {"jobTags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]},
            "ValidationException",
            "unique",
            id="tag key twice",
        ),
        pytest.param(
            {"jobTags": [{"key": "aws:x", "value": "1"}]}, "ValidationException", "aws:", id="reserved tag prefix"
        ),
        pytest.param(
            {"hyperParameters": {"epochCount": 2}}, "SerializationException", "epochCount", id="number for a string"
        ),
        pytest.param(
            {"hyperParameters": {"epochs": "2"}}, "ValidationException", "epochCount", id="unknown hyperparameter"
        ),
        pytest.param({"hyperParameters": {"epochCount": "9"}}, "ValidationException", "5", id="too many epochs"),
        pytest.param({"trainingDataConfig": None}, "ValidationException", "trainingDataConfig", id="missing member"),
        pytest.param(
            {"customizationConfig": {"distillationConfig": {}, "rftConfig": {}}},
            "ValidationException",
            "customizationConfig",
            id="two members of a union",
        ),
        pytest.param(
            {
                "customizationConfig": distillation(
                    "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/abc"
                )
            },
            "ValidationException",
            "teacherModelIdentifier",
            id="application profile as teacher",
        ),
        pytest.param(
            {"validationDataConfig": {"validators": [{"s3Uri": "s3://runs/v.jsonl"}] * 11}},
            "ValidationException",
            "validators",
            id="eleven validators",
        ),
    ],
)
def test_a_mutated_job_request_is_refused(account: Account, change: dict[str, Any], error: str, said: str) -> None:
    # Given a request that would be accepted
    account.put_training(toy.queries(120, "train"))

    # When one thing in it is wrong
    code, status, message = refusal(lambda: account.create_job(**change))

    # Then the service's error says where, and no job exists
    assert (code, status) == (error, 400)
    assert said in message
    assert account.control.resources().jobs == []


def test_every_broken_limit_is_named_at_once(account: Account) -> None:
    # Given two broken limits
    request = account.job_request(jobName="run_1", customModelName="a.b")

    # When it is sent
    _, _, message = refusal(lambda: account.bedrock.create_model_customization_job(**request))

    # Then both are named, in the service's words
    assert message.startswith("2 validation errors detected: ")
    assert "'jobName'" in message
    assert "'customModelName'" in message


@pytest.mark.parametrize(
    ("operation", "params", "said"),
    [
        (
            "create_provisioned_model_throughput",
            {"modelUnits": 0, "provisionedModelName": "p", "modelId": "a.b"},
            "modelUnits",
        ),
        (
            "create_provisioned_model_throughput",
            {"modelUnits": 1, "provisionedModelName": "p q", "modelId": "a.b"},
            "pattern",
        ),
        (
            "create_custom_model_deployment",
            {"modelDeploymentName": "d", "modelArn": "arn:aws:bedrock:us-east-1"},
            "modelArn",
        ),
        ("get_custom_model_deployment", {"customModelDeploymentIdentifier": "x" * 94}, "93"),
        ("list_model_customization_jobs", {"maxResults": 1001}, "1000"),
        ("list_model_customization_jobs", {"statusEquals": "Running"}, "enum"),
        ("list_custom_models", {"nextToken": "not from here"}, "nextToken"),
        ("tag_resource", {"resourceARN": "arn:aws:s3:::bucket-of-mine", "tags": []}, "resourceARN"),
    ],
)
def test_other_operations_are_as_strict(account: Account, operation: str, params: dict[str, Any], said: str) -> None:
    # Given / When a request with one broken limit is sent
    code, status, message = refusal(lambda: getattr(account.bedrock, operation)(**params))

    # Then it is refused
    assert (code, status) == ("ValidationException", 400)
    assert said in message


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"inferenceConfig": {"maxTokens": 0}}, "ValidationException"),
        ({"inferenceConfig": {"temperature": 1.5}}, "ValidationException"),
        ({"inferenceConfig": {"maxTokens": True}}, "SerializationException"),
        ({"requestMetadata": {}}, "ValidationException"),
        ({"toolConfig": {"tools": []}}, "ValidationException"),
        ({"serviceTier": {"type": "cheap"}}, "ValidationException"),
    ],
)
def test_converse_is_as_strict(account: Account, more: dict[str, Any], code: str) -> None:
    # Given / When a prompt comes with a parameter out of bounds
    refused = refusal(lambda: account.ask("amazon.nova-micro-v1:0", "hello", **more))

    # Then it is refused and nothing is billed
    assert refused[:2] == (code, 400)
    assert account.control.billing() == []


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (b'{"jobName": "x', "SerializationException", "not JSON"),
        (b'["jobName"]', "SerializationException", "JSON object"),
        (b'{"modelName": "x"}', "ValidationException", "modelName"),
    ],
)
def test_a_body_that_no_sdk_would_send(account: Account, body: bytes, error: str, said: str) -> None:
    # Given a request with a body that is cut off, of the wrong type, or has an unknown member
    request = urllib.request.Request(f"{account.url}/model-customization-jobs", body, method="POST")  # noqa: S310

    # When it is sent
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(request):  # noqa: S310
        pass

    # Then the answer has the service's shape
    with caught.value as answer:
        assert answer.headers["x-amzn-errortype"] == error
        assert said in json.load(answer)["message"]


def test_an_operation_that_the_simulator_lacks_is_said_to_be_unknown(account: Account) -> None:
    # Given / When Bedrock's guardrails are asked for
    code, status, _ = refusal(account.bedrock.list_guardrails)

    # Then that is no empty list but an error
    assert (code, status) == ("UnknownOperationException", 404)


@given(st.text(max_size=80))
def test_matching_a_pattern_never_raises_and_never_hangs(value: str) -> None:
    # Given the job-name pattern, on which a naive matcher backtracks for seconds
    pattern = r"[a-zA-Z0-9](-*[a-zA-Z0-9\+\-\.])*"

    # When / Then any text gets an answer
    assert matches(pattern, value) in (True, False)
    assert matches(pattern, "a" + "-" * 60 + "_") is False
