"""The simulated judge: it scores an answer against a reference by the published rubric and by nothing else.

It reads the sections ``<question>``, ``<reference>`` and ``<answer>`` of the user's text, whose contents are
XML-escaped. Without a reference it holds the answer against what is right for the task, which it knows. Only numbers
and words that carry the task's meaning move the score: text in an answer that talks to the judge is never read as an
instruction.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

from local.bedrock_simulator.brains.agreement import agreement, is_choice, shared_words
from local.bedrock_simulator.brains.base import Answer, Brain, Chance, Prompt, compact, words_of
from local.bedrock_simulator.brains.mistakes import are_shares
from local.bedrock_simulator.brains.numbers import is_number
from local.bedrock_simulator.settings import Current
from local.bedrock_simulator.subjects import Subjects

TOOL, PAIR_TOOL = "record_score", "record_scores"
_SECTIONS = re.compile(
    r"<question>(?P<question>.*?)</question>\s*(?:<reference>(?P<reference>.*?)</reference>\s*)?"
    r"<answer>(?P<answer>.*)</answer>",
    re.DOTALL,
)
_PAIR = re.compile(
    r"<question>(?P<question>.*?)</question>\s*<first>(?P<first>.*?)</first>\s*<second>(?P<second>.*)</second>",
    re.DOTALL,
)
_EPSILON = 1e-9
_BEST, _WORST, _MAIN_POINT_WRONG = 5, 1, 2
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
    """What the judge is shown, unescaped; ``reference`` is empty where it is to know by itself."""

    question: str
    reference: str
    answer: str


def read_case(user_text: str) -> Case | None:
    """Find the sections in the user's text, the reference if there is one; ``None`` where they are not there."""
    found = _SECTIONS.search(user_text)
    if not found:
        return None
    return Case(*(unescape(found[name] or "").strip() for name in ("question", "reference", "answer")))


def read_pair(user_text: str) -> tuple[str, str, str] | None:
    """Find question, first and second answer in the user's text; ``None`` where they are not there."""
    found = _PAIR.search(user_text)
    if not found:
        return None
    question, first, second = (unescape(found[name]).strip() for name in ("question", "first", "second"))
    return question, first, second


def judge(case: Case, unjudged: Collection[str] = ()) -> Verdict:
    """Score an answer.

    Parameters
    ----------
    case : Case
        What is to be judged.
    unjudged : collection of str
        Fields that say something else than the answer, such as how sure it is.
    """
    reference = _parsed(case.reference)
    if reference is None:
        return _by_words(case)
    answer = _first_value(case.answer, type(reference))
    if answer is None:
        kind = "object" if isinstance(reference, dict) else "list"
        return Verdict(_WORST, f"The answer cannot be parsed as a JSON {kind}.")
    reference, answer = _without(reference, unjudged), _without(answer, unjudged)
    wanted, given = dict(_leaves(reference)), dict(_leaves(answer))
    numbers = {path: float(value) for path, value in wanted.items() if is_number(value)}
    if are_shares(numbers):
        return _by_weights(numbers, given, case.question)
    missing = [path for path in _leaf_names(reference) if path not in _leaf_names(answer)]
    if missing and not any(name in given for name in wanted):
        return Verdict(_WORST, f"The answer lacks {', '.join(missing)}.")
    return _by_agreement(reference, answer)


def _by_weights(wanted: dict[str, float], given: dict[str, Any], question: str) -> Verdict:
    missing = [path for path in wanted if path not in given]
    if missing:
        return Verdict(_WORST, f"The answer lacks {', '.join(missing)}.")
    if not all(is_number(given[path]) for path in wanted):
        return Verdict(_WORST, "A weight in the answer is not a number.")
    return _by_rubric(wanted, {path: float(given[path]) for path in wanted}, question, given)


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


