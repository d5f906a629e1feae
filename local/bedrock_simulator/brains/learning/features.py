"""Texts as rows of numbers: which of the words that occur often enough are in a question."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from local.bedrock_simulator.brains.base import words_of

Matrix = npt.NDArray[np.float64]

_LEAST_OCCURRENCES = 2
_LARGEST_VOCABULARY = 2000
_MOST_COMPARED = 2500
_MOST_CANDIDATES = 400
_FIRST_UNSPACED = "\u0e00"  # Thai: from here on come the scripts that are written without spaces, and few others


def features_of(text: str) -> set[str]:
    """Return the words of a text, and pairs of neighbours where a word is one character of an unspaced script."""
    words = words_of(text)
    return set(words) | set(_pairs(words))


def _pairs(words: Sequence[str]) -> Iterator[str]:
    for left, right in itertools.pairwise(words):
        if left >= _FIRST_UNSPACED and right >= _FIRST_UNSPACED and len(left) + len(right) <= 4:  # noqa: PLR2004
            yield left + right


class Vocabulary:
    """The features that occur often enough to learn from; index 0 is the bias.

    Parameters
    ----------
    questions : sequence of str
        The training questions.
    hints : sequence of str
        Texts whose words count however rare they are.
    """

    def __init__(self, questions: Sequence[str], hints: Sequence[str] = ()) -> None:
        frequency = Counter(word for question in questions for word in sorted(features_of(question)))
        known = [word for word, count in frequency.most_common(_LARGEST_VOCABULARY) if count >= _LEAST_OCCURRENCES]
        known = list(dict.fromkeys([*known, *(word for hint in hints for word in sorted(features_of(hint)))]))
        self._index = {word: position for position, word in enumerate(known, start=1)}
        self.size = len(known) + 1

    def rows(self, questions: Sequence[str]) -> Matrix:
        """Return one row a question, shape ``(len(questions), size)``: 1 where the word occurs."""
        rows = np.zeros((len(questions), self.size))
        rows[:, 0] = 1.0
        for row, question in enumerate(questions):
            rows[row, [self._index[word] for word in features_of(question) if word in self._index]] = 1.0
        return rows


class KnownQuestions:
    """The training questions as they are compared with: evenly chosen where there are very many.

    Attributes
    ----------
    taken : sequence of int
        Which of all questions these are.
    texts : list[str]
        Their texts.
    rows : Matrix
        Their features.
    """

    def __init__(self, vocabulary: Vocabulary, questions: Sequence[str]) -> None:
        self._vocabulary = vocabulary
        self.taken = range(0, len(questions), -(-len(questions) // _MOST_COMPARED))
        self.texts = [questions[place] for place in self.taken]
        self.rows = vocabulary.rows(self.texts)

    def shared_with(self, question: str) -> Matrix:
        """Return how many words each known question shares with one."""
        shared: Matrix = self.rows @ self._vocabulary.rows([question])[0]
        return shared


class Nearest:
    """Finds the training question that shares the most, and the rarest, words with a question."""

    def __init__(self, questions: Sequence[str]) -> None:
        self._words = [frozenset(features_of(question)) for question in questions]
        self._where: defaultdict[str, list[int]] = defaultdict(list)
        for row, words in enumerate(self._words):
            for word in words:
                self._where[word].append(row)

    def find(self, question: str) -> int:
        """Return the index of the nearest training question."""
        total = len(self._words)
        score: defaultdict[int, float] = defaultdict(float)
        asked = sorted(features_of(question) & self._where.keys(), key=lambda word: (len(self._where[word]), word))
        for word in asked:
            rows = self._where[word]
            if score and len(rows) > _MOST_CANDIDATES:
                break
            for row in rows[:_MOST_CANDIDATES]:
                score[row] += math.log((1 + total) / len(rows))
        return min(score, key=lambda row: (-score[row] / math.sqrt(len(self._words[row])), row)) if score else 0
