"""How many tokens a text has, and how long answers will be, before a model has seen either."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.domain.model_ids import model_family

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.evaluation.judge_calibration import CalibrationCase
    from lambdas.domain.questions.answers import Question

CHARACTERS_A_TOKEN = 4.0
"""Rule of thumb for English text; a tokenizer is not public for Nova. Measured errors are within a quarter."""

TOKEN_ERROR = 0.25
"""Relative error of counting tokens by characters: low and high of what is sent are this far from the expected."""

METHOD = (
    f"tokens are estimated at {CHARACTERS_A_TOKEN:g} characters each, within {TOKEN_ERROR:.0%} for English text; other "
    "scripts may take more"
)
"""The method in one sentence, for whoever reads an estimate."""

ANSWER_TOKENS_GUESS = 80
"""Tokens of an answer where nothing is known of it: about the published case's 68 (AWS ML blog, 2026-04-17)."""

EXAMPLES_WANTED = 5
"""Answers that somebody has written of which the mean says how long answers of the task are."""

TOOL_PROMPT_TOKENS = {"anthropic": 313}
"""Tokens of the system prompt that a provider adds by itself where a tool must be called (Anthropic's documentation,
pricing of tool use: 313 for Claude 4, 235 to 340 for Claude 3)."""

_GUESS_ERROR, _SCHEMA_ERROR = (0.4, 2.5), (0.5, 1.75)
_TEXT_CHARACTERS, _NUMBER_CHARACTERS, _LIST_ITEMS = 80, 4, 2
"""What a free text, a number and a list of an output schema come to: a sentence, two decimals, a pair."""


def text_tokens(*texts: str | None) -> float:
    """Estimate the tokens of texts."""
    return sum(len(text) for text in texts if text) / CHARACTERS_A_TOKEN


def question_tokens(question: Question, model: str) -> float:
    """Estimate the input tokens of a question to a model, its tool included, and what the provider adds for a tool."""
    added = TOOL_PROMPT_TOKENS.get(model_family(model), 0) if question.tool else 0
    return shared_tokens(question) + text_tokens(*(turn.text for turn in question.turns)) + added


def shared_tokens(question: Question) -> float:
    """Estimate the input tokens before the turns, system text and tool, which a prompt cache can keep."""
    tool = question.tool
    described = (tool.name, tool.description, tool.input_schema) if tool else ()
    return text_tokens(question.system, *described)


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenSize:
    """Tokens of one answer: the fewest, the expected and the most, and what they are taken from."""

    low: float
    expected: float
    high: float
    source: str


VERDICT = TokenSize(low=25, expected=55, high=140, source="a score and one or two sentences in a tool call")
"""Tokens of a judge's verdict: about 15 for score and form, and 25 for each of one or two sentences."""


def measured_size(tokens: Sequence[int], source: str) -> TokenSize | None:
    """Take the length from what earlier runs of the task were billed; ``None`` where that is too little."""
    if len(tokens) < EXAMPLES_WANTED:
        return None
    mean = sum(tokens) / len(tokens)
    return TokenSize(low=mean * (1 - TOKEN_ERROR), expected=mean, high=mean * (1 + TOKEN_ERROR), source=source)


def answer_size(
    records: Sequence[Record],
    cases: Sequence[CalibrationCase],
    schema: dict[str, Any] | None,
    paid: Sequence[int] = (),
) -> TokenSize:
    """Foresee how long the task's answers are, by the best that is known before a model is asked.

    Parameters
    ----------
    records : sequence of Record
        Those of the dataset; some may bring a golden or trusted answer.
    cases : sequence of CalibrationCase
        Their references are answers of the task, too.
    schema : dict, optional
        The task's output schema.
    paid : sequence of int
        Output tokens of the teacher's answers that exist.
    """
    measured = measured_size(paid, f"the {len(paid)} answers of the teacher that exist")
    if measured is not None:
        return measured
    golden = [record.golden for record in records if record.golden is not None]
    for texts, source in (
        (golden, f"the {len(golden)} golden answers of the prompts"),
        ([case.reference for case in cases], f"the {len(cases)} references of calibration.jsonl"),
    ):
        if len(texts) >= EXAMPLES_WANTED:
            mean = text_tokens(*texts) / len(texts)
            return TokenSize(low=mean * (1 - TOKEN_ERROR), expected=mean, high=mean * (1 + TOKEN_ERROR), source=source)
    if schema is not None:
        mean = max(1.0, _schema_characters(schema, {}) / CHARACTERS_A_TOKEN)
        less, more = _SCHEMA_ERROR
        return TokenSize(low=mean * less, expected=mean, high=mean * more, source="the output schema")
    less, more = _GUESS_ERROR
    mean = ANSWER_TOKENS_GUESS
    return TokenSize(low=mean * less, expected=mean, high=mean * more, source="a guess: nothing shows an answer")


def _schema_characters(schema: object, seen: dict[int, bool]) -> float:
    """Count the characters of a plain JSON answer that keeps a schema: names, marks, and values of usual length."""
    if not isinstance(schema, dict) or id(schema) in seen:
        return _NUMBER_CHARACTERS
    seen = {**seen, id(schema): True}
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if choices:
        return sum(len(json.dumps(choice)) for choice in choices) / len(choices)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or "properties" in schema:
        members = schema.get("properties") or {}
        return 2 + sum(len(name) + 6 + _schema_characters(member, seen) for name, member in members.items())
    if kind == "array":
        items = max(int(schema.get("minItems", _LIST_ITEMS)), 1)
        return 2 + items * (2 + _schema_characters(schema.get("items"), seen))
    text = 2 + min(float(schema.get("maxLength", _TEXT_CHARACTERS)), _TEXT_CHARACTERS)
    return text if kind == "string" else _NUMBER_CHARACTERS
