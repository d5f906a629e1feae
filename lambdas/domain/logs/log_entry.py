"""One entry of Bedrock's model invocation log: the prompt that a user sent and the answer that a model gave.

Forms: Bedrock user guide, model invocation logging; the bodies are those of Converse and of InvokeModel for the Nova
and Claude families (Bedrock user guide, inference request parameters). A ConverseStream is logged joined, as Converse
is; an InvokeModelWithResponseStream as the list of its chunks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from lambdas.domain.dataset.line_errors import RejectedLine
from lambdas.domain.dataset.normalization import normal_bytes
from lambdas.domain.dataset.records import SCHEMA_VERSION
from lambdas.domain.identity import digest
from lambdas.domain.questions.endings import stop_reason_of

OPERATIONS = ("Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream")

CALLER_METADATA = ("task", "run", "leg", "policy", "variant", "reason")
"""Keys of the request metadata that the client of this pipeline writes, the task's name first (docs/callers.md)."""

_SILENT = ("cachePoint", "reasoningContent", "thinking", "redacted_thinking")
"""Blocks that say nothing to the student: cache marks, and the reasoning of earlier answers."""

_TOOLS = ("toolUse", "toolResult", "tool_use", "tool_result")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedAnswer:
    """What a model answered in production, as the log has it.

    ``model`` is what the call named; tokens are 0 and ``latency_ms`` is ``None`` where the log does not say them.
    """

    model: str
    text: str
    stop_reason: str
    input_tokens: int
    output_tokens: int
    latency_ms: float | None

    def to_document(self) -> dict[str, Any]:
        """Give the answer as it is written beside its prompt."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Text:
    """Text of a message; ``exact`` where it was one block, so that a record says just what the model saw."""

    value: str
    exact: bool = True


def check_entry(entry: object) -> dict[str, Any]:
    """Refuse what is not an entry of the invocation log.

    Raises
    ------
    RejectedLine
    """
    if not isinstance(entry, dict) or entry.get("schemaType") != "ModelInvocationLog":
        raise RejectedLine("no entry of a model invocation log: 'schemaType' must be \"ModelInvocationLog\"")
    if entry.get("operation") not in OPERATIONS:
        raise RejectedLine(f"the operation is none of {', '.join(OPERATIONS)}")
    return entry


def is_error(entry: dict[str, Any]) -> bool:
    """Tell whether the call failed: there is no answer, and the prompt may be the cause."""
    return bool(entry.get("errorCode"))


def prompt_of(body: object) -> tuple[dict[str, Any], bool]:
    """Turn the body of a request into a record of the documented dataset format.

    Parameters
    ----------
    body : object
        ``inputBodyJson``, or the content of the object that ``inputBodyS3Path`` names.

    Returns
    -------
    dict
        ``schemaVersion``, ``system`` where there is one, ``messages``; it still has to pass the checks of uploads.
    bool
        Whether it says exactly what the model saw: nothing was joined.

    Raises
    ------
    RejectedLine
        With the reason.
    """
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise RejectedLine("the request has no list 'messages': neither Converse nor InvokeModel of Nova or Claude")
    if body.get("toolConfig") or body.get("tools"):
        raise RejectedLine("the request offers tools; distillation is text to text")
    record: dict[str, Any] = {"schemaVersion": SCHEMA_VERSION}
    exact = True
    if body.get("system"):
        system = _joined(body["system"], "system")
        record["system"], exact = [{"text": system.value}], system.exact
    messages = []
    for index, message in enumerate(body["messages"]):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise RejectedLine(f"messages[{index}] has no role")
        text = _joined(message.get("content"), f"messages[{index}]")
        messages.append({"role": message["role"], "content": [{"text": text.value}]})
        exact = exact and text.exact
    if not messages or messages[-1]["role"] != "user":
        # In an upload a last assistant message is a trusted answer; here it is the beginning of one.
        raise RejectedLine("the request does not end with the user: a prefilled answer is no prompt")
    return {**record, "messages": messages}, exact


def conversation_of(record: dict[str, Any], entry: dict[str, Any], field: str | None) -> str:
    """Name the conversation that a logged prompt belongs to: its calls repeat each other's turns.

    Parameters
    ----------
    record : dict
        As :func:`prompt_of` gives it.
    entry : dict
        The entry of the log.
    field : str or None
        Key of the request metadata whose value names the conversation.

    Returns
    -------
    str
        By that value where the call has one, else by the first turn.
    """
    metadata = entry.get("requestMetadata")
    value = metadata.get(field) if field and isinstance(metadata, dict) else None
    if isinstance(value, str) and value.strip():
        return f"metadata {digest(value.strip(), length=32)}"
    first = normal_bytes(record["messages"][0]["content"][0]["text"])
    return f"first turn {digest(first.hex(), length=32)}"


def answer_of(model: str, body: object) -> LoggedAnswer | None:
    """Read the answer of a call, or ``None`` where the log has none that is text.

    Parameters
    ----------
    model : str
        ``modelId`` of the entry.
    body : object
        ``outputBodyJson``, or the content of the object that ``outputBodyS3Path`` names.
    """
    try:
        found = _answer(model, _from_chunks(body) if isinstance(body, list) else body)
    except (RejectedLine, AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return found and replace(found, stop_reason=stop_reason_of(body, found.stop_reason))


def _answer(model: str, body: Any) -> LoggedAnswer | None:  # noqa: ANN401 - any JSON value
    converse = "output" in body
    content = body["output"]["message"]["content"] if converse else body["content"]
    text = _joined(content, "the answer").value
    usage, metrics = body.get("usage") or {}, body.get("metrics") or {}
    stop_reason = body.get("stopReason") if converse else body.get("stop_reason")
    names = ("inputTokens", "outputTokens") if converse else ("input_tokens", "output_tokens")
    latency = metrics.get("latencyMs")
    if not text or not isinstance(stop_reason, str):
        return None
    return LoggedAnswer(
        model=model,
        text=text,
        stop_reason=stop_reason,
        input_tokens=int(usage.get(names[0], 0)),
        output_tokens=int(usage.get(names[1], 0)),
        latency_ms=None if latency is None else float(latency),
    )


def _from_chunks(chunks: list[Any]) -> dict[str, Any]:
    """Join the chunks of a stream: Claude's events have a ``type``, Nova's one key that names them."""
    texts: list[str] = []
    stop_reason: str | None = None
    usage: dict[str, Any] = {}
    for chunk in chunks:
        kind = chunk.get("type")
        if kind == "message_start":
            usage |= chunk["message"].get("usage") or {}
        elif kind == "content_block_delta":
            _only_text(chunk["delta"], "text_delta")
            texts.append(chunk["delta"].get("text", ""))
        elif kind == "message_delta":
            stop_reason = chunk["delta"].get("stop_reason")
            usage |= chunk.get("usage") or {}
        elif "contentBlockDelta" in chunk:
            delta = chunk["contentBlockDelta"]["delta"]
            if "toolUse" in delta:
                raise RejectedLine("the answer calls a tool")
            texts.append(delta.get("text", ""))
        elif "messageStop" in chunk:
            stop_reason = chunk["messageStop"]["stopReason"]
        elif "metadata" in chunk:
            given = chunk["metadata"].get("usage") or {}
            usage |= {"input_tokens": given.get("inputTokens", 0), "output_tokens": given.get("outputTokens", 0)}
    return {"content": [{"type": "text", "text": "".join(texts)}], "stop_reason": stop_reason, "usage": usage}


def _only_text(delta: dict[str, Any], kind: str) -> None:
    if delta.get("type") == "input_json_delta" or ("text" in delta and delta.get("type") != kind):
        raise RejectedLine("the answer calls a tool")


def _joined(content: object, where: str) -> _Text:
    """Give the text of a message, a system prompt or an answer; several blocks are joined by a line end."""
    if isinstance(content, str):
        return _Text(content)
    if not isinstance(content, list):
        raise RejectedLine(f"{where} has neither a text nor a list of blocks")
    texts = list(_texts(content, where))
    return _Text("\n".join(texts), len(texts) == 1)


def _texts(content: list[Any], where: str) -> Iterable[str]:
    for block in content:
        kind = block.get("type") if isinstance(block, dict) else None
        names = {kind} if isinstance(kind, str) else set(block) if isinstance(block, dict) else set()
        if names & set(_SILENT):
            continue
        if names & set(_TOOLS):
            raise RejectedLine(f"{where} uses a tool; distillation is text to text")
        if names not in ({"text"}, {"text", "cache_control"}) or not isinstance(block.get("text"), str):
            shown = ", ".join(sorted(map(str, names)))[:60] or "no object"
            raise RejectedLine(f"{where} has {shown}; distillation is text to text: only 'text' is allowed")
        yield block["text"]
