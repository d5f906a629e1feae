"""What a task's two parameters say: who serves it, who is asked where that fails, and what was decided of routing."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bedrock_student.answer_form import AnswerForm
from bedrock_student.answer_repair import read_object, repaired

READS = 1
"""Newest version of pointer and policy that this client can read."""

STUDENT, CASCADE, FALLBACK = "student", "cascade", "fallback"
"""Ways to serve, as the policy names them: the student, the student with escalation, and the fallback alone."""

UNANSWERED, BREAKER_OPEN, BY_POLICY = "unanswered", "breaker_open", "by_policy"
TRUNCATED, BREAKS_SCHEMA, LOW_CONFIDENCE = "truncated", "breaks_schema", "low_confidence"
OUTAGE = (UNANSWERED, BREAKER_OPEN)
"""Reasons that are an outage: they have a cap of their own, as with one cap an outage becomes errors."""

_CUT_OFF = ("max_tokens", "model_context_window_exceeded")


class StudentError(RuntimeError):
    """The task cannot be answered, with the calls that were made for it."""

    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Call:
    """One call of a model: milliseconds until its answer, its tokens and US dollars, its error where it has none."""

    leg: str
    model: str
    latency_ms: float
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0
    error: str | None = None


@dataclass(frozen=True)
class Answer:
    """What the application gets.

    Attributes
    ----------
    text : str
    leg : str
        Who gave it: ``student`` or ``fallback``.
    reason : str or None
        Why the student's own answer was not enough, whoever gave this one.
    valid, repaired : bool
        Whether it is whole and keeps the output schema, and whether it does so only after the repair.
    calls : tuple of Call
    run_id, policy_version, variant : str
        Run of the student, version of the policy, and how it served: ``student``, ``cascade``, ``fallback``,
        ``no_policy`` or ``policy_of_another_run``.
    escalated : bool
        Whether the policy asks the fallback for that reason, whoever answered in the end.
    """

    text: str
    leg: str
    reason: str | None
    valid: bool
    repaired: bool
    calls: tuple[Call, ...]
    run_id: str
    policy_version: str
    variant: str
    escalated: bool = False

    @functools.cached_property
    def json(self) -> Any:  # noqa: ANN401 - whatever the schema allows
        """The answer as JSON; raises ``ValueError`` where it is none."""
        return json.loads(self.text)

    @property
    def usd(self) -> float | None:
        """US dollars of all calls by token; ``None`` where a price is not known."""
        known = [call.usd for call in self.calls if call.usd is not None]
        return math.fsum(known) if len(known) == len(self.calls) else None


@dataclass(frozen=True)
class Leg:
    """A model and how it is asked; prices in US dollars for a million tokens, input and output."""

    name: str
    model: str
    system: str
    settings: Mapping[str, Any]
    prices: tuple[float, float] | None

    def usd(self, input_tokens: int, output_tokens: int) -> float | None:
        """Price a call."""
        if self.prices is None:
            return None
        return (input_tokens * self.prices[0] + output_tokens * self.prices[1]) / 1e6


@dataclass(frozen=True)
class Policy:
    """Both parameters, read and checked."""

    run_id: str
    version: str
    variant: str
    student: Leg
    fallback: Leg | None
    escalate_on: frozenset[str]
    confidence_field: str | None
    below: float
    max_share: float
    outage_share: float
    deadline_s: float
    form: AnswerForm

    def judged(self, text: str, stop_reason: str, *, leg: str) -> tuple[str, bool, str | None]:
        """Give the text, repaired where that mends it, whether it did, and what is wrong with it, if anything."""
        if stop_reason in _CUT_OFF:
            return text, False, TRUNCATED
        mended = False
        if self.form.problem(text) is not None:
            inner = repaired(text)
            if inner == text or self.form.problem(inner) is not None:
                return text, False, BREAKS_SCHEMA
            text, mended = inner, True
        unsure = leg == STUDENT and self.confidence_field is not None and self._is_unsure(text)
        return text, mended, LOW_CONFIDENCE if unsure else None

    def escalates(self, reason: str) -> bool:
        """Tell whether the policy asks the fallback for a reason."""
        return self.fallback is not None and (reason == BY_POLICY or reason in self.escalate_on)

    def share(self, reason: str) -> float:
        """Give the share of the last answers that may be escalated for such a reason."""
        if reason == BY_POLICY:
            return 1.0
        return self.outage_share if reason in OUTAGE else self.max_share

    def _is_unsure(self, text: str) -> bool:
        said = (read_object(text) or {}).get(str(self.confidence_field))
        if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
            return True
        return said < self.below


def read_policy(
    pointer_text: str, policy_text: str | None, prompt: Callable[[Mapping[str, Any]], str | None]
) -> Policy:
    """Join both parameters.

    A policy of another run stands for outages alone: what else it says was measured with another student. One that
    cannot be read says nothing, and the student serves without it.

    Parameters
    ----------
    pointer_text : str
    policy_text : str or None
    prompt : callable
        Reads the fallback's prompt from where the policy says that it lies; ``None`` where it cannot be read. Then
        there is no fallback, unless it alone is to serve.

    Raises
    ------
    StudentError
        The pointer cannot be read, or either was written in a way that only a later client reads.
    """
    pointer = _document(pointer_text)
    if pointer is None or "endpoint_arn" not in pointer:
        raise StudentError("the pointer is not a JSON object with 'endpoint_arn': somebody wrote it by hand")
    _check_version("pointer", pointer)
    rules = _document(policy_text) if policy_text else None
    if rules is not None:
        _check_version("policy", rules)
    try:
        return _joined(pointer, rules, prompt)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        if rules:
            return read_policy(pointer_text, None, prompt)
        raise StudentError(f"the pointer cannot be used: {type(problem).__name__}: {problem}") from None


def _joined(
    pointer: Mapping[str, Any], rules: Mapping[str, Any] | None, prompt: Callable[[Mapping[str, Any]], str | None]
) -> Policy:
    run_id = str(pointer.get("run_id"))
    found = rules or {}
    escalate: Mapping[str, Any] = found.get("escalate", {})
    variant = str(found.get("mode", STUDENT)) if found else "no_policy"
    if found and found.get("for_run") != run_id:
        escalate, variant = {"outage_share": escalate.get("outage_share", 1.0)}, "policy_of_another_run"
    fallback = found.get("fallback")
    system = prompt(fallback) if fallback else None
    if system is None and variant == FALLBACK:
        raise StudentError("the fallback alone is to serve, and it is not in the policy or its prompt cannot be read")
    asked = _leg(FALLBACK, fallback["model"], fallback, fallback, system) if fallback and system is not None else None
    reasons = set(escalate.get("on", ())) if variant == CASCADE else set()
    field = escalate.get("confidence_field") if LOW_CONFIDENCE in reasons else None
    return Policy(
        run_id=run_id,
        version=str(found.get("version", "none")),
        variant=variant,
        student=_leg(STUDENT, pointer["endpoint_arn"], pointer, found.get("student", {}), pointer.get("system_prompt")),
        fallback=asked,
        escalate_on=frozenset({*reasons, *OUTAGE}),
        confidence_field=field,
        below=float(escalate["below"]) if field else 0.0,
        max_share=float(escalate.get("max_share", 0.0)),
        outage_share=float(escalate.get("outage_share", 1.0)),
        deadline_s=float(found.get("deadline_seconds", 60.0)),
        form=_form(json.dumps(pointer.get("output_schema"), sort_keys=True)),
    )


def _leg(name: str, model: str, asked: Mapping[str, Any], priced: Mapping[str, Any], system: str | None) -> Leg:
    usd = priced.get("usd_per_million_tokens")
    prices = (float(usd["input"]), float(usd["output"])) if usd else None
    return Leg(name, model, system or "", asked.get("inference_parameters") or {}, prices)


@functools.lru_cache(maxsize=8)
def _form(schema: str) -> AnswerForm:
    return AnswerForm(json.loads(schema))


def _document(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _check_version(name: str, document: Mapping[str, Any]) -> None:
    version = document.get("schema_version", READS)
    if isinstance(version, int) and version > READS:
        wanted = document.get("client") or "bedrock-student (the newest)"
        raise StudentError(
            f"the {name} has version {version} and this client reads up to {READS}; install {wanted}: "
            f"pip install --upgrade '{wanted}'"
        )
