"""Converse: which ids answer, limits, tools, tokens, latency and throttling."""

from __future__ import annotations

import json
import statistics
from typing import Any

import pytest

from tests.simulator import toy
from tests.simulator.conftest import Account, make_client, refusal

MICRO, PRO = "amazon.nova-micro-v1:0", "amazon.nova-pro-v1:0"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def tool(name: str) -> dict[str, Any]:
    spec = {"name": name, "inputSchema": {"json": {"type": "object"}}}
    return {"tools": [{"toolSpec": spec}], "toolChoice": {"tool": {"name": name}}}


@pytest.mark.parametrize(
    ("model_id", "code", "status", "said"),
    [
        ("us.amazon.nova-premier-v1:0", "ResourceNotFoundException", 404, "reached the end of its life"),
        ("amazon.nova-premier-v1:0", "ResourceNotFoundException", 404, "reached the end of its life"),
        ("amazon.nova-micro-v1:0:128k", "ResourceNotFoundException", 404, "Model not found"),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", "ValidationException", 400, "inference profile"),
        ("amazon.nova-nano-v1:0", "ValidationException", 400, "invalid"),
        ("eu.amazon.nova-micro-v1:0", "ValidationException", 400, "invalid"),
    ],
)
def test_an_id_that_does_not_answer(account: Account, model_id: str, code: str, status: int, said: str) -> None:
    # Given / When such an id is asked
    refused = refusal(lambda: account.ask(model_id, "drone over a beach"))

    # Then the service says why
    assert refused[:2] == (code, status)
    assert said in refused[2]


@pytest.mark.parametrize("change", [{"authorized": False}, {"agreement": False}, {"entitled": False}])
def test_a_model_without_access(account: Account, change: dict[str, bool]) -> None:
    # Given a model that the account has not subscribed to
    account.control.change(models={MICRO: change})

    # When / Then it is denied, and its availability says so
    assert refusal(lambda: account.ask(MICRO, "hello"))[:2] == ("AccessDeniedException", 403)
    availability = account.bedrock.get_foundation_model_availability(modelId=MICRO)
    assert "NOT_A" in str(availability)


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "assistant", "content": [{"text": "hello"}]}],
        [{"role": "user", "content": [{"text": "hello"}]}] * 2,
        [{"role": "user", "content": [{"text": "hello"}]}, {"role": "assistant", "content": [{"text": "{"}]}],
        [{"role": "user", "content": [{"text": "  "}]}],
    ],
)
def test_a_conversation_that_makes_no_sense(account: Account, messages: list[Any]) -> None:
    # Given / When / Then
    asked = lambda: account.runtime.converse(modelId=MICRO, messages=messages)  # noqa: E731
    assert refusal(asked)[:2] == ("ValidationException", 400)


def test_limits_of_a_model(account: Account) -> None:
    # Given / When / Then more output than the model has, more input than it takes, and what Nova lacks
    assert "model limit" in refusal(lambda: account.ask(MICRO, "hello", inferenceConfig={"maxTokens": 6000}))[2]
    assert "too long" in refusal(lambda: account.ask(MICRO, "x" * 520_000))[2]
    schema = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}}
    assert "outputConfig" in refusal(lambda: account.ask(MICRO, "hello", outputConfig=schema))[2]


def test_an_answer_is_cut_at_the_maximum_and_at_a_stop_sequence(account: Account) -> None:
    # Given a prompt whose whole answer is known
    whole = account.ask(PRO, "drone over a beach")
    text = whole["output"]["message"]["content"][0]["text"]
    assert (whole["stopReason"], json.loads(text)) == ("end_turn", toy.answer("drone over a beach"))

    # When it may have five tokens, or none after the first comma
    short = account.ask(PRO, "drone over a beach", inferenceConfig={"maxTokens": 5})
    stopped = account.ask(PRO, "drone over a beach", inferenceConfig={"stopSequences": [","]})

    # Then it is cut, says so, and costs what it has
    assert (short["stopReason"], short["usage"]["outputTokens"]) == ("max_tokens", 5)
    assert short["output"]["message"]["content"][0]["text"] == text[:20]
    assert (stopped["stopReason"], stopped["output"]["message"]["content"][0]["text"]) == (
        "stop_sequence",
        text.partition(",")[0],
    )


def test_a_forced_tool_gets_the_answer_as_its_input(account: Account) -> None:
    # Given a tool that the model must use
    # When it is asked
    answer = account.ask(PRO, "a guitar song", toolConfig=tool("record_weights"))

    # Then the block carries the object
    block = answer["output"]["message"]["content"][0]["toolUse"]
    assert (answer["stopReason"], block["name"], block["input"]) == (
        "tool_use",
        "record_weights",
        toy.answer("a guitar song"),
    )

    # And a tool that is not among the tools is refused
    wrong = tool("a") | {"toolChoice": {"tool": {"name": "b"}}}
    assert refusal(lambda: account.ask(PRO, "a guitar song", toolConfig=wrong))[0] == "ValidationException"


