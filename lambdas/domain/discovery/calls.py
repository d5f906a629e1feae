"""A logged call: one line of the invocation log as stage 1 leaves it, without its text.

``stage_one.sql`` makes these rows in Athena; :func:`call_of` makes the same row in Python, for calls whose body lies
beside the log. Two things may differ between the two: an entry that has a key twice or half of a surrogate pair, of
which each JSON reader makes something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from lambdas.domain.discovery.masking import features_of, prefixes_of, salted
from lambdas.domain.logs.log_entry import OPERATIONS

CALL_ANSWERED, CALL_FAILED, CALL_DAMAGED = "answered", "failed", "damaged"
CALL_UNKNOWN, CALL_OFFLOADED = "unknown", "offloaded"
STATUSES = (CALL_ANSWERED, CALL_FAILED, CALL_DAMAGED, CALL_UNKNOWN, CALL_OFFLOADED)

FetchBody = Callable[[str], Any]
"""Gives the parsed body of ``inputBodyS3Path`` or ``outputBodyS3Path``; ``None`` where it cannot be read."""

_NUMBER = re.compile(r"\A[0-9]{1,15}\Z")
_JSON_ANSWER = re.compile(r"\A[ \t\r\n]*(```(json)?[ \t\r\n]*)?[\[{]")
_LETTER = re.compile("[A-Za-zÀ-ɏЀ-ӿ؀-ۿ぀-ヿ一-鿿가-힯]")
_STREAMS = ("ConverseStream", "InvokeModelWithResponseStream")
_CUT = ("max_tokens", "model_context_window_exceeded")
_SCRIPTS = (("latin", "ɏ"), ("cyrillic", "ӿ"), ("arabic", "ۿ"))
_MEDIA = ("image", "document", "video")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedCall:
    """One row of table ``calls``.

    ``object`` is the log object's address. ``status`` is one of :data:`STATUSES`: ``damaged`` is a line that is not
    valid JSON or not an entry of the log, ``unknown`` a request whose form neither this module nor the SQL reads.
    Shares are 0 or 1, and ``None`` where the line does not say. ``named_task`` is the request metadata's value.
    ``request_digest`` is ``None`` where a block is not text, since such answers are not used again.
    """

    object: str | None
    request_id: str | None
    called_at: str | None
    status: str
    operation: str | None
    model: str | None
    principal: str | None
    named_task: str | None
    tools_digest: str
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    json_answer: int | None
    tool_use: int | None
    truncated: int | None
    stream: int
    image: int | None
    multi_turn: int | None
    script: str | None
    request_digest: str | None
    prompt_characters: int | None
    prefix_digests: tuple[int, ...] | None
    features: tuple[int, ...] | None

    def to_line(self) -> str:
        """Write the row as a line of table ``bodies``."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_mapping(cls, row: Mapping[str, Any]) -> Self:
        """Read a row as JSON, Parquet or Athena's CSV has it: lists may be text, and an empty text stands for NULL."""
        return cls(**{field.name: _read(field.name, row.get(field.name)) for field in fields(cls)})


_LISTS = ("prefix_digests", "features")
_TEXTS_NEVER_NULL = ("tools_digest",)
_COUNTS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "stream")
_FLAGS = ("json_answer", "tool_use", "truncated", "image", "multi_turn", "prompt_characters")

COLUMNS: dict[str, str] = {
    field.name: "array<bigint>" if field.name in _LISTS else "bigint" if field.name in (*_COUNTS, *_FLAGS) else "string"
    for field in fields(LoggedCall)
}
"""Columns of table ``calls`` and their Glue types."""