def _by_agreement(wanted: Any, given: Any) -> Verdict:  # noqa: ANN401 (any JSON value)
    """Score by the agreement of all fields; where the first choice is wrong, the main point is."""
    share = agreement(wanted, given)
    score = _graded(share)
    main = next((path for path, value in _leaves(wanted) if is_choice(value)), None)
    if main is not None and agreement(dict(_leaves(wanted))[main], dict(_leaves(given)).get(main)) < 1:
        return Verdict(min(score, _MAIN_POINT_WRONG), f"{main or 'The answer'} is wrong; agreement {share:.2f}.")
    return Verdict(score, f"Agreement of the fields {share:.2f}.")


def _by_words(case: Case) -> Verdict:
    if is_choice(case.reference):
        equal = words_of(case.reference) == words_of(case.answer)
        return Verdict(_BEST if equal else _WORST, f"The answer {'is' if equal else 'is not'} the reference.")
    overlap = shared_words(case.reference, case.answer)
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


def _leaf_names(value: Any) -> set[str]:  # noqa: ANN401 (any JSON value)
    return {path for path, _ in _leaves(value)}


def _without(value: Any, names: Collection[str]) -> Any:  # noqa: ANN401 (any JSON value)
    return {name: member for name, member in value.items() if name not in names} if isinstance(value, dict) else value


def _parsed(text: str) -> dict[str, Any] | list[Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _first_value(text: str, kind: type) -> Any:  # noqa: ANN401 (any JSON value)
    """Return the first JSON value of a kind in a text: like a person, the judge reads through fences and prose."""
    decoder = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_no_such_number)
    opening = "{" if kind is dict else "["
    start = text.find(opening)
    while start >= 0:
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find(opening, start + 1)
            continue
        return value
    return None


def _no_such_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a key occurs twice, so the answer has no single meaning")
    return dict(pairs)


class Judge:
    """Scores where the tool for it must be called; is wrong as the settings say. Otherwise it answers as a model.

    Parameters
    ----------
    model : Brain
        What answers anything else.
    subjects : Subjects
        What is right, for verdicts without a reference.
    settings : Current
        Its noise, its bias and how it favours length.
    """

    def __init__(self, model: Brain, subjects: Subjects, settings: Current) -> None:
        self._model = model
        self._subjects = subjects
        self._settings = settings

    def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt."""
        pair = read_pair(prompt.question) if prompt.tool == PAIR_TOOL else None
        if pair is not None:
            return self._scores(prompt, *pair)
        case = read_case(prompt.question) if prompt.tool == TOOL else None
        if case is None:
            return self._model.answer(prompt)
        if not case.reference:
            case = Case(case.question, self._right(prompt, case.question), case.answer)
        verdict, given = self._given(case, Chance("judge", prompt.key))
        return Answer.of({"score": given, "explanation": verdict.explanation})

    def _scores(self, prompt: Prompt, question: str, *answers: str) -> Answer:
        """Score two answers against what is right; what stands first may get a little more."""
        right, chance = self._right(prompt, question), Chance("judge", prompt.key)
        first, second = (self._given(Case(question, right, answer), chance) for answer in answers)
        favoured = first[1] + (chance.uniform() < self._settings().errors.judge_order)
        explanation = f"First: {first[0].explanation} Second: {second[0].explanation}"
        return Answer.of({"first_score": min(_BEST, favoured), "second_score": second[1], "explanation": explanation})

    def _right(self, prompt: Prompt, question: str) -> str:
        right = self._subjects.judged(prompt.system, prompt.question).answer(question)
        return right if isinstance(right, str) else compact(dict(right))

    def _given(self, case: Case, chance: Chance) -> tuple[Verdict, int]:
        """Judge a case, and be wrong about it as the settings say."""
        settings = self._settings()
        verdict, errors = judge(case, (settings.confidence.field,)), settings.errors
        score = verdict.score + errors.judge_bias + errors.judge_length * _doublings(case)
        if chance.uniform() < errors.judge_noise:
            score += 1 if chance.uniform() < 0.5 else -1  # noqa: PLR2004 (to either side)
        return verdict, min(_BEST, max(_WORST, math.floor(score + chance.uniform())))


def _doublings(case: Case) -> float:
    """Return how often an answer's length is double that of the reference; below 0 where it is shorter."""
    return math.log2((1 + len(case.answer)) / (1 + len(case.reference)))
