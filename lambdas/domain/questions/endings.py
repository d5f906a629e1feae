"""How an answer ended: what each stop reason means for whoever would learn from it, and whether a guardrail spoke.

Stop reasons: service model of ``bedrock-runtime`` (``StopReason``), and those of Claude through InvokeModel.
"""

from __future__ import annotations

from typing import Any

GUARDRAIL = "guardrail_intervened"
"""Stop reason of an answer that a guardrail wrote or changed."""

COMPLETE = ("end_turn", "stop_sequence")
"""Stop reasons of a text that came to its own end."""

TRUNCATED = "truncated"
"""Why an answer is dropped that reached the token limit: ``max_answer_tokens`` of the task mends it."""

_DROPPED = {
    "max_tokens": TRUNCATED,
    "model_context_window_exceeded": "context window exceeded",
    "content_filtered": "content filtered",
    GUARDRAIL: "guardrail intervened",
    "refusal": "refused",
}

_INTERVENED = {"INTERVENED", "GUARDRAIL_INTERVENED"}


def ending_problem(stop_reason: str) -> str | None:
    """Say why an answer that ended so must not be learnt from, or ``None``; an unknown ending is malformed."""
    if stop_reason in COMPLETE or stop_reason == "tool_use":
        return None
    return _DROPPED.get(stop_reason, "malformed")


def stop_reason_of(body: object, said: str) -> str:
    """Give the stop reason, where a guardrail spoke its own.

    Parameters
    ----------
    body : object
        The body of a response, or the list of a stream's events.
    said : str
        The stop reason that is in it.
    """
    return GUARDRAIL if guardrail_intervened(body) else said


def guardrail_intervened(body: object) -> bool:
    """Tell whether a body or any event of a stream says that a guardrail blocked or changed the answer.

    With InvokeModel the stop reason stays ``end_turn``, and ``amazon-bedrock-guardrailAction`` says it (Bedrock user
    guide, use a guardrail with InvokeModel).
    """
    left: list[Any] = [body]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            for name, member in value.items():
                if isinstance(member, str):
                    if str(name).lower().endswith("guardrailaction") and member.upper() in _INTERVENED:
                        return True
                else:
                    left.append(member)
        elif isinstance(value, list):
            left.extend(value)
    return False