def call_of(entry: object, bodies: FetchBody, salt: str, metadata_key: str | None, at: str | None = None) -> LoggedCall:
    """Make the row of one entry.

    Parameters
    ----------
    entry : object
        The parsed line; anything that is not an entry of the log is ``damaged``.
    bodies : callable
        Reads offloaded bodies; one that gives ``None`` leaves the call ``offloaded``, as the SQL does.
    salt : str
        The deployment's secret.
    metadata_key : str or None
        Key of the request metadata that names the task.
    at : str, optional
        Address of the log object.
    """
    found = entry if isinstance(entry, dict) else {}
    request, response = _within(found, "input"), _within(found, "output")
    body, answer = request.get("inputBodyJson"), response.get("outputBodyJson")
    path, answer_path = _scalar(request.get("inputBodyS3Path")), _scalar(response.get("outputBodyS3Path"))
    if path is not None and not isinstance(_value(body, "messages"), list):
        fetched = bodies(path)
        body = body if fetched is None else fetched
    if answer is None and answer_path is not None:
        answer = bodies(answer_path)
    operation = _scalar(found.get("operation"))
    messages = _list(_value(body, "messages"))
    answer_text, stop_reason = _answer(answer)
    return LoggedCall(
        object=at,
        request_id=_scalar(found.get("requestId")),
        called_at=_scalar(found.get("timestamp")),
        status=_status(found, operation, messages, path),
        operation=operation,
        model=_scalar(found.get("modelId")),
        principal=_principal(_scalar(_value(found.get("identity"), "arn"))),
        named_task=_named_task(found, metadata_key),
        input_tokens=_count(request.get("inputTokenCount")),
        cache_read_tokens=_count(request.get("cacheReadInputTokenCount")),
        cache_write_tokens=_count(request.get("cacheWriteInputTokenCount")),
        output_tokens=_count(response.get("outputTokenCount")),
        json_answer=None if answer_text is None else int(bool(_JSON_ANSWER.match(answer_text))),
        tool_use=None if stop_reason is None else int(stop_reason == "tool_use"),
        truncated=None if stop_reason is None else int(stop_reason in _CUT),
        stream=int(operation in _STREAMS),
        **_prompt(body, messages, salt),
    )


def prompt_texts(body: object) -> tuple[str, str]:
    """Give system text and first turn of a request's body, as its features are made of them."""
    first = (_list(_value(body, "messages")) or [None])[0]
    return _said(_value(body, "system")), _said(_value(first, "content"))


def call_of_line(
    line: bytes | str, bodies: FetchBody, salt: str, metadata_key: str | None, at: str | None = None
) -> LoggedCall:
    """Make the row of one line of the log, damaged or not."""
    try:
        entry = json.loads(line, parse_constant=_refused)
    except (ValueError, RecursionError):
        entry = None
    return call_of(entry, bodies, salt, metadata_key, at)


def _prompt(body: object, messages: list[Any] | None, salt: str) -> dict[str, Any]:
    """Give the columns that are made of the request's text."""
    system = _said(_value(body, "system"))
    tools = ",".join(sorted({_tool(tool) for tool in _tools(body)}))
    tools_digest = salted(salt, tools)[:12] if tools else ""
    unread = ("image", "multi_turn", "script", "request_digest", "prompt_characters", "prefix_digests", "features")
    if messages is None:
        return {"tools_digest": tools_digest, **dict.fromkeys(unread)}
    said = [f"{_scalar(_value(m, 'role')) or ''}:{_said(_value(m, 'content'))}" for m in messages]
    blocks = [block for message in messages for block in _list(_value(message, "content")) or []]
    # As in the SQL: what follows the first colon, whatever the role is called.
    user = said[0].partition(":")[2] if said else ""
    plain = all(_scalar(_value(b, "text")) is not None or _has(b, "cachePoint") for b in blocks)
    whole = "\x1e".join([tools, system, "\x1e".join(said)])
    return {
        "tools_digest": tools_digest,
        "image": int(any(map(_is_media, blocks))),
        "multi_turn": int(sum(text.startswith("user:") and len(text) > len("user:") for text in said) > 1),
        "script": _script(user),
        "request_digest": salted(salt, whole)[:16] if plain else None,
        "prompt_characters": len(system) + len(user),
        "prefix_digests": tuple(prefixes_of(f"{tools}\n{system}\n{user}", salt)),
        "features": tuple(features_of(system, user, salt)),
    }


def _status(entry: dict[str, Any], operation: str | None, messages: list[Any] | None, path: str | None) -> str:
    if _scalar(entry.get("schemaType")) != "ModelInvocationLog":
        return CALL_DAMAGED
    if _scalar(entry.get("errorCode")):
        return CALL_FAILED
    if operation not in OPERATIONS:
        return CALL_UNKNOWN
    if messages is not None:
        return CALL_ANSWERED
    return CALL_UNKNOWN if path is None else CALL_OFFLOADED