def test_tokens_are_four_characters_each(account: Account) -> None:
    # Given 40 characters of system prompt and 8 of user text
    # When they are asked
    usage = account.ask(PRO, "12345678", "s" * 40)["usage"]

    # Then they count 10 and 2
    assert usage["inputTokens"] == 12
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]


def test_the_same_request_gets_the_same_answer_and_latencies_spread_around_their_mean(account: Account) -> None:
    # Given a hundred prompts, each asked twice of two models
    def asked(model: str) -> list[tuple[str, int]]:
        answers = [account.ask(model, query, toy.LONG_PROMPT) for query in toy.queries(100, "latency")]
        return [(str(a["output"]), a["metrics"]["latencyMs"]) for a in answers]

    micro, haiku = asked(MICRO), asked(HAIKU)

    # When / Then they repeat to the millisecond
    assert asked(MICRO) == micro

    # And the published means are met, with a spread
    assert statistics.mean(ms for _, ms in micro) == pytest.approx(833, rel=0.08)
    assert statistics.mean(ms for _, ms in haiku) == pytest.approx(1741, rel=0.08)
    assert len({ms for _, ms in micro}) > 50


def test_requests_beyond_the_quota_are_throttled_until_the_minute_is_over(account: Account) -> None:
    # Given a quota of three requests a minute that is enforced
    account.control.change(quotas={"SIM-RPM-NovaMicro": 3}, enforce_request_quotas=True)
    for _ in range(3):
        account.ask(MICRO, "hello")

    # When / Then the fourth is throttled, another model is not, and a minute later it goes on
    assert refusal(lambda: account.ask(MICRO, "hello"))[:2] == ("ThrottlingException", 429)
    account.ask(PRO, "hello")
    account.clock.advance(61)
    account.ask(MICRO, "hello")


class TestFoundationModels:
    def test_the_lifecycle_tells_what_is_over(self, account: Account) -> None:
        # Given / When
        premier = account.bedrock.get_foundation_model(modelIdentifier="amazon.nova-premier-v1:0")["modelDetails"]

        # Then
        assert premier["modelLifecycle"]["status"] == "LEGACY"
        assert premier["modelLifecycle"]["endOfLifeTime"].isoformat() == "2026-09-14T00:00:00+00:00"

    def test_students_are_found_by_customization(self, account: Account) -> None:
        # Given / When
        found = account.bedrock.list_foundation_models(byCustomizationType="DISTILLATION")["modelSummaries"]

        # Then they are the ids for customization, unless the account sees them otherwise
        assert "amazon.nova-micro-v1:0:128k" in {model["modelId"] for model in found}
        account.control.change(models={"amazon.nova-micro-v1:0:128k": {"customizations": ["FINE_TUNING"]}})
        fewer = account.bedrock.list_foundation_models(byCustomizationType="DISTILLATION")["modelSummaries"]
        assert {model["modelId"] for model in found} - {model["modelId"] for model in fewer} == {
            "amazon.nova-micro-v1:0:128k"
        }

    def test_profiles_name_their_models_in_each_region(self, account: Account) -> None:
        # Given / When
        profile = account.bedrock.get_inference_profile(inferenceProfileIdentifier="us.amazon.nova-pro-v1:0")
        listed = account.bedrock.list_inference_profiles(typeEquals="SYSTEM_DEFINED")["inferenceProfileSummaries"]

        # Then
        assert {model["modelArn"].split(":")[3] for model in profile["models"]} == {
            "us-east-1",
            "us-east-2",
            "us-west-2",
        }
        assert profile["inferenceProfileArn"] in {entry["inferenceProfileArn"] for entry in listed}
        missing = lambda: account.bedrock.get_inference_profile(inferenceProfileIdentifier="us.no.such")  # noqa: E731
        assert refusal(missing)[:2] == ("ResourceNotFoundException", 404)


class TestQuotas:
    def test_a_quota_that_does_not_exist(self, account: Account) -> None:
        # Given / When / Then the errors are those of Service Quotas
        get = account.quotas.get_service_quota
        assert refusal(lambda: get(ServiceCode="bedrock", QuotaCode="L-00000000"))[0] == "NoSuchResourceException"
        assert refusal(lambda: get(ServiceCode="ec2", QuotaCode="L-BE77399C"))[0] == "NoSuchResourceException"

    def test_all_quotas_are_listed_page_by_page(self, account: Account) -> None:
        # Given a changed quota
        account.control.change(quotas={"L-BE77399C": 4})

        # When all are listed, five by five
        paginator = make_client(account.url, "service-quotas").get_paginator("list_service_quotas")
        pages = list(paginator.paginate(ServiceCode="bedrock", PaginationConfig={"PageSize": 5}))

        # Then none is twice, and the change is seen
        quotas = [quota for page in pages for quota in page["Quotas"]]
        assert len({quota["QuotaCode"] for quota in quotas}) == len(quotas) > 5
        assert {quota["QuotaCode"]: quota["Value"] for quota in quotas}["L-BE77399C"] == 4
