"""Learns to write: which word follows the last ones, decided by the words of the question where several may.

Where the training answers share phrases, they are put together anew; where each answer is of its own kind, the result
is the answer whose question is the most like. A word that an answer took from its own question (a number, a name) is
learned as a place in the question, not as that word.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import regex

from local.bedrock_simulator.brains.base import words_of
from local.bedrock_simulator.brains.learning.features import KnownQuestions, Matrix
from local.bedrock_simulator.brains.learning.least_squares import solve_by_rows

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_INNER = r"(?:[.,:/@_\-'\u2019][\p{L}\p{N}\p{M}]+)*"
_TOKEN = regex.compile(rf"\s*(?:[{_UNSPACED}]\p{{M}}*|[\p{{L}}\p{{N}}\p{{M}}]+{_INNER}|\S)", regex.VERSION1)
_MOST_ROWS = 600
# A word that more answers than this share have is a word of the task, not one of a single question.
_RARE_SHARE, _RARE_ANSWERS = 0.02, 2
_FREQUENT_SHARE, _QUOTED_SHARE, _NEVER = 0.6, 0.95, 1.1
_COPY = "\u0001copy"
_END = "\u0001end"
_START = "\u0001start"
_OF_TEXT, _OF_VALUES = 2, 6
_FARTHEST = 6
_FLOOR = 0.1
Context = tuple[str, ...]
_Decision = tuple[list[int], list[str], Matrix | None]


@dataclass(frozen=True)
class _Spot:
    """A word of a question: what is before it, and how it looks."""

    word: str
    before: str
    shape: str


@dataclass
class _Taken:
    """From where words were taken in one context: what was before them, their looks, how far from the last one."""

    before: Counter[str] = field(default_factory=Counter)
    shape: Counter[str] = field(default_factory=Counter)
    step: Counter[int] = field(default_factory=Counter)
    spacing: str = ""

    def add(self, spot: _Spot, step: int, spacing: str) -> None:
        """Remember one word; the first says how words are set off here."""
        if not self.shape:
            self.spacing = spacing
        self.before[spot.before] += 1
        self.shape[spot.shape] += 1
        self.step[step] += 1

    def likelihood(self, spot: _Spot, step: int) -> float:
        """Return how much a word is like those that were taken."""
        total = self.shape.total()
        if not total:
            return 0.0
        parts = self.shape[spot.shape], self.before[spot.before], self.step[step]
        shape, before, near = (part / total for part in parts)
        return shape * (_FLOOR + before) * (_FLOOR + near)


class Phrases:
    """What was learned of texts.

    Parameters
    ----------
    questions : KnownQuestions
        The training questions.
    answers : sequence of str or None
        The text of each; ``None`` where there is none, but not everywhere.
    values : bool
        Whether the texts are JSON: then more of what was said decides, and frequent words are taken from the question
        too where answers never have them otherwise.
    """

    def __init__(self, questions: KnownQuestions, answers: Sequence[str | None], *, values: bool = False) -> None:
        self._start = (_START,) * (_OF_VALUES if values else _OF_TEXT)
        self._questions = questions
        taken = [(row, str(answers[place])) for row, place in enumerate(questions.taken) if answers[place] is not None]
        written = [_TOKEN.findall(answer) for _, answer in taken]
        self._longest = max(len(tokens) for tokens in written) + 1
        asked = [_words(questions.texts[row]) for row, _ in taken]
        kept = _own_words(asked, written, _QUOTED_SHARE if values else _NEVER)
        self._next: defaultdict[Context, list[tuple[int, str]]] = defaultdict(list)
        self._taken: defaultdict[Context, _Taken] = defaultdict(_Taken)
        self._asked: Counter[str] = Counter()
        self._quoted: Counter[str] = Counter()
        for (row, _), words, tokens in zip(taken, asked, written, strict=True):
            self._read(row, words, tokens, kept)
        self._decided: dict[Context, _Decision] = {}
        self._deciding = Lock()

    def write(self, question: str, shared: Matrix) -> str:
        """Write the answer to a question, of which ``shared`` are the words that it has of each known one."""
        asked = _spots(_words(question))
        said: list[str] = []
        copied: list[int] = []
        context = self._start
        for _ in range(self._longest):
            symbols = self._following(context, shared)
            place = self._best_place(context, asked, copied) if symbols[0] == _COPY else None
            if place is None:
                token = next((symbol for symbol in symbols if symbol != _COPY), _END)
                if token == _END:
                    break
            else:
                copied.append(place)
                token = self._taken[context].spacing + asked[place].word
            said.append(token)
            context = self._moved(context, token.strip() if place is None else _COPY, len(copied))
        return "".join(said)

    def _read(self, row: int, asked: Sequence[str], tokens: Sequence[str], kept: frozenset[str]) -> None:
        where: defaultdict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(asked):
            where[word].append(place)
        self._asked.update(where.keys())
        spots = _spots(asked)
        last = copies = 0
        context = self._start
        for token in tokens:
            word = token.strip()
            symbol = token
            if word in where and word not in kept and any(character.isalnum() for character in word):
                symbol = _COPY
                place = where[word].pop(0) if len(where[word]) > 1 else where[word][0]
                spacing = token[: len(token) - len(token.lstrip())]
                self._taken[context].add(spots[place], _step(place, last), spacing)
                last = place
                self._quoted[word] += 1
            self._next[context].append((row, symbol))
            copies += symbol == _COPY
            context = self._moved(context, _COPY if symbol == _COPY else word, copies)
        self._next[context].append((row, _END))

    def _moved(self, context: Context, word: str, copies: int) -> Context:
        """Return the context after a word; among values, how many were taken from the question is part of it."""
        if len(context) == _OF_TEXT:
            return (*context[1:], word)
        return (f"{_COPY}{min(copies, _FARTHEST)}", *context[2:], word)

    def _following(self, context: Context, shared: Matrix) -> Sequence[str]:
        """Return the words that may follow, the likeliest first."""
        # Many threads ask at once, and each would learn the same.
        with self._deciding:
            decision = self._decided.get(context) or self._learned(context)
            self._decided[context] = decision
        rows, symbols, weights = decision
        if weights is None:
            return symbols
        return [symbols[i] for i in np.argsort(-(shared[rows] @ weights), kind="stable")]

    def _learned(self, context: Context) -> _Decision:
        """Learn, when it is first needed, what decides between the words that may follow."""
        seen = self._next[context]
        symbols = [symbol for symbol, _ in Counter(symbol for _, symbol in seen).most_common()]
        if len(symbols) == 1:
            return [], symbols, None
        seen = seen[:: -(-len(seen) // _MOST_ROWS)]
        rows = [row for row, _ in seen]
        index = {symbol: place for place, symbol in enumerate(symbols)}
        targets = np.zeros((len(seen), len(symbols)))
        targets[range(len(seen)), [index[symbol] for _, symbol in seen]] = 1.0
        some = self._questions.rows[rows]
        return rows, symbols, solve_by_rows(some @ some.T, targets)

    def _best_place(self, context: Context, asked: Sequence[_Spot], copied: Sequence[int]) -> int | None:
        """Return the place of the question that is the most like those from which words were taken here."""
        last, taken = (copied[-1] if copied else 0), self._taken[context]
        known = [
            (taken.likelihood(spot, _step(place, last)) * self._usual(spot.word), -place)
            for place, spot in enumerate(asked)
            if place not in copied
        ]
        best, place = max(known, default=(0.0, 0))
        return -place if best > 0 else None

    def _usual(self, word: str) -> float:
        """Return how often a word is taken where it is asked; one that was never asked is as likely as not."""
        return (1 + self._quoted[word]) / (2 + self._asked[word])


def _words(text: str) -> list[str]:
    return [token.strip() for token in _TOKEN.findall(text)]


def _own_words(asked: Sequence[Sequence[str]], written: Sequence[Sequence[str]], quoted_share: float) -> frozenset[str]:
    """Return the words that answers say by themselves: many have them, and not just where the question does."""
    said = [{token.strip() for token in tokens} for tokens in written]
    frequency = Counter(word for words in said for word in words)
    heard = Counter(word for words in asked for word in set(words))
    quoted = Counter(word for words, question in zip(said, map(set, asked), strict=True) for word in words & question)
    rare, often = max(_RARE_ANSWERS, int(_RARE_SHARE * len(said))), _FREQUENT_SHARE * len(said)
    return frozenset(
        word
        for word, count in frequency.items()
        if count > rare and (quoted[word] < quoted_share * count or count > often or heard[word] > often)
    )


def _spots(asked: Sequence[str]) -> list[_Spot]:
    befores = ["", *asked[:-1]]
    return [
        _Spot(word, before, _shape(word))
        for word, before in zip(asked, (_last_word(before) for before in befores), strict=False)
    ]


def _last_word(text: str) -> str:
    words = words_of(text)
    return words[-1] if words else ""


def _step(place: int, last: int) -> int:
    return max(-_FARTHEST, min(_FARTHEST, place - last))


def _shape(word: str) -> str:
    """Say how a word looks: ``AB-123`` is ``A-9``."""
    kinds = ["9" if c.isdigit() else "A" if c.isupper() else "a" if c.isalpha() else c for c in word]
    return "".join(kind for i, kind in enumerate(kinds) if i == 0 or kind != kinds[i - 1])
