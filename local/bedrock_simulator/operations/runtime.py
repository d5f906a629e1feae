"""The runtime: Converse."""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
from collections import deque
from typing import Any

from local.bedrock_simulator import billing
from local.bedrock_simulator.billing import Payer, Tokens
from local.bedrock_simulator.brains.base import Answer, Chance, Prompt, compact, estimate_tokens
from local.bedrock_simulator.brains.judge import TOOL as JUDGE_TOOL
from local.bedrock_simulator.brains.judge import judge, read_case
from local.bedrock_simulator.catalog import FoundationModel
from local.bedrock_simulator.errors import ServiceError, validation
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.operations.targets import Target, require_answering, resolve
from local.bedrock_simulator.protocol.service import Call
from local.bedrock_simulator.world import Params

_CHARACTERS_PER_TOKEN = 4
_MILLISECONDS = 1000.0
_MINUTE_SECONDS = 60.0
_TOO_MANY = "Too many requests, please wait before trying again."


class Runtime:
    """Answers prompts with the simulated models."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._recent: dict[str, deque[float]] = {}
        self._recent_lock = threading.Lock()

    def converse(self, call: Call) -> Params:
        """Converse."""
        host, params = self._host, call.params
        target, permissions = resolve(host, params["modelId"])
        host.access.require(call.caller, permissions)
        require_answering(host, target)
        _check_conversation(params, target.model)
        self._throttle(target)
        prompt = _prompt(params, target.model)
        input_tokens = _input_tokens(params)
        if input_tokens > target.model.context_tokens:
            raise validation("Input is too long for requested model.")
        content, stop_reason, output = _answered(params, target, prompt)
        tokens = Tokens(input_tokens, estimate_tokens(output), 1)
        if target.billed:
            payer = Payer(target.resource, call.caller)
            billing.inference(host.world, payer, target.model, tokens, profile=target.profile, custom=target.custom)
        latency = _latency_ms(target.model, prompt.key)
        time.sleep(latency / _MILLISECONDS * host.world.settings.latency_scale)
        return {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": stop_reason,
            "usage": {
                "inputTokens": tokens.input,
                "outputTokens": tokens.output,
                "totalTokens": tokens.input + tokens.output,
            },
            "metrics": {"latencyMs": latency},
        }

    def _throttle(self, target: Target) -> None:
        """Refuse what exceeds the quota of requests per minute, where the settings ask for it."""
        world = self._host.world
        if not world.settings.enforce_request_quotas or not target.billed:
            return
        quotas = (q for q in world.catalog.quotas.values() if q.requests_per_minute_of in _served(target.model))
        quota = next(quotas, None)
        if quota is None:
            return
        now = world.clock.now().timestamp()
        with self._recent_lock:
            recent = self._recent.setdefault(quota.code, deque())
            while recent and recent[0] <= now - _MINUTE_SECONDS:
                recent.popleft()
            if len(recent) >= world.quota(quota.code):
                raise ServiceError("ThrottlingException", _TOO_MANY)
            recent.append(now)


def _served(model: FoundationModel) -> tuple[str, ...]:
    return tuple(model_id for model_id in (model.model_id, model.served_as) if model_id)


def _check_conversation(params: Params, model: FoundationModel) -> None:
    """Check what the service's model does not express."""
    messages = params.get("messages", [])
    if not messages or messages[0]["role"] != "user":
        raise validation(
            "A conversation must start with a user message. "
            "Try again with a conversation that starts with a user message."
        )
    for index, message in enumerate(messages):
        if message["role"] != ("assistant" if index % 2 else "user"):
            raise validation(
                "A conversation must alternate between user and assistant roles. Make sure the conversation alternates."
            )
        for position, block in enumerate(message["content"]):
            if "text" in block and not block["text"].strip():
                where = f"messages.{index}.content.{position}"
                raise validation(
                    f"The text field in the ContentBlock object at {where} is blank. Add text to the text field."
                )
    if messages[-1]["role"] != "user":
        raise validation("The model does not support conversations that end with an assistant message.")
    wanted = params.get("inferenceConfig", {}).get("maxTokens", 1)
    if wanted > model.output_tokens:
        raise validation(f"The maximum tokens you requested exceeds the model limit of {model.output_tokens}.")
    if "outputConfig" in params and model.details["providerName"] == "Amazon":
        # Structured output exists for Claude 4.5 and newer and open-weight models, not for Nova.
        raise validation("This model doesn't support the outputConfig field. Remove outputConfig and try again.")
    _forced_tool(params)


