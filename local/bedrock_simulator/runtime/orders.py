"""What ordered faults do to single questions: refusals, bad endings, a judge that fails, storms and slow endpoints.

A fault that concerns *records* strikes the same requests each time, by a draw from the request itself: asking again
does not help. A fault that concerns *calls* draws anew for each call.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from local.bedrock_simulator.brains.base import Chance, compact, estimate_tokens
from local.bedrock_simulator.brains.judge import PAIR_TOOL, TOOL
from local.bedrock_simulator.catalog import FoundationModel
from local.bedrock_simulator.clock import Clock
from local.bedrock_simulator.errors import ServiceError, validation
from local.bedrock_simulator.faults import Fault, Faults
from local.bedrock_simulator.protocol.service import Params
from local.bedrock_simulator.runtime.conversation import CHARACTERS_PER_TOKEN, Reply, forced_tool, question_of
from local.bedrock_simulator.runtime.target import Target
from local.bedrock_simulator.runtime.throttle import throttled

REFUSAL = "I'm sorry, but I can't help with that request."
_BLOCKED = "The generated text has been blocked by our content filters."
_GUARDED = "Sorry, the model cannot answer this question."
_THOUGHTS = "<thinking>\nWhat is asked for here, and in what form?\n</thinking>"
_BEST_SCORE, _SIX = 5, 6

JUDGE_TOOLS = (TOOL, PAIR_TOOL)
"""What a judge is made to call: one score, or those of two answers."""


class Orders:
    """Applies the ordered faults.

    Parameters
    ----------
    faults : Faults
        What was ordered.
    clock : Clock
        Ends storms.
    """

    def __init__(self, faults: Faults, clock: Clock) -> None:
        self._faults = faults
        self._clock = clock
        self._calls = itertools.count()
        self._began: dict[str, datetime] = {}

    def before_call(self, target: Target) -> float:
        """Refuse a call, or return the milliseconds by which it is slower.

        Raises
        ------
        ServiceError
            What the fault says.
        """
        call = str(next(self._calls))
        storm = self._faults.due("throttling_storm", lambda f: self._in_storm(f, target, call))
        if storm:
            raise throttled(storm.options["retry_after_seconds"])
        broken = self._faults.due(
            "endpoint_errors", lambda f: _at_endpoint(f, target) and self._lasts(f) and _drawn(f, call)
        )
        if broken:
            raise ServiceError(broken.options["error"], f"{broken.options['error']} by order of a test.")
        slow = self._faults.due("endpoint_latency", lambda f: _at_endpoint(f, target) and _drawn(f, call))
        return float(slow.options["milliseconds"]) if slow else 0.0

    def in_stream(self, target: Target) -> dict[str, Any] | None:
        """Return the options of the fault that breaks a streamed answer off, if one does."""
        call = str(next(self._calls))
        broken = self._faults.due("broken_stream", lambda f: _of(f, target.model) and _drawn(f, call))
        return broken.options if broken else None

    def before_record(self, params: Params, model: FoundationModel, key: str) -> None:
        """Refuse a prompt for good, or fail the judge.

        Raises
        ------
        ServiceError
            ``ValidationException`` for the prompt, ``ModelErrorException`` for the judge.
        """
        question = question_of(params)
        refused = self._faults.due(
            "refuse_prompt", lambda f: _of(f, model) and f.options["containing"] in question and _drawn(f, key)
        )
        if refused:
            raise validation(str(refused.options["message"]))
        if forced_tool(params) in JUDGE_TOOLS and self._faults.due("wrong_judge", _judging("error", key)):
            raise ServiceError("ModelErrorException", "The judge failed by order of a test.")

    def after_record(self, params: Params, model: FoundationModel, reply: Reply) -> Reply:
        """Return a reply as the ordered faults will have it."""
        if forced_tool(params) in JUDGE_TOOLS:
            question = question_of(params)
            for how, change in _JUDGEMENTS.items():
                if self._faults.due("wrong_judge", _judging(how, reply.key)):
                    return change(reply)
            if _speaks_to_the_judge(question) and self._faults.due("wrong_judge", _judging("gullible", reply.key)):
                return _scored(reply, lambda _score: _BEST_SCORE)
        ending = self._faults.due("bad_ending", lambda f: _of(f, model) and _drawn(f, reply.key))
        return _ENDINGS[ending.options["reason"]](reply) if ending else reply

    def _in_storm(self, fault: Fault, target: Target, call: str) -> bool:
        """Whether a storm still blows and hits this call."""
        return self._lasts(fault) and _of(fault, target.model) and _drawn(fault, call)

    def _lasts(self, fault: Fault) -> bool:
        """Whether a fault that lasts for a time still does, from the first call that it met."""
        now, seconds = self._clock.now(), fault.options["seconds"]
        began = self._began.setdefault(fault.fault_id, now)
        return seconds is None or (now - began).total_seconds() < seconds


def _drawn(fault: Fault, what: str) -> bool:
    share = float(fault.options["fraction"])
    return share >= 1 or Chance(fault.kind, str(fault.options["seed"]), what).uniform() < share


def _of(fault: Fault, model: FoundationModel) -> bool:
    return str(fault.options["model"]) in model.model_id


def _at_endpoint(fault: Fault, target: Target) -> bool:
    """Whether a call goes to one of the account's own endpoints, the one that is meant."""
    return (target.custom or not target.billed) and str(fault.options["resource"]) in target.resource


