"""What every simulated model has in common: a prompt, an answer, token counts and repeatable chance."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

_CHARACTERS_PER_TOKEN = 4
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_STANDARD_NORMAL = NormalDist()


def estimate_tokens(text: str) -> int:
    """Estimate a text's tokens at four characters each, the figure that the public estimates use."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words."""
    return _WORD.findall(text.lower())


class Chance:
    """Random numbers that depend on nothing but what they were made from, so that the same request answers the same."""

    def __init__(self, *origin: str) -> None:
        self._seed = hashlib.sha256("\x1f".join(origin).encode("utf-8", "surrogatepass")).digest()
        self._drawn = 0

    def uniform(self) -> float:
        """Draw from the open interval (0, 1)."""
        self._drawn += 1
        digest = hashlib.sha256(self._seed + self._drawn.to_bytes(4, "big")).digest()
        return (int.from_bytes(digest[:6], "big") + 0.5) / (1 << 48)

    def normal(self) -> float:
        """Draw from the standard normal distribution."""
        return _STANDARD_NORMAL.inv_cdf(self.uniform())

    def below(self, limit: int) -> int:
        """Draw a whole number from 0 to ``limit - 1``."""
        return int(self.uniform() * limit)

    def order(self, count: int) -> list[int]:
        """Draw a permutation of ``range(count)``."""
        return sorted(range(count), key=lambda _: self.uniform())


@dataclass(frozen=True)
class Prompt:
    """What a model is asked.

    ``key`` stands for the whole request: equal requests get equal answers.
    """

    system: str
    question: str
    key: str


@dataclass(frozen=True)
class Answer:
    """What a model says; ``data`` is the object behind the text where there is one, for forced tools."""

    text: str
    data: dict[str, Any] | None = None

    @staticmethod
    def of(data: dict[str, Any]) -> Answer:
        """Answer with compact JSON."""
        return Answer(compact(data), data)


class Brain(Protocol):
    """A simulated model."""

    def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt."""
        ...


def compact(data: dict[str, Any]) -> str:
    """Serialise without white space."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)