def _forced_tool(params: Params) -> str | None:
    config = params.get("toolConfig", {})
    names = [tool["toolSpec"]["name"] for tool in config.get("tools", []) if "toolSpec" in tool]
    choice = config.get("toolChoice", {})
    if "any" in choice:
        return names[0] if names else None
    if "tool" not in choice:
        return None
    name = str(choice["tool"]["name"])
    if name not in names:
        raise validation(f"The tool {name} in toolChoice is not among the tools of toolConfig.")
    return name


def _prompt(params: Params, model: FoundationModel) -> Prompt:
    # The endpoint's random id and the run's metadata stay out: the same evaluation shall measure the same twice.
    meaning = {name: value for name, value in params.items() if name not in ("modelId", "requestMetadata")}
    request = json.dumps([model.model_id, meaning], sort_keys=True, ensure_ascii=False, default=str)
    key = hashlib.sha256(request.encode("utf-8", "surrogatepass")).hexdigest()
    return Prompt(_texts(params.get("system", [])), _texts(params["messages"][-1]["content"]), key)


def _texts(blocks: list[dict[str, Any]]) -> str:
    return "\n".join(block["text"] for block in blocks if "text" in block)


def _input_tokens(params: Params) -> int:
    texts = [_texts(params.get("system", [])), *(_texts(message["content"]) for message in params["messages"])]
    tools = params.get("toolConfig", {}).get("tools")
    if tools:
        texts.append(json.dumps(tools, separators=(",", ":"), ensure_ascii=False))
    return sum(estimate_tokens(text) for text in texts)


def _answered(params: Params, target: Target, prompt: Prompt) -> tuple[list[dict[str, Any]], str, str]:
    """Ask the model: ``(content blocks, stop reason, text that was paid for)``."""
    tool = _forced_tool(params)
    answer = _judged(prompt) if tool == JUDGE_TOOL else None
    answer = answer or target.brain.answer(prompt)
    limits = params.get("inferenceConfig", {})
    longest = limits.get("maxTokens", target.model.output_tokens) * _CHARACTERS_PER_TOKEN
    if tool is None:
        text, reason = _cut(answer.text, longest, limits.get("stopSequences", []))
        return [{"text": text}], reason, text
    data = answer.data if answer.data is not None else {"text": answer.text}
    output = compact(data)
    if len(output) > longest:
        return [{"text": output[:longest]}], "max_tokens", output[:longest]
    block = {"toolUse": {"toolUseId": f"tooluse_{prompt.key[:22]}", "name": tool, "input": data}}
    return [block], "tool_use", output


def _judged(prompt: Prompt) -> Answer | None:
    case = read_case(prompt.question)
    if case is None:
        return None
    verdict = judge(case)
    return Answer.of({"score": verdict.score, "explanation": verdict.explanation})


def _cut(text: str, longest: int, stops: list[str]) -> tuple[str, str]:
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    if places and min(places) <= longest:
        return text[: min(places)], "stop_sequence"
    return (text[:longest], "max_tokens") if len(text) > longest else (text, "end_turn")


def _latency_ms(model: FoundationModel, key: str) -> int:
    """Draw a simulated latency from a log-normal distribution with the catalog's mean and spread."""
    ratio = model.latency_spread_ms / model.latency_mean_ms
    variance = math.log1p(ratio * ratio)
    exponent = math.log(model.latency_mean_ms) - variance / 2 + math.sqrt(variance) * Chance("latency", key).normal()
    return round(math.exp(exponent))