def _principal(arn: str | None) -> str | None:
    """Name the role or user of an ARN; sessions of a role are one principal."""
    identity = (arn or "").split(":")[5:6]
    if not identity:
        return None
    kind, *names = identity[0].split("/")
    return names[0] if kind == "assumed-role" and names else ([kind, *names][-1])


def _named_task(entry: dict[str, Any], key: str | None) -> str | None:
    metadata = entry.get("requestMetadata")
    value = _scalar(_value(metadata, key)) if key is not None else None
    return value if value is not None and value.strip(" ") else None


def _answer(answer: object) -> tuple[str | None, str | None]:
    """Give text and stop reason of a body or of a stream's chunks; ``None`` where the log has none."""
    message = _value(_value(answer, "output"), "message")
    for content in (_value(message, "content"), _value(answer, "content")):
        if isinstance(content, list):
            text: str | None = _joined(content)
            break
    else:
        text = None
    stop = _scalar(_value(answer, "stopReason"))
    stop = _scalar(_value(answer, "stop_reason")) if stop is None else stop
    if isinstance(answer, list):
        pieces = [_first(c, ("delta", "text"), ("contentBlockDelta", "delta", "text")) for c in answer]
        text = "".join(piece for piece in pieces if piece is not None) if text is None else text
        stops = [_first(c, ("delta", "stop_reason"), ("messageStop", "stopReason")) for c in answer]
        stop = next((s for s in stops if s is not None), None)
    return text, stop


def _first(value: object, *paths: Iterable[str]) -> str | None:
    for path in paths:
        at = value
        for name in path:
            at = _value(at, name)
        if (found := _scalar(at)) is not None:
            return found
    return None


def _tools(body: object) -> list[Any]:
    offered = _list(_value(_value(body, "toolConfig"), "tools"))
    return (_list(_value(body, "tools")) if offered is None else offered) or []


def _tool(tool: object) -> str:
    found = _first(tool, ("toolSpec", "name"), ("name",))
    return "?" if found is None else found


def _is_media(block: object) -> bool:
    return any(_has(block, name) for name in _MEDIA) or _scalar(_value(block, "type")) in ("image", "document")


def _script(text: str) -> str:
    letter = _LETTER.search(text)
    if letter is None:
        return "other"
    return next((name for name, last in _SCRIPTS if letter[0] <= last), "cjk")


def _said(content: object) -> str:
    """Give the text of a content or system prompt, which is a text or a list of blocks."""
    plain = _scalar(content)
    return plain if plain is not None else _joined(content) if isinstance(content, list) else ""


def _joined(blocks: list[Any]) -> str:
    texts = [_scalar(_value(block, "text")) for block in blocks]
    return "\n".join(text for text in texts if text is not None)


def _within(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _value(value: object, name: str) -> Any:  # noqa: ANN401 - any JSON value
    return value.get(name) if isinstance(value, dict) else None


def _has(value: object, name: str) -> bool:
    return isinstance(value, dict) and name in value


def _list(value: object) -> list[Any] | None:
    return value if isinstance(value, list) else None


def _scalar(value: object) -> str | None:
    """Give what ``json_extract_scalar`` gives: text of a text, number or truth value, nothing of the rest."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value) if isinstance(value, (int, float)) else None


def _count(value: object) -> int:
    text = _scalar(value)
    return int(text) if text is not None and _NUMBER.match(text) else 0


def _refused(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _read(name: str, value: object) -> Any:  # noqa: ANN401 - a column's value
    if name in _LISTS:
        parsed = json.loads(value) if isinstance(value, str) and value else value
        return tuple(parsed) if isinstance(parsed, (list, tuple)) else None
    if name in _COUNTS:
        return int(str(value or 0))
    if name in _FLAGS:
        return None if value in (None, "") else int(str(value))
    return (
        value
        if value or (name in _TEXTS_NEVER_NULL and value is not None)
        else ("" if name in _TEXTS_NEVER_NULL else None)
    )
