"""What callers may do where the student is not enough: the policy beside the pointer, and what a person decided of it.

With every promotion it is safe by itself: the student answers, and the model that the gate compared it with answers in
its outages alone. Routing for quality is adopted by a person, and holds for the run that it was tested with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.identity import digest
from lambdas.domain.stored import DOCUMENT_VERSION, known_fields

if TYPE_CHECKING:
    from lambdas.domain.prices.price_book import PriceBook

BY_STUDENT, BY_CASCADE, BY_FALLBACK = "student", "cascade", "fallback"
SERVING_MODES = (BY_STUDENT, BY_CASCADE, BY_FALLBACK)
"""Who answers: the student; the student, and the fallback where a person's policy escalates; the fallback alone."""

CLIENT_REQUIREMENT = "bedrock-student>=0.1"
"""What a caller installs whose client is too old for pointer or policy."""

OUTAGE_SHARE = 1.0
"""Share of a caller's last answers that may go to the fallback in an outage, where nobody has said another one."""

DEADLINE_SECONDS = 60.0
"""Seconds after which a question is not escalated any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServingChoice:
    """How a person wants a task to be served.

    Attributes
    ----------
    for_run : str
        Run of the champion that it was decided for; with another one it means nothing.
    mode : str
        One of :data:`SERVING_MODES`.
    on : sequence of str
        Reasons to escalate, as in the report's ``cascade``; only in mode ``cascade``.
    confidence_field, below : str and float, optional
        Where the student says how sure it is, and below what it is not.
    max_share : float
        Most of a caller's last answers that may be escalated for these reasons, 0 to 1.
    expected : mapping, optional
        What the test that it passed foresees: ``share`` with ``share_low`` and ``share_high``, ``usd_per_1k_requests``.
    why, at : str
        A person's word, and when it was given (ISO 8601).
    """

    for_run: str
    mode: str
    at: str
    why: str = ""
    on: Sequence[str] = ()
    confidence_field: str | None = None
    below: float | None = None
    max_share: float = 0.0
    expected: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Read the map of a task's item."""
        return cls(**{**known_fields(cls, item), "on": tuple(item.get("on") or ())})

    def to_document(self) -> dict[str, Any]:
        """Give the choice as a map."""
        return {**asdict(self), "on": list(self.on), "expected": dict(self.expected)}


@dataclass(frozen=True, kw_only=True, slots=True)
class FallbackModel:
    """Who answers where the student does not, asked as the evaluation asked it.

    Attributes
    ----------
    model : str
        As it is called.
    role : str
        ``teacher`` or ``baseline``: what the gate compared the student with.
    prompt : str
        Its system prompt; empty where the task has none.
    parameters : mapping
        ``inferenceConfig`` of Converse.
    usd_per_million_tokens : mapping of str to float, or None
        By ``input`` and ``output``; ``None`` where the price book has no price.
    """

    model: str
    role: str
    prompt: str
    parameters: Mapping[str, Any]
    usd_per_million_tokens: Mapping[str, float] | None

    @property
    def prompt_sha256(self) -> str:
        """Names the prompt's file."""
        return hashlib.sha256(self.prompt.encode()).hexdigest()


def prompt_key(task: str, run_id: str, sha256: str) -> str:
    """Say where a fallback's prompt lies in the runs bucket: nothing expires there while the run may serve."""
    return f"policies/{task}/{run_id}/{sha256}.txt"


def prices_of(book: PriceBook, model: str) -> dict[str, float] | None:
    """Give the dollars of a million tokens, input and output; ``None`` where the book lacks one of them."""
    lines = {usage: book.find(model, usage) for usage in ("input", "output")}
    found = {usage: line.usd for usage, line in lines.items() if line}
    return found if len(found) == len(lines) else None


def policy_document(
    task: str,
    run_id: str,
    bucket: str,
    fallback: FallbackModel | None,
    student_usd: Mapping[str, float] | None,
    choice: ServingChoice | None,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the policy that goes with a champion.

    Parameters
    ----------
    task, run_id : str
    bucket : str
        Where the fallback's prompt lies.
    fallback : FallbackModel or None
        ``None`` where it is not known any more; then that of ``before`` is kept.
    student_usd : mapping of str to float, or None
        US dollars of a million tokens of the student; zero on provisioned throughput, whose hours bill.
    choice : ServingChoice or None
        What a person decided; one for another run is left out.
    before : mapping, optional
        The policy as it is published. Its fallback is this champion's where it is of the same run; without any fallback
        nothing is escalated.
    """
    asked = _fallback(task, run_id, bucket, fallback) if fallback else _kept(run_id, before)
    decided = choice if choice is not None and choice.for_run == run_id and asked is not None else None
    document: dict[str, Any] = {
        "schema_version": DOCUMENT_VERSION,
        "client": CLIENT_REQUIREMENT,
        "for_run": run_id,
        "mode": decided.mode if decided else BY_STUDENT,
        "student": {"usd_per_million_tokens": student_usd},
        "fallback": asked,
        "escalate": {
            "on": list(decided.on) if decided else [],
            "confidence_field": decided.confidence_field if decided else None,
            "below": decided.below if decided else None,
            "max_share": decided.max_share if decided else 0.0,
            "outage_share": OUTAGE_SHARE,
        },
        "deadline_seconds": DEADLINE_SECONDS,
        "expected": dict(decided.expected) if decided else {},
        "decided": {"at": decided.at, "why": decided.why} if decided else None,
    }
    return {**document, "version": digest(document, length=12)}


def choice_in(document: Mapping[str, Any] | None) -> ServingChoice | None:
    """Read what a person decided out of a policy that was published; ``None`` where nobody did or it is damaged."""
    try:
        decided, escalate = (document or {})["decided"], (document or {})["escalate"]
        if not decided:
            return None
        return ServingChoice.from_item({**(document or {}), **escalate, **decided})
    except (KeyError, TypeError):
        return None


def _kept(run_id: str, before: Mapping[str, Any] | None) -> dict[str, Any] | None:
    found = before.get("fallback") if before and before.get("for_run") == run_id else None
    return dict(found) if isinstance(found, Mapping) else None


def _fallback(task: str, run_id: str, bucket: str, fallback: FallbackModel) -> dict[str, Any]:
    sha256 = fallback.prompt_sha256
    prompt = {"bucket": bucket, "key": prompt_key(task, run_id, sha256), "sha256": sha256} if fallback.prompt else None
    return {
        "model": fallback.model,
        "role": fallback.role,
        "prompt": prompt,
        "inference_parameters": dict(fallback.parameters),
        "usd_per_million_tokens": fallback.usd_per_million_tokens,
    }
