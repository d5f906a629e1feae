"""One conversation: checked as the service does, put to a brain, and answered in the shape of Converse."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from local.bedrock_simulator.brains.base import Brain, Chance, Prompt, compact, estimate_tokens
from local.bedrock_simulator.catalog import FoundationModel
from local.bedrock_simulator.errors import validation
from local.bedrock_simulator.protocol.service import Params
from local.bedrock_simulator.runtime.caching import CacheUse, input_tokens, without_points

CHARACTERS_PER_TOKEN = 4

_TOOL_PROMPT_TOKENS = {"Anthropic": 313}
"""What a provider adds to the input by itself where a tool must be called, and bills: 313 for Claude 4 by Anthropic's
documentation (pricing of tool use)."""


@dataclass(frozen=True)
class Reply:
    """What a model said.

    Attributes
    ----------
    content : list[dict]
        Content blocks of the answer.
    stop_reason : str
        Why it ended there.
    input_tokens, output_tokens : int
        What it read and wrote.
    key : str
        Stands for the whole request: equal requests have equal keys.
    cache : CacheUse
        Input tokens that came from the prompt cache or went into it; not part of ``input_tokens``.
    """

    content: list[dict[str, Any]]
    stop_reason: str
    input_tokens: int
    output_tokens: int
    key: str
    cache: CacheUse | None = None

    def to_api(self, latency_ms: int | None) -> Params:
        """Return the answer of Converse; a batch has no latency."""
        answer: Params = {
            "output": {"message": {"role": "assistant", "content": self.content}},
            "stopReason": self.stop_reason,
            "usage": self._usage(),
        }
        return answer if latency_ms is None else answer | {"metrics": {"latencyMs": latency_ms}}

    def _usage(self) -> Params:
        """Return ``usage``: the total counts cached tokens too, ``inputTokens`` does not."""
        total = self.input_tokens + self.output_tokens
        usage: Params = {"inputTokens": self.input_tokens, "outputTokens": self.output_tokens, "totalTokens": total}
        if self.cache is None:
            return usage
        read, write = self.cache.read, self.cache.write
        usage |= {"totalTokens": total + read + write, "cacheReadInputTokens": read, "cacheWriteInputTokens": write}
        if write:
            usage["cacheDetails"] = [{"ttl": self.cache.ttl, "inputTokens": write}]
        return usage


def check(params: Params, model: FoundationModel) -> None:
    """Check what the service's model does not express.

    Raises
    ------
    ServiceError
        ``ValidationException`` in the service's words.
    """
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
    forced_tool(params)
    if input_tokens(params) > model.context_tokens:
        raise validation("Input is too long for requested model.")


def prompt_of(params: Params, model: FoundationModel) -> Prompt:
    """Return what a model is asked, with the key that stands for it."""
    # The endpoint's random id and the run's metadata stay out: the same evaluation shall measure the same twice.
    bare = without_points(params)
    meaning = {name: value for name, value in bare.items() if name not in ("modelId", "requestMetadata")}
    request = json.dumps([model.model_id, meaning], sort_keys=True, ensure_ascii=False, default=str)
    key = hashlib.sha256(request.encode("utf-8", "surrogatepass")).hexdigest()
    return Prompt(_texts(bare.get("system", [])), conversation_of(bare), key, forced_tool(params))


def converse(params: Params, model: FoundationModel, brain: Brain, prompt: Prompt) -> Reply:
    """Put a checked conversation to a model."""
    content, stop_reason, output = _answered(params, model, brain, prompt)
    added = _TOOL_PROMPT_TOKENS.get(model.details["providerName"], 0) if forced_tool(params) else 0
    return Reply(content, stop_reason, input_tokens(params) + added, estimate_tokens(output), prompt.key)


def latency_ms(model: FoundationModel, key: str) -> int:
    """Draw a simulated latency from a log-normal distribution with the catalog's mean and spread."""
    ratio = model.latency_spread_ms / model.latency_mean_ms
    variance = math.log1p(ratio * ratio)
    exponent = math.log(model.latency_mean_ms) - variance / 2 + math.sqrt(variance) * Chance("latency", key).normal()
    return round(math.exp(exponent))


def forced_tool(params: Params) -> str | None:
    """Return the tool that the model must call, if one is forced.

    Raises
    ------
    ServiceError
        ``ValidationException`` where there is no such tool.
    """
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


def question_of(params: Params) -> str:
    """Return the text of the last turn."""
    return _texts(params["messages"][-1]["content"])


def conversation_of(params: Params) -> str:
    """Return the texts of all turns, one below the other."""
    return "\n".join(_texts(message["content"]) for message in params["messages"])


def _texts(blocks: list[dict[str, Any]]) -> str:
    return "\n".join(block["text"] for block in blocks if "text" in block)


def _answered(
    params: Params, model: FoundationModel, brain: Brain, prompt: Prompt
) -> tuple[list[dict[str, Any]], str, str]:
    """Ask the model: ``(content blocks, stop reason, text that was paid for)``."""
    tool, answer = prompt.tool, brain.answer(prompt)
    limits = params.get("inferenceConfig", {})
    longest = limits.get("maxTokens", model.output_tokens) * CHARACTERS_PER_TOKEN
    if tool is None:
        text, reason = _cut(answer.text, longest, limits.get("stopSequences", []))
        return [{"text": text}], reason, text
    data = answer.data if answer.data is not None else {"text": answer.text}
    output = compact(data)
    if len(output) > longest:
        return [{"text": output[:longest]}], "max_tokens", output[:longest]
    block = {"toolUse": {"toolUseId": f"tooluse_{prompt.key[:22]}", "name": tool, "input": data}}
    return [block], "tool_use", output


def _cut(text: str, longest: int, stops: list[str]) -> tuple[str, str]:
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    if places and min(places) <= longest:
        return text[: min(places)], "stop_sequence"
    return (text[:longest], "max_tokens") if len(text) > longest else (text, "end_turn")
