"""Entries of the invocation log in the documented form, with texts of our own."""

from __future__ import annotations

import gzip
import json
from typing import Any

Json = dict[str, Any]
TIME = "2026-11-02T09:30:00Z"
NOVA = "amazon.nova-pro-v1:0"
CLAUDE = "anthropic.claude-haiku-4-5-20251001-v1:0"


def entry(operation: str, model: str, request: object, response: object, **fields: object) -> Json:
    """Give one entry around a request and its response."""
    return {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": TIME,
        "accountId": "111122223333",
        "identity": {"arn": "arn:aws:sts::111122223333:assumed-role/app/session"},
        "region": "us-east-1",
        "requestId": "3f0c2d6e-0000-4000-8000-000000000001",
        "operation": operation,
        "modelId": model,
        "input": {"inputContentType": "application/json", "inputBodyJson": request, "inputTokenCount": 12},
        "output": {"outputContentType": "application/json", "outputBodyJson": response, "outputTokenCount": 7},
        **fields,
    }


def converse(prompt: str = "red cats running", answer: str = "visual", **fields: object) -> Json:
    """Give a Converse call; a ConverseStream is logged in the same form."""
    request = {
        "messages": [{"role": "user", "content": [{"text": prompt}]}],
        "system": [{"text": "Sort the search."}],
        "inferenceConfig": {"maxTokens": 512, "temperature": 0.2},
        "additionalModelRequestFields": {},
    }
    response = {
        "output": {"message": {"role": "assistant", "content": [{"text": answer}]}},
        "stopReason": "end_turn",
        "metrics": {"latencyMs": 302},
        "usage": {"inputTokens": 12, "outputTokens": 7, "totalTokens": 19},
    }
    return {**entry("Converse", NOVA, request, response), **fields}


def nova_stream() -> Json:
    """Give an InvokeModelWithResponseStream call of Nova: the output is the list of chunks."""
    request = {
        "schemaVersion": "messages-v1",
        "system": [{"text": "Sort the search."}],
        "messages": [{"role": "user", "content": [{"text": "blue dogs"}]}],
        "inferenceConfig": {"maxTokens": 512},
    }
    chunks = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "vis"}, "contentBlockIndex": 0}},
        {"contentBlockDelta": {"delta": {"text": "ual"}, "contentBlockIndex": 0}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": {"inputTokens": 9, "outputTokens": 3}, "metrics": {}, "trace": {}}},
    ]
    return entry("InvokeModelWithResponseStream", NOVA, request, chunks)


def claude() -> Json:
    """Give an InvokeModel call of Claude."""
    request = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 300,
        "system": "Sort the search.",
        "messages": [
            {"role": "user", "content": "green birds"},
            {"role": "assistant", "content": [{"type": "text", "text": "visual"}]},
            {"role": "user", "content": [{"type": "text", "text": "and their song?"}]},
        ],
    }
    response = {
        "id": "msg_bdrk_01",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "audio"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 30, "output_tokens": 4},
    }
    return entry("InvokeModel", CLAUDE, request, response)


def claude_stream() -> Json:
    """Give an InvokeModelWithResponseStream call of Claude."""
    chunks = [
        {"type": "message_start", "message": {"role": "assistant", "usage": {"input_tokens": 30, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "au"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "dio"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ]
    made = claude()
    made["operation"] = "InvokeModelWithResponseStream"
    made["output"]["outputBodyJson"] = chunks
    return made


def log_object(*entries: object) -> bytes:
    """Give an object of the log: gzip of one entry a line."""
    return gzip.compress(b"".join(json.dumps(item).encode() + b"\n" for item in entries))
