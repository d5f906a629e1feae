"""The rules of AWS's own dataset validators, written down anew from what they refuse.

Sources, read in November 2026: amazon-bedrock-samples, ``custom-models/model_distillation/dataset-validation`` (prompts
and invocation logs) and ``custom-models/bedrock-fine-tuning/nova/understanding/dataset_validation``. Independent of the
product's own checks: nothing of ``lambdas`` is imported.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

FEWEST_DISTILLED = 100
FINE_TUNED = range(8, 20_001)
TOKENS = ("System:", "SYSTEM:", "User:", "USER:", "Bot:", "BOT:", "Assistant:", "ASSISTANT:", "Thought:", "[EOS]",
          "<image>", "<video>")  # fmt: skip
LOG_KEYS = ("schemaType", "modelId", "input", "output")


def distillation_refuses(line: str) -> str | None:
    """Say which rule of the validator for distillation prompts a record breaks."""
    document = json.loads(line)
    if (
        document.keys() - {"schemaVersion", "system", "messages"}
        or not {"schemaVersion", "messages"} <= document.keys()
    ):
        return "keys"
    if document["schemaVersion"] != "bedrock-conversation-2024":
        return "schemaVersion"
    if "system" in document and not _one_text(document["system"]):
        return "one system text"
    messages = document["messages"]
    if not 1 <= len(messages) <= 2:
        return "one turn"
    if any(message.keys() != {"role", "content"} or not _one_text(message["content"]) for message in messages):
        return "one text a message"
    return None if _alternate(messages) else "roles"


def fine_tuning_refuses(line: str) -> str | None:
    """Say which rule of the validator for fine-tuning Nova a record breaks; unknown keys pass."""
    document = json.loads(line)
    messages = document.get("messages", [])
    if len(messages) < 2 or not _alternate(messages) or messages[-1]["role"] != "assistant":
        return "roles"
    texts = [item.get("text", "") for message in messages for item in message["content"]]
    if any(not any(item.get("text") for item in message["content"]) for message in messages):
        return "empty text"
    texts += [item["text"] for item in document.get("system") or []]
    return "tokens" if any(token in text for token in TOKENS for text in texts) else None


def log_refuses(entry: dict[str, Any]) -> str | None:
    """Say which rule of the validator for invocation logs an entry breaks."""
    if any(key not in entry for key in LOG_KEYS):
        return "keys"
    users = [message for message in entry["input"]["inputBodyJson"]["messages"] if message["role"] == "user"]
    if len(users) > 1:
        return "one turn"
    return None if all(_one_text(message["content"]) for message in users) else "text only"


def distillation_takes(lines: Sequence[str]) -> bool:
    """Tell whether the validator takes a whole file of prompts: it counts the valid ones."""
    return sum(distillation_refuses(line) is None for line in lines) >= FEWEST_DISTILLED


def fine_tuning_takes(lines: Sequence[str]) -> bool:
    """Tell whether the validator takes a whole file of samples."""
    return len(lines) in FINE_TUNED and all(fine_tuning_refuses(line) is None for line in lines)


def _one_text(content: Any) -> bool:
    return (
        isinstance(content, list) and len(content) == 1 and content[0].keys() == {"text"} and bool(content[0]["text"])
    )


def _alternate(messages: Sequence[dict[str, Any]]) -> bool:
    return all(message["role"] == ("user", "assistant")[index % 2] for index, message in enumerate(messages))
