"""What every simulated model has in common: a prompt, an answer, token counts and repeatable chance."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

import regex

_CHARACTERS_PER_TOKEN = 4
# Marks belong to words: vowel signs of Devanagari, for one, are no letters. Scripts that are written without spaces
# have one word a character.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
_WORD = regex.compile(
    rf"[{_UNSPACED}]\p{{M}}*|[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]\p{{M}}*(?:['\u2019]?[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]])*",
    regex.VERSION1,
)
_STANDARD_NORMAL = NormalDist()


def estimate_tokens(text: str) -> int:
    """Estimate a text's tokens at four characters each, the figure that the public estimates use."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def words_of(text: str) -> list[str]:
    """Split a text of any script into lower-case words; a script without spaces gives its characters."""
    lower = text.lower()
    return _ASCII_WORD.findall(lower) if lower.isascii() else _WORD.findall(lower)


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

    Attributes
    ----------
    system : str
        The system prompt.
    question : str
        The texts of all turns, one below the other.
    key : str
        Stands for the whole request: equal requests get equal answers.
    tool : str or None
        The tool that must be called.
    """

    system: str
    question: str
    key: str
    tool: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a model says.

    ``data`` is the object behind the text where there is one, for forced tools; ``certainty``, from 0 to 1, is what it
    may say of its own sureness.
    """

    text: str
    data: dict[str, Any] | None = None
    certainty: float | None = None

    @staticmethod
    def of(data: dict[str, Any], certainty: float | None = None) -> Answer:
        """Answer with compact JSON."""
        return Answer(compact(data), data, certainty)

    def with_value(self, name: str, value: float) -> Answer:
        """Return the answer with another number in a field at its top; prose and fences around it stay."""
        old, new = {**(self.data or {})}, {**(self.data or {}), name: value}
        for style in ({"separators": (",", ":")}, {}, {"indent": 2}):
            before = json.dumps(old, ensure_ascii=False, **style)
            if before in self.text:
                after = json.dumps(new, ensure_ascii=False, **style)
                return Answer(self.text.replace(before, after, 1), new, self.certainty)
        return self


class Brain(Protocol):
    """A simulated model."""

    def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt."""
        ...


def compact(data: dict[str, Any]) -> str:
    """Serialise without white space."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)
