"""The distilled student: it really learns from its training pairs, and knows nothing else.

This module must never import the task's rules: a test walks its imports.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from local.bedrock_simulator.brains.base import Answer, Prompt
from local.bedrock_simulator.brains.learning.documents import WHOLE, leaves_of, rebuilt, structured
from local.bedrock_simulator.brains.learning.fields import Fields

_MAJORITY = 0.5


@dataclass(frozen=True)
class Pair:
    """One training pair: the texts of the conversation and the answer to learn."""

    question: str
    answer: str


class Student:
    """What a custom model has learned.

    Parameters
    ----------
    pairs : Sequence[Pair]
        The training pairs, at least one.

    Attributes
    ----------
    losses : list[float]
        The measured training loss after each step.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        values = structured([pair.answer for pair in pairs])
        read = [(pair, pair.answer if value is None else value) for pair, value in zip(pairs, values, strict=True)]
        if any(value is not None for value in values):
            read = [(pair, value) for (pair, value), found in zip(read, values, strict=True) if found is not None]
        self._compact = sum('": ' not in pair.answer for pair, _ in read) > _MAJORITY * len(read)
        self._fields = Fields([pair.question for pair, _ in read], [leaves_of(value) for _, value in read])
        self.losses = self._fields.losses

    def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt."""
        learned = self._fields.answer(prompt.question)
        if isinstance(learned.leaves.get(WHOLE), str):
            return Answer(learned.leaves[WHOLE], certainty=learned.certainty)
        data = rebuilt(learned.leaves)
        separators = (",", ":") if self._compact else None
        text = json.dumps(data, separators=separators, ensure_ascii=False)
        return Answer(text, data if isinstance(data, dict) else None, learned.certainty)
