"""The simulated judge: it scores an answer against a reference by the published rubric and by nothing else.

It reads the sections ``<question>``, ``<reference>`` and ``<answer>`` of the user's text, whose contents are
XML-escaped. Only numbers and words that carry the task's meaning move the score: text in an answer that talks to the
judge is never read as an instruction.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

from local.bedrock_simulator.brains.base import words_of
from local.bedrock_simulator.brains.numbers import is_number

TOOL = "record_score"
_SECTIONS = re.compile(
    r"<question>(?P<question>.*?)</question>\s*<reference>(?P<reference>.*?)</reference>\s*<answer>(?P<answer>.*)</answer>",
    re.DOTALL,
)
_EPSILON = 1e-9
_BEST, _WORST = 5, 1
# The published rubric (AWS ML blog of 2026-04-17 and its sample).
_EXCELLENT, _GOOD, _FAIR, _WRONG = 0.05, 0.10, 0.15, 0.30
# For texts there is no published rubric: overlap of words (F1) from which a score is given.
_OVERLAPS = ((0.9, 5), (0.7, 4), (0.5, 3), (0.25, 2))
_CONTENT_WORD = 4


@dataclass(frozen=True)
class Verdict:
    """A score from 1 to 5 and why."""

    score: int
    explanation: str


@dataclass(frozen=True)
class Case:
    """What the judge is shown, unescaped."""

    question: str
    reference: str
    answer: str


def read_case(user_text: str) -> Case | None:
    """Find the three sections in the user's text; ``None`` where they are not there."""
    found = _SECTIONS.search(user_text)
    return Case(*(unescape(found[name]).strip() for name in ("question", "reference", "answer"))) if found else None


def judge(case: Case) -> Verdict:
    """Score an answer."""
    reference = _object(case.reference)
    if reference is None:
        return _by_words(case)
    answer = _first_object(case.answer)
    if answer is None:
        return Verdict(_WORST, "The answer cannot be parsed as a JSON object.")
    wanted, given = dict(_leaves(reference)), dict(_leaves(answer))
    numbers = {path: float(value) for path, value in wanted.items() if is_number(value)}
    missing = [path for path in wanted if path not in given and (path in numbers or not numbers)]
    if missing:
        return Verdict(_WORST, f"The answer lacks {', '.join(missing)}.")
    if not numbers:
        return _by_equality(wanted, given)
    if not all(is_number(given[path]) for path in numbers):
        return Verdict(_WORST, "A weight in the answer is not a number.")
    return _by_rubric(numbers, {path: float(given[path]) for path in numbers}, case.question, given)


def _by_rubric(wanted: dict[str, float], given: dict[str, float], question: str, answer: dict[str, Any]) -> Verdict:
    errors = [abs(wanted[path] - given[path]) for path in wanted]
    worst, mean = max(errors), sum(errors) / len(errors)
    top = max(wanted.values())
    dominant_right = wanted[max(given, key=lambda path: given[path])] >= top - _EPSILON
    measured = f"largest error {worst:.3f}, mean error {mean:.3f}"
    if mean > _WRONG + _EPSILON:
        return Verdict(_WORST, f"Far off: {measured}.")
    if not dominant_right or mean >= _FAIR - _EPSILON:
        return Verdict(2, f"Dominant part {'right' if dominant_right else 'wrong'}: {measured}.")
    if worst > _GOOD + _EPSILON:
        return Verdict(3, f"Dominant part right, but imprecise: {measured}.")
    if worst > _EXCELLENT + _EPSILON:
        return Verdict(4, f"All within 0.10: {measured}.")
    if not _is_specific(question, answer):
        return Verdict(4, f"All within 0.05, but the reasoning is generic: {measured}.")
    return Verdict(_BEST, f"All within 0.05 and specific: {measured}.")


def _is_specific(question: str, answer: dict[str, Any]) -> bool:
    """Whether the answer's words take up a content word of the question; an answer without text is not asked to."""
    texts = [value for value in answer.values() if isinstance(value, str)]
    asked = {word for word in words_of(question) if len(word) >= _CONTENT_WORD}
    return not texts or not asked or not asked.isdisjoint(words_of(" ".join(texts)))


def _by_equality(wanted: dict[str, Any], given: dict[str, Any]) -> Verdict:
    equal = sum(_same(wanted[path], given[path]) for path in wanted)
    share = equal / len(wanted) if wanted else 1.0
    return Verdict(_graded(share), f"{equal} of {len(wanted)} values equal the reference.")


def _same(wanted: object, given: object) -> bool:
    if isinstance(wanted, str) and isinstance(given, str):
        return words_of(wanted) == words_of(given)
    return wanted == given


def _by_words(case: Case) -> Verdict:
    wanted, given = Counter(words_of(case.reference)), Counter(words_of(case.answer))
    common = (wanted & given).total()
    overlap = 2 * common / (wanted.total() + given.total()) if common else 0.0
    return Verdict(_graded(overlap), f"Overlap of words with the reference {overlap:.2f}.")


def _graded(share: float) -> int:
    return next((score for least, score in _OVERLAPS if share >= least - _EPSILON), _WORST)


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _leaves(member, f"{path}[{index}]")
    else:
        yield path, value


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _first_object(text: str) -> dict[str, Any] | None:
    """Return the first JSON object in a text: like a person, the judge reads through fences and prose."""
    decoder = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_no_such_number)
    start = text.find("{")
    while start >= 0:
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        return value if isinstance(value, dict) else None
    return None


def _no_such_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a key occurs twice, so the answer has no single meaning")
    return dict(pairs)
