"""A logged call as a request that could be made again: as it was, or in the form of Converse."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from lambdas.domain.logs.log_entry import prompt_of

CONVERSE, INVOKE = "Converse", "InvokeModel"
"""The two forms of a request, as batch inference names them (``modelInvocationType``)."""

CONVERSE_FIELDS = frozenset(
    {
        "messages",
        "system",
        "inferenceConfig",
        "toolConfig",
        "guardrailConfig",
        "additionalModelRequestFields",
        "additionalModelResponseFieldPaths",
        "outputConfig",
        "performanceConfig",
        "promptVariables",
        "requestMetadata",
        "serviceTier",
    }
)
"""Fields of Converse beside ``modelId`` (Bedrock runtime API reference, Converse)."""

_MEDIA = frozenset({"image", "document", "video", "audio"})
_LIMITS = {
    "maxTokens": ("maxTokens", "max_new_tokens", "max_tokens"),
    "temperature": ("temperature",),
    "topP": ("topP", "top_p"),
    "stopSequences": ("stopSequences", "stop_sequences"),
}
"""Names of Converse's inference parameters in the bodies of Nova and Claude."""


class LeverNotWritten(ValueError):
    """What a lever asks for cannot be written of these calls; with the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedRequest:
    """A call of the log.

    Attributes
    ----------
    model : str
        ``modelId`` as the call named it.
    body : mapping
        The request's body; of a Converse call without ``modelId``.
    input_tokens, cache_read_tokens, cache_write_tokens, output_tokens : int
        ``input_tokens`` are those that were neither read from a cache nor written to one.
    """

    request_id: str
    operation: str
    model: str
    body: Mapping[str, Any]
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int

    @classmethod
    def of(cls, entry: Mapping[str, Any], body: object) -> Self | None:
        """Take an entry of the log; ``None`` where its body is not an object."""
        if not isinstance(body, dict):
            return None
        counts = [entry.get("input"), entry.get("output")]
        sent, answered = (one if isinstance(one, dict) else {} for one in counts)
        return cls(
            request_id=str(entry.get("requestId") or ""),
            operation=str(entry.get("operation", "")),
            model=str(entry.get("modelId", "")),
            body={key: value for key, value in body.items() if key != "modelId"},
            input_tokens=_count(sent.get("inputTokenCount")),
            cache_read_tokens=_count(sent.get("cacheReadInputTokenCount")),
            cache_write_tokens=_count(sent.get("cacheWriteInputTokenCount")),
            output_tokens=_count(answered.get("outputTokenCount")),
        )

    @property
    def form(self) -> str:
        """:data:`CONVERSE` or :data:`INVOKE`."""
        return CONVERSE if self.operation.startswith(CONVERSE) else INVOKE

    @property
    def is_streamed(self) -> bool:
        """Whether somebody waited for the answer's words."""
        return self.operation in ("ConverseStream", "InvokeModelWithResponseStream")

    @property
    def has_media(self) -> bool:
        """Whether a message brings something that is not in the log: an image, a document, a video."""
        return any(_MEDIA & {*block, block.get("type")} for block in _blocks(self.body))

    def as_logged(self) -> dict[str, Any]:
        """Give it as the log has it: the parameters of Converse, or of InvokeModel with its body as an object."""
        return {"modelId": self.model, **(self.body if self.form == CONVERSE else {"body": self.body})}

    def as_converse(self) -> dict[str, Any]:
        """Give it as parameters of Converse.

        Raises
        ------
        RejectedLine
            It is of a form of which that cannot be told; with the reason.
        """
        if self.form == CONVERSE:
            return {"modelId": self.model, **{name: self.body[name] for name in self.body if name in CONVERSE_FIELDS}}
        record, _ = prompt_of(self.body)
        given = self.body.get("inferenceConfig")
        found = _limits(given if isinstance(given, dict) else self.body)
        said: dict[str, Any] = {name: record[name] for name in ("system", "messages") if name in record}
        return {"modelId": self.model, **said, **({"inferenceConfig": found} if found else {})}

    @property
    def key(self) -> str:
        """The key under which its answer may be given again.

        SHA-256, in hexadecimal digits, of the request as :meth:`as_logged` gives it, without ``requestMetadata``,
        written as JSON in UTF-8 with sorted keys and without spaces.
        """
        asked = {name: value for name, value in self.as_logged().items() if name != "requestMetadata"}
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _limits(given: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, others in _LIMITS.items():
        value = next((given[other] for other in others if other in given), None)
        if value is not None:
            found[name] = value
    return found


def _blocks(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    contents = [one.get("content") for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []
    return [block for content in contents if isinstance(content, list) for block in content if isinstance(block, dict)]


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
