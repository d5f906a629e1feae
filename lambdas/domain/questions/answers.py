"""Questions to models and their answers: what is sent, what came back, the key under which it is kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.identity import digest
from lambdas.domain.questions.endings import stop_reason_of
from lambdas.domain.stored import read_as

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Turn

_BESIDE_A_CALL = {"toolUse", "text", "reasoningContent", "cachePoint"}
"""Content blocks that may lie beside a tool call, the text empty; every other kind is an answer of its own."""

KEY_VERSION = 1
"""Version of the content keys. It changes only when what a model sees changes, never because our code does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A tool that the model is forced to call, so that its answer has a form."""

    name: str
    description: str
    input_schema: str
    """JSON Schema as canonical JSON text, so that a question stays hashable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One Converse request, without the model it goes to.

    Attributes
    ----------
    record_id : str
        The record that it is about.
    system : str or None
    turns : tuple of Turn
    max_tokens : int
        Most tokens of the answer.
    temperature : float
        0 to 1.
    tool : Tool or None
        A tool that the answer must call.
    """

    record_id: str
    system: str | None
    turns: tuple[Turn, ...]
    max_tokens: int = 1000
    temperature: float = 0.0
    tool: Tool | None = None

    def key(self, model: str) -> str:
        """Hash model and content to 32 hexadecimal digits; near-duplicate texts have different keys."""
        content = [self.system, [[turn.role, turn.text] for turn in self.turns], self.max_tokens, self.temperature]
        return digest(KEY_VERSION, model, content, asdict(self.tool) if self.tool else None, length=32)

    def pool(self, model: str) -> str:
        """Name the pool of answers in which this one is kept: same model, tool and inference parameters."""
        return digest(KEY_VERSION, model, self.max_tokens, self.temperature, self.tool and self.tool.name, length=24)

    def to_api(self, *, cache_point: bool = False) -> dict[str, Any]:
        """Give the keyword arguments of ``bedrock-runtime`` ``Converse``, without ``modelId``.

        A cache point stands after the system text and so keeps tool and system text. It changes no answer, and so no
        content key.
        """
        request: dict[str, Any] = {
            "messages": [{"role": turn.role, "content": [{"text": turn.text}]} for turn in self.turns],
            "inferenceConfig": {"maxTokens": self.max_tokens, "temperature": self.temperature},
        }
        if self.system:
            point = [{"cachePoint": {"type": "default"}}] if cache_point else []
            request["system"] = [{"text": self.system}, *point]
        if self.tool:
            spec = {
                "name": self.tool.name,
                "description": self.tool.description,
                "inputSchema": {"json": json.loads(self.tool.input_schema)},
            }
            request["toolConfig"] = {"tools": [{"toolSpec": spec}], "toolChoice": {"tool": {"name": self.tool.name}}}
        return request


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a model answered, and what it cost.

    Attributes
    ----------
    key : str
        :meth:`Question.key` of the question.
    record_id, model : str
        The record and the model as it was called.
    text : str
        Text of the answer; for a forced tool the tool's input as JSON.
    stop_reason : str
        As Converse gives it, for example ``end_turn`` or ``max_tokens``; ``guardrail_intervened`` wherever the response
        says that a guardrail spoke.
    input_tokens, output_tokens : int
        As billed (``usage``).
    latency_ms : float
        The service's own latency (``metrics.latencyMs``).
    client_ms : float
        Time on the client's clock, the network included, of the attempt that succeeded.
    cache_read_tokens, cache_write_tokens : int
        Input tokens read from the prompt cache or written to it; not part of ``input_tokens``.
    throttled : int
        Throttled or failed tries before the one that succeeded.
    batch : bool
        Whether it was given by batch inference.
    call_problem : str or None
        For a forced tool: why the answer is not exactly one call of it and nothing else; empty where it is. ``None``
        without such a tool, and in answers that were kept before this was looked at.
    """

    key: str
    record_id: str
    model: str
    text: str
    stop_reason: str
    input_tokens: int
    output_tokens: int
    latency_ms: float
    client_ms: float
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    throttled: int = 0
    batch: bool = False
    call_problem: str | None = None

    @classmethod
    def from_api(
        cls, question: Question, model: str, response: dict[str, Any], client_ms: float, throttled: int = 0
    ) -> Self:
        """Read a Converse response (shape of botocore's service model)."""
        content = response["output"]["message"]["content"]
        tool_inputs = [block["toolUse"]["input"] for block in content if "toolUse" in block]
        text = "".join(block.get("text", "") for block in content)
        if question.tool and tool_inputs:
            text = json.dumps(tool_inputs[0], ensure_ascii=False, sort_keys=True)
        # Half of a surrogate pair, which a model can spell in JSON, cannot be stored: a paid answer would be lost.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        usage = response["usage"]
        return cls(
            key=question.key(model),
            record_id=question.record_id,
            model=model,
            text=text,
            stop_reason=stop_reason_of(response, response["stopReason"]),
            input_tokens=usage["inputTokens"],
            output_tokens=usage["outputTokens"],
            latency_ms=float(response.get("metrics", {}).get("latencyMs", client_ms)),
            client_ms=round(client_ms, 1),
            cache_read_tokens=usage.get("cacheReadInputTokens", 0),
            cache_write_tokens=usage.get("cacheWriteInputTokens", 0),
            throttled=throttled,
            call_problem=_call_problem(content, question.tool) if question.tool else None,
        )

    def to_json(self) -> str:
        """Write the answer as one line; the same as earlier versions did where no tool was called."""
        document = asdict(self)
        if self.call_problem is None:
            del document["call_problem"]
        return json.dumps(document, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote."""
        return read_as(cls, json.loads(line))


def _call_problem(content: list[dict[str, Any]], tool: Tool) -> str:
    """Say why content blocks are not exactly one call of a tool and nothing else; empty where they are.

    A model's reasoning in a block of its own says nothing to the caller.
    """
    called = [str(block["toolUse"].get("name")) for block in content if "toolUse" in block]
    if not called:
        return f"it did not call {tool.name}"
    if len(called) > 1:
        return f"it made {len(called)} calls where one is asked for"
    if called[0] != tool.name:
        return f"it called {called[0][:64]!r} instead of {tool.name}"
    beside = any(str(block.get("text") or "").strip() or block.keys() - _BESIDE_A_CALL for block in content)
    return f"it said something beside its call of {tool.name}" if beside else ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of questions: every record is in exactly one of the two.

    Attributes
    ----------
    answers : dict of str to Answer
        By record id.
    failed : dict of str to str
        Record id to the reason why it has no usable answer.
    """

    answers: dict[str, Answer]
    failed: dict[str, str]
