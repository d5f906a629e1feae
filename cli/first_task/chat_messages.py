"""Lists of chat messages as OpenAI, Anthropic and Bedrock write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cli.first_task.example import Example

_SYSTEM_ROLES = ("system", "developer")
_SHOWN = 60


class NotUsableError(ValueError):
    """An entry of a file that cannot be taken as a text-to-text question, with the reason."""


def read_messages(messages: object, system: object, slices: Mapping[str, str]) -> Example:
    """Read a conversation; a last message of the assistant is the answer.

    Parameters
    ----------
    messages : object
        What stands under ``messages``.
    system : object
        What stands under ``system`` beside it: a text or blocks of text.
    slices : mapping of str to str

    Raises
    ------
    NotUsableError
        With the reason.
    """
    if not isinstance(messages, list) or not messages:
        raise NotUsableError("'messages' must be a list with at least one message")
    systems = [text_of(system)] if system not in (None, "", []) else []
    turns: list[tuple[str, str]] = []
    for at, message in enumerate(messages):
        role, text = _message(message, at)
        if role in _SYSTEM_ROLES:
            systems.append(text)
        elif turns and turns[-1][0] == role:
            turns[-1] = (role, f"{turns[-1][1]}\n{text}")
        else:
            turns.append((role, text))
    answer = turns.pop()[1] if turns and turns[-1][0] == "assistant" else None
    if not turns or turns[0][0] != "user":
        raise NotUsableError("no message of the user comes first")
    return Example(tuple(turns), answer, "\n".join(systems) or None, slices)


def text_of(content: object) -> str:
    """Give the text of a message's content: a text, blocks of text, or an answer that is JSON.

    Raises
    ------
    NotUsableError
        For images, tools and the like.
    """
    if isinstance(content, str):
        return content
    if isinstance(content, list) and content and all(isinstance(block, dict) for block in content):
        return "\n".join(_block(block) for block in content)
    if isinstance(content, dict | int | float | bool):
        return json.dumps(content, ensure_ascii=False)
    raise NotUsableError(f"no text but {json.dumps(content)[:_SHOWN]}")


def _message(message: object, at: int) -> tuple[str, str]:
    if not isinstance(message, dict):
        raise NotUsableError(f"messages[{at}] is no object")
    role = message.get("role")
    for key in ("tool_calls", "function_call"):
        if message.get(key):
            raise NotUsableError(f"messages[{at}] calls a tool ('{key}'): distillation is text to text")
    if role not in ("user", "assistant", *_SYSTEM_ROLES):
        raise NotUsableError(f"messages[{at}] has the role {json.dumps(role)[:_SHOWN]}")
    return str(role), text_of(message.get("content"))


def _block(block: dict[str, Any]) -> str:
    if isinstance(block.get("text"), str) and block.get("type", "text") in ("text", "input_text", "output_text"):
        return str(block["text"])
    kind = block.get("type") or ", ".join(sorted(block))
    raise NotUsableError(f"a part that is no text ({str(kind)[:_SHOWN]}): distillation is text to text")
