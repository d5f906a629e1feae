"""Models that were not taught the task: the undistilled student, and the baseline that a user would pick otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.bedrock_simulator.brains.base import Answer, Chance, Prompt
from local.bedrock_simulator.brains.learning.documents import WHOLE, Path
from local.bedrock_simulator.brains.mistakes import are_shares, disturbed_leaves, mistaken, other_value
from local.bedrock_simulator.brains.numbers import disturbed, is_number
from local.bedrock_simulator.settings import Current
from local.bedrock_simulator.subjects import Subject, Subjects

# From this many characters a system prompt counts as one with guidelines. The published student prompt has 121,
# the published teacher prompt 829.
LONG_PROMPT = 400
_VAGUE_TEXT = "General relevance of the request."
_WORDY_TEXT = " Considering the request as a whole, the remaining signals were weighed against this one."
_RESTATED = 3
_LEAST_WORDS = 4


class Undistilled:
    """A small model before it was taught.

    As published, with the short prompt it wraps its JSON in prose or code fences or nests it wrongly, so it breaks
    the schema nearly always, and its answers are poor. Guidelines in a long prompt help, but not enough.

    Parameters
    ----------
    subjects : Subjects
        What is right, of which it has only a vague idea.
    """

    _SHORT_INSIGHT, _LONG_INSIGHT = 0.35, 0.7
    _SHORT_NOISE, _LONG_NOISE = 0.08, 0.06
    _SHORT_TEXTS, _LONG_TEXTS = 0.92, 0.96
    _SHORT_CHOICES, _LONG_CHOICES = 0.75, 0.85
    _SHORT_CLEAN, _LONG_CLEAN = 0.04, 0.85

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects

    def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt."""
        chance = Chance("undistilled", prompt.key)
        guided = len(prompt.system) >= LONG_PROMPT
        subject = self._subjects.of(prompt.system)
        right = subject.answer(prompt.question)
        if isinstance(right, str):
            return Answer(self._text(right, subject, prompt, chance, guided=guided), certainty=chance.uniform())
        data = self._vague(right, subject, chance, guided=guided)
        clean = chance.uniform() < (self._LONG_CLEAN if guided else self._SHORT_CLEAN)
        certainty = chance.uniform()
        return Answer.of(data, certainty) if clean else Answer(_wrapped(data, chance), data, certainty)

    def _vague(self, right: Mapping[str, Any], subject: Subject, chance: Chance, *, guided: bool) -> dict[str, Any]:
        insight = self._LONG_INSIGHT if guided else self._SHORT_INSIGHT
        noise = self._LONG_NOISE if guided else self._SHORT_NOISE
        if are_shares(right):
            numbers = [value for value in right.values() if is_number(value)]
            average = sum(numbers) / len(numbers)
            right = disturbed(right, lambda v: insight * v + (1 - insight) * average + noise * chance.normal())

        often = self._LONG_CHOICES if guided else self._SHORT_CHOICES

        def rule(path: Path, value: Any) -> Any:  # noqa: ANN401 (any JSON value)
            if isinstance(value, str) and path not in subject.choices:
                return _VAGUE_TEXT
            wrong = (path in subject.choices or not is_number(value)) and chance.uniform() > often
            return other_value(path, value, subject.choices, chance) if wrong else value

        return disturbed_leaves(right, rule)

    def _text(self, right: str, subject: Subject, prompt: Prompt, chance: Chance, *, guided: bool) -> str:
        """Leave out more than the half, or repeat the question; where there are labels, say one."""
        if subject.choices.get(WHOLE):
            often = self._LONG_CHOICES if guided else self._SHORT_CHOICES
            known = chance.uniform() < often
            return right if known else str(other_value(WHOLE, right, subject.choices, chance))
        if chance.uniform() < (self._LONG_TEXTS if guided else self._SHORT_TEXTS):
            return mistaken(str(mistaken(right, {}, chance)), {}, chance)  # type: ignore[return-value]  # of a text
        words = prompt.question.split()
        return " ".join(words[: max(_LEAST_WORDS, len(right.split()))]) or right


class Baseline:
    """A capable general model: it follows the long prompt well, though not exactly, and is wordier.

    Parameters
    ----------
    subjects : Subjects
        What is right, which it meets with noise.
    settings : Current
        How often a choice of it is wrong.
    """

    _BROKEN = 0.02
    # Chosen so that the published rubric gives about 4.0, as published for Claude Haiku 4.5.
    _NOISE = 0.065
    _RELATIVE_NOISE = 0.05

    def __init__(self, subjects: Subjects, settings: Current) -> None:
        self._subjects = subjects
        self._settings = settings

    def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt."""
        chance = Chance("baseline", prompt.key)
        wrong = self._settings().errors.baseline
        subject = self._subjects.of(prompt.system)
        right = subject.answer(prompt.question)
        certainty = 0.5 + 0.5 * chance.uniform()
        if isinstance(right, str):
            return Answer(_restated(right, subject, chance, wrong), certainty=certainty)
        shares = are_shares(right)
        if shares:
            right = disturbed(right, lambda v: v + self._NOISE * chance.normal())

        def rule(path: Path, value: Any) -> Any:  # noqa: ANN401 (any JSON value)
            if path in subject.choices or isinstance(value, bool | list):
                return other_value(path, value, subject.choices, chance) if chance.uniform() < wrong else value
            if isinstance(value, str):
                return f"{value}{_WORDY_TEXT}" if " " in value else value
            if is_number(value) and not shares:
                moved = value * (1 + self._RELATIVE_NOISE * chance.normal())
                return round(moved) if isinstance(value, int) else round(moved, 2)
            return value

        data = disturbed_leaves(right, rule)
        broken = chance.uniform() < self._BROKEN
        return Answer(_wrapped(data, chance), data, certainty) if broken else Answer.of(data, certainty)


def _restated(right: str, subject: Subject, chance: Chance, wrong: float) -> str:
    """Say a text with its beginning once more, or another label where it is one of few."""
    labels, erring = subject.choices.get(WHOLE, []), chance.uniform() < wrong
    if labels:
        return str(other_value(WHOLE, right, subject.choices, chance)) if erring else right
    said = str(mistaken(right, {}, chance)) if erring else right
    return f"{said} ({said[: len(said) // _RESTATED].strip()})"


def _wrapped(data: dict[str, Any], chance: Chance) -> str:
    pretty = json.dumps(data, indent=2, ensure_ascii=False)
    draw = chance.uniform()
    if draw < 0.6:  # noqa: PLR2004 (the shares are an assumption: the publication names the habits, not how often)
        return f"```json\n{pretty}\n```"
    if draw < 0.9:  # noqa: PLR2004
        return f"Here is the JSON you asked for:\n\n{pretty}\n\nLet me know if you would like anything changed."
    return json.dumps({"result": {"weights": data}}, ensure_ascii=False)
