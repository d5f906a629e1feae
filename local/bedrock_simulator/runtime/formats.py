"""The request and answer bodies of InvokeModel: the message formats of Nova and of Claude.

Sources: the Bedrock user guide on Claude's Messages API (model-parameters-anthropic-claude-messages) and the Nova user
guide on its complete request schema (``schemaVersion`` ``messages-v1``), which is Converse's with other names for the
cache counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.bedrock_simulator.catalog import FoundationModel
from local.bedrock_simulator.errors import ServiceError, validation
from local.bedrock_simulator.protocol.service import Params
from local.bedrock_simulator.protocol.shapes import converse_problems
from local.bedrock_simulator.runtime.conversation import Reply

_CLAUDE_VERSION = "bedrock-2023-05-31"
_CLAUDE_STOPS = {
    "end_turn": "end_turn", "max_tokens": "max_tokens", "stop_sequence": "stop_sequence", "tool_use": "tool_use",
    "content_filtered": "refusal",
}  # fmt: skip


@dataclass(frozen=True)
class Format:
    """One family's bodies: ``read`` makes Converse's parameters of a request, ``write`` a body of a reply."""

    read: Callable[[Params], Params]
    write: Callable[[Reply, FoundationModel], Params]


def of(model: FoundationModel) -> Format:
    """Return the format of a model's family."""
    return _CLAUDE if model.details["providerName"] == "Anthropic" else _NOVA


def json_body(body: bytes) -> Params:
    """Read a request body.

    Raises
    ------
    ServiceError
        ``ValidationException`` where it is not a JSON object.
    """
    try:
        value = json.loads(body)
    except ValueError as error:
        raise validation(
            f"Malformed input request: the body is not JSON ({error}), please reformat and try again."
        ) from None
    if not isinstance(value, dict):
        raise validation("Malformed input request: expected a JSON object, please reformat your input and try again.")
    return value


def checked(params: Params) -> Params:
    """Return Converse parameters that fit the service model.

    Raises
    ------
    ServiceError
        ``ValidationException`` that names what does not fit.
    """
    problems = converse_problems(params)
    if problems:
        raise validation(f"Malformed input request: {'; '.join(problems)}, please reformat your input and try again.")
    return params


def _read_nova(body: Params) -> Params:
    # Unlike Converse, the body may carry a schema version, and inferenceConfig a topK.
    params: Params = {name: body[name] for name in ("system", "messages", "toolConfig") if name in body}
    config = body.get("inferenceConfig")
    if isinstance(config, dict):
        params["inferenceConfig"] = {name: value for name, value in config.items() if name != "topK"}
    return checked(params)


def _write_nova(reply: Reply, _model: FoundationModel) -> Params:
    answer = reply.to_api(None)
    usage = answer["usage"]
    cache = {
        "cacheReadInputTokenCount": usage.pop("cacheReadInputTokens", 0),
        "cacheWriteInputTokenCount": usage.pop("cacheWriteInputTokens", 0),
    }
    return answer | {"usage": usage | cache}


def _read_claude(body: Params) -> Params:
    if body.get("anthropic_version") != _CLAUDE_VERSION:
        raise validation(f"Malformed input request: anthropic_version must be {_CLAUDE_VERSION}.")
    if "max_tokens" not in body:
        raise validation("Malformed input request: max_tokens: Field required.")
    try:
        params = _claude_params(body)
    except (KeyError, TypeError, AttributeError) as error:
        raise validation(f"Malformed input request: {error!r}, please reformat your input and try again.") from None
    return checked(params)


def _claude_params(body: Params) -> Params:
    names = {
        "max_tokens": "maxTokens",
        "temperature": "temperature",
        "top_p": "topP",
        "stop_sequences": "stopSequences",
    }
    params: Params = {
        "messages": [{"role": m["role"], "content": _from_claude(m["content"])} for m in body["messages"]],
        "inferenceConfig": {ours: body[theirs] for theirs, ours in names.items() if theirs in body},
    }
    if body.get("system"):
        params["system"] = _from_claude(body["system"])
    if body.get("tools"):
        params["toolConfig"] = {"tools": [block for tool in body["tools"] for block in _tool(tool)]}
        choice = body.get("tool_choice", {})
        if choice.get("type") == "tool":
            params["toolConfig"]["toolChoice"] = {"tool": {"name": choice["name"]}}
        elif choice.get("type") == "any":
            params["toolConfig"]["toolChoice"] = {"any": {}}
    return params


def _tool(tool: Params) -> list[Params]:
    spec: Params = {"name": tool["name"], "inputSchema": {"json": tool["input_schema"]}}
    if tool.get("description"):
        spec["description"] = tool["description"]
    return [{"toolSpec": spec}, *_cache_point(tool)]


def _from_claude(content: str | list[Params]) -> list[Params]:
    if isinstance(content, str):
        return [{"text": content}]
    return [block for item in content for block in (_claude_block(item), *_cache_point(item))]


def _claude_block(item: Params) -> Params:
    if item["type"] == "text":
        return {"text": item["text"]}
    if item["type"] == "tool_use":
        return {"toolUse": {"toolUseId": item["id"], "name": item["name"], "input": item["input"]}}
    if item["type"] == "tool_result":
        return {"toolResult": {"toolUseId": item["tool_use_id"], "content": _from_claude(item.get("content", ""))}}
    raise ServiceError("ValidationException", f"This simulator reads no content of type {item['type']}.")


def _cache_point(item: Params) -> list[Params]:
    return [{"cachePoint": {"type": "default"}}] if "cache_control" in item else []


def _write_claude(reply: Reply, model: FoundationModel) -> Params:
    usage = reply.to_api(None)["usage"]
    return {
        "id": f"msg_bdrk_{reply.key[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model.model_id.removeprefix("anthropic.").rsplit("-v", 1)[0],
        "content": [_to_claude(block) for block in reply.content],
        "stop_reason": _CLAUDE_STOPS.get(reply.stop_reason, "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": usage["inputTokens"],
            "cache_creation_input_tokens": usage.get("cacheWriteInputTokens", 0),
            "cache_read_input_tokens": usage.get("cacheReadInputTokens", 0),
            "output_tokens": usage["outputTokens"],
        },
    }


def _to_claude(block: dict[str, Any]) -> Params:
    if "toolUse" in block:
        use = block["toolUse"]
        return {"type": "tool_use", "id": use["toolUseId"], "name": use["name"], "input": use["input"]}
    return {"type": "text", "text": block["text"]}


_NOVA = Format(_read_nova, _write_nova)
_CLAUDE = Format(_read_claude, _write_claude)
