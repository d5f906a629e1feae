"""InvokeModel, in the message formats of Nova and Claude."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulator import toy
from tests.simulator.conftest import Account, refusal

PRO, HAIKU = "amazon.nova-pro-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0"
QUERY = toy.queries(1, "invoke")[0]


def invoke(account: Account, model_id: str, body: Any) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = account.runtime.invoke_model(modelId=model_id, body=raw)
    assert answer["contentType"] == "application/json"
    return json.loads(answer["body"].read())


def nova(**more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": QUERY}]}]
    return {"schemaVersion": "messages-v1", "system": [{"text": toy.LONG_PROMPT}], "messages": messages, **more}


def claude(**more: Any) -> dict[str, Any]:
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 500, "system": toy.LONG_PROMPT}
    return {**body, "messages": [{"role": "user", "content": QUERY}], **more}


def test_nova_answers_as_in_converse(account: Account) -> None:
    # Given / When
    answer = invoke(account, PRO, nova(inferenceConfig={"maxTokens": 300, "topK": 20, "temperature": 0}))

    # Then the text is the same, the cache counts have names of their own, and the bill is the same
    converse = account.ask(PRO, QUERY, toy.LONG_PROMPT)
    assert answer["output"] == converse["output"]
    assert answer["usage"]["cacheReadInputTokenCount"] == 0
    assert answer["usage"]["inputTokens"] == converse["usage"]["inputTokens"]
    first, second = account.control.billing()
    assert (first.usd, first.usage) == (second.usd, second.usage)


def test_claude_answers_and_calls_a_tool(account: Account) -> None:
    # Given
    tools = [{"name": "route", "description": "d", "input_schema": {"type": "object"}}]

    # When
    text = invoke(account, HAIKU, claude())
    call = invoke(account, HAIKU, claude(tools=tools, tool_choice={"type": "tool", "name": "route"}))
    either = invoke(account, HAIKU, claude(tools=tools, tool_choice={"type": "any"}))

    # Then
    assert (text["type"], text["role"], text["stop_reason"]) == ("message", "assistant", "end_turn")
    assert set(text["usage"]) == {
        "input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens",
    }  # fmt: skip
    (block,) = call["content"]
    assert (block["type"], block["name"], call["stop_reason"]) == ("tool_use", "route", "tool_use")
    assert set(block["input"]) == set(toy.answer(QUERY))
    assert either["content"][0]["type"] == "tool_use"


def test_claude_caches_by_cache_control(account: Account) -> None:
    # Given a long system text with cache_control
    system = [{"type": "text", "text": toy.LONG_PROMPT * 30, "cache_control": {"type": "ephemeral"}}]

    # When
    first, second = (invoke(account, HAIKU, claude(system=system))["usage"] for _ in range(2))

    # Then
    assert first["cache_creation_input_tokens"] > 4096
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"]
    assert second["input_tokens"] == -(-len(QUERY) // 4)


@pytest.mark.parametrize(
    ("model_id", "body", "said"),
    [
        (PRO, b"{not json", "not JSON"),
        (PRO, b"[1]", "expected a JSON object"),
        (PRO, {"messages": [{"role": "user", "content": QUERY}]}, "Malformed input request"),
        (PRO, {}, "must start with a user message"),
        (HAIKU, nova(), "anthropic_version"),
        (HAIKU, {"anthropic_version": "bedrock-2023-05-31", "messages": []}, "max_tokens"),
        (HAIKU, claude(messages=[{"role": "user"}]), "content"),
        (HAIKU, claude(messages=[{"role": "user", "content": [{"type": "image"}]}]), "image"),
    ],
)
def test_what_is_not_the_models_format_is_refused(account: Account, model_id: str, body: Any, said: str) -> None:
    # Given / When / Then
    code, _, message = refusal(lambda: invoke(account, model_id, body))
    assert (code, said in message) == ("ValidationException", True), message
    assert account.control.billing() == []


def test_the_call_log_holds_no_body(account: Account) -> None:
    # Given / When
    invoke(account, PRO, nova())

    # Then
    (call,) = account.control.calls(operation="InvokeModel")
    assert call.params == {"modelId": PRO}