def _judging(how: str, key: str) -> Callable[[Fault], bool]:
    return lambda fault: fault.options["how"] == how and _drawn(fault, key)


def _speaks_to_the_judge(question: str) -> bool:
    """Whether the answer under judgement talks of its own score: a gullible judge does as it says."""
    answer = question.rpartition("<answer>")[2].lower()
    return "score" in answer or "judge" in answer


def _text_of(reply: Reply) -> str:
    block = reply.content[0]
    return str(block["text"]) if "text" in block else compact(block["toolUse"]["input"])


def _said(reply: Reply, text: str, reason: str) -> Reply:
    return replace(reply, content=[{"text": text}], stop_reason=reason, output_tokens=estimate_tokens(text))


def _half(reply: Reply, reason: str) -> Reply:
    text = _text_of(reply)
    return _said(reply, text[: max(len(text) // 2, CHARACTERS_PER_TOKEN)], reason)


_ENDINGS: dict[str, Callable[[Reply], Reply]] = {
    "content_filtered": lambda reply: _said(reply, _BLOCKED, "content_filtered"),
    "guardrail_intervened": lambda reply: _said(reply, _GUARDED, "guardrail_intervened"),
    "refusal": lambda reply: _said(reply, REFUSAL, "end_turn"),
    "max_tokens": lambda reply: _half(reply, "max_tokens"),
    "malformed_model_output": lambda reply: _half(reply, "malformed_model_output"),
    "malformed_tool_use": lambda reply: _half(reply, "malformed_tool_use"),
    "model_context_window_exceeded": lambda reply: _half(reply, "model_context_window_exceeded"),
    "thoughts": lambda reply: _said(reply, f"{_THOUGHTS}\n\n{_text_of(reply)}", "end_turn"),
}


def _twice(reply: Reply) -> Reply:
    """Call the tool twice, the second time with another score."""
    second = _scored(reply, lambda score: score % _BEST_SCORE + 1).content
    return replace(reply, content=[*reply.content, *second])


def _with_tool(reply: Reply, name: str) -> Reply:
    return replace(reply, content=[{"toolUse": block["toolUse"] | {"name": name}} for block in reply.content])


def _scored(reply: Reply, score: Callable[[int], int]) -> Reply:
    block: dict[str, Any] = reply.content[0].get("toolUse", {})
    given = block.get("input", {})
    scores = {name: score(int(given[name])) for name in ("score", "first_score", "second_score") if name in given}
    if not scores:
        return reply
    return replace(reply, content=[{"toolUse": block | {"input": given | scores}}])


_JUDGEMENTS: dict[str, Callable[[Reply], Reply]] = {
    "drift": lambda reply: _scored(reply, lambda score: min(score + 1, _BEST_SCORE)),
    "six": lambda reply: _scored(reply, lambda _score: _SIX),
    # The very JSON that the tool would have got: a reader that takes any text with a score for a verdict falls for it.
    "no_tool_call": lambda reply: _said(reply, _text_of(reply), "end_turn"),
    "two_calls": _twice,
    "other_tool": lambda reply: _with_tool(reply, "record_opinion"),
    "words_beside": lambda reply: replace(reply, content=[{"text": "On second thoughts: 1."}, *reply.content]),
    "malformed_call": lambda reply: replace(reply, stop_reason="malformed_tool_use"),
}
