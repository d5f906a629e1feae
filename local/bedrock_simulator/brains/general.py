"""Models that were not taught the task: the undistilled student, and the baseline that a user would pick otherwise."""

from __future__ import annotations

import json
from typing import Any

from local.bedrock_simulator.brains.base import Answer, Chance, Prompt
from local.bedrock_simulator.brains.numbers import disturbed, is_number
from local.bedrock_simulator.brains.teacher import Rules

# From this many characters a system prompt counts as one with guidelines. The published student prompt has 121,
# the published teacher prompt 829.
LONG_PROMPT = 400


class Undistilled:
    """A small model before it was taught.

    As published, with the short prompt it wraps its JSON in prose or code fences or nests it wrongly, so it breaks
    the schema nearly always, and its weights are poor. Guidelines in a long prompt help, but not enough.

    Parameters
    ----------
    rules : Rules
        The task's rules, of which it has only a vague idea.
    """

    _SHORT_INSIGHT, _LONG_INSIGHT = 0.35, 0.7
    _SHORT_NOISE, _LONG_NOISE = 0.08, 0.06
    _SHORT_CLEAN, _LONG_CLEAN = 0.04, 0.85

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt."""
        chance = Chance("undistilled", prompt.key)
        guided = len(prompt.system) >= LONG_PROMPT
        insight = self._LONG_INSIGHT if guided else self._SHORT_INSIGHT
        noise = self._LONG_NOISE if guided else self._SHORT_NOISE
        truth = dict(self._rules(prompt.question))
        numbers = [value for value in truth.values() if is_number(value)]
        average = sum(numbers) / len(numbers) if numbers else 0.0
        vague = disturbed(truth, lambda v: insight * v + (1 - insight) * average + noise * chance.normal())
        data = {name: "General relevance of the request." if isinstance(v, str) else v for name, v in vague.items()}
        if chance.uniform() < (self._LONG_CLEAN if guided else self._SHORT_CLEAN):
            return Answer.of(data)
        return Answer(_wrapped(data, chance), data)


class Baseline:
    """A capable general model: it follows the long prompt well, though not exactly, and is wordier.

    Parameters
    ----------
    rules : Rules
        The task's rules, which it meets with noise.
    """

    _BROKEN = 0.02
    # Chosen so that the published rubric gives about 4.0, as published for Claude Haiku 4.5.
    _NOISE = 0.065

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt."""
        chance = Chance("baseline", prompt.key)
        data = disturbed(self._rules(prompt.question), lambda v: v + self._NOISE * chance.normal())
        wordy = {
            name: f"{v} Considering the request as a whole, the remaining signals were weighed against this one."
            if isinstance(v, str)
            else v
            for name, v in data.items()
        }
        if chance.uniform() < self._BROKEN:
            return Answer(_wrapped(wordy, chance), wordy)
        return Answer.of(wordy)


def _wrapped(data: dict[str, Any], chance: Chance) -> str:
    pretty = json.dumps(data, indent=2, ensure_ascii=False)
    draw = chance.uniform()
    if draw < 0.6:  # noqa: PLR2004 (the shares are an assumption: the publication names the habits, not how often)
        return f"```json\n{pretty}\n```"
    if draw < 0.9:  # noqa: PLR2004
        return f"Here is the JSON you asked for:\n\n{pretty}\n\nLet me know if you would like anything changed."
    return json.dumps({"result": {"weights": data}}, ensure_ascii=False)
