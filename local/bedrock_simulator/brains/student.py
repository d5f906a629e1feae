"""The distilled student: it really learns from its training pairs, and knows nothing else.

Numbers in the answers are learned by linear least squares with a ridge on the words that occur in two or more
training questions, solved step by step by conjugate gradients, so that the training loss of each step is measured.
Words that take few values are learned as categories, other texts come from the nearest training question.

This module must never import the task's rules: a test walks its imports.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from local.bedrock_simulator.brains.base import Answer, Prompt, compact, words_of
from local.bedrock_simulator.brains.numbers import fitted, is_number

Matrix = npt.NDArray[np.float64]
Path = tuple[str, ...]

_LEAST_OCCURRENCES = 2
_LARGEST_VOCABULARY = 2000
_RIDGE = 0.3
_STEPS = 60
_CONVERGED = 1e-10
_ROWS_AT_ONCE = 2000
_MOST_CATEGORIES = 20
_LEAST_EXAMPLES_PER_CATEGORY = 5
_CONSTANT_SUM = 0.011
_MAJORITY = 0.5
_MOST_CANDIDATES = 400


@dataclass(frozen=True)
class Pair:
    """One training pair: the user's text and the answer to learn."""

    question: str
    answer: str


class _Vocabulary:
    """The words that occur often enough to learn from; index 0 is the bias."""

    def __init__(self, questions: Sequence[str]) -> None:
        frequency = Counter(word for question in questions for word in set(words_of(question)))
        known = [word for word, count in frequency.most_common(_LARGEST_VOCABULARY) if count >= _LEAST_OCCURRENCES]
        self._index = {word: position for position, word in enumerate(known, start=1)}
        self.size = len(known) + 1

    def features(self, questions: Sequence[str]) -> Matrix:
        """Return one row a question, shape ``(len(questions), size)``: 1 where the word occurs."""
        rows = np.zeros((len(questions), self.size))
        rows[:, 0] = 1.0
        for row, question in enumerate(questions):
            rows[row, [self._index[word] for word in set(words_of(question)) if word in self._index]] = 1.0
        return rows


def _least_squares(vocabulary: _Vocabulary, questions: Sequence[str], targets: Matrix) -> tuple[Matrix, list[float]]:
    """Solve ``(X'X + ridge) W = X'Y`` by conjugate gradients; also return the mean squared error after each step."""
    gram = np.eye(vocabulary.size) * _RIDGE
    gram[0, 0] = 1e-6
    right = np.zeros((vocabulary.size, targets.shape[1]))
    for start in range(0, len(questions), _ROWS_AT_ONCE):
        rows = vocabulary.features(questions[start : start + _ROWS_AT_ONCE])
        gram += rows.T @ rows
        right += rows.T @ targets[start : start + _ROWS_AT_ONCE]
    energy = float((targets**2).sum())
    weights = np.zeros_like(right)
    residual = right.copy()
    direction = residual.copy()
    power = (residual**2).sum(axis=0)
    losses: list[float] = []
    for _ in range(_STEPS):
        image = gram @ direction
        step = power / np.maximum((direction * image).sum(axis=0), 1e-300)
        weights += step * direction
        residual -= step * image
        losses.append(_loss(gram, right, weights, energy, targets.size))
        following = (residual**2).sum(axis=0)
        if float(following.max(initial=0.0)) < _CONVERGED:
            break
        direction = residual + (following / np.maximum(power, 1e-300)) * direction
        power = following
    return weights, losses


def _loss(gram: Matrix, right: Matrix, weights: Matrix, energy: float, count: int) -> float:
    squared = float((weights * (gram @ weights)).sum()) - 2 * float((weights * right).sum()) + energy
    return max(0.0, squared / max(1, count))


class _Nearest:
    """Finds the training question that shares the most, and the rarest, words with a question."""

    def __init__(self, questions: Sequence[str]) -> None:
        self._words = [frozenset(words_of(question)) for question in questions]
        self._where: defaultdict[str, list[int]] = defaultdict(list)
        for row, words in enumerate(self._words):
            for word in words:
                self._where[word].append(row)

    def find(self, question: str) -> int:
        """Return the index of the nearest training question."""
        total = len(self._words)
        score: defaultdict[int, float] = defaultdict(float)
        asked = sorted(set(words_of(question)) & self._where.keys(), key=lambda word: len(self._where[word]))
        for word in asked:
            rows = self._where[word]
            if score and len(rows) > _MOST_CANDIDATES:
                break
            for row in rows[:_MOST_CANDIDATES]:
                score[row] += math.log((1 + total) / len(rows))
        return min(score, key=lambda row: (-score[row] / math.sqrt(len(self._words[row])), row)) if score else 0


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
        parsed = [(pair, _parse(pair.answer)) for pair in pairs]
        usable = [(pair, data) for pair, data in parsed if data is not None]
        if len(usable) > _MAJORITY * len(pairs):
            pairs = [pair for pair, _ in usable]
            self._answers: list[dict[str, Any]] | None = [data for _, data in usable]
        else:
            self._answers = None
        self._texts = [pair.answer for pair in pairs]
        questions = [pair.question for pair in pairs]
        self._nearest = _Nearest(questions)
        self.losses = [0.0]  # by looking up the nearest pair, every training pair is answered exactly
        if self._answers:
            self._learn(questions, self._answers)

    def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt."""
        near = self._nearest.find(prompt.question)
        if self._answers is None:
            return Answer(self._texts[near])
        predicted = (self._vocabulary.features([prompt.question]) @ self._weights)[0]
        values = self._numbers_from(predicted) | self._categories_from(predicted)
        data = _rebuilt(self._form, values, self._answers[near])
        return Answer(compact(data) if self._compact else json.dumps(data, ensure_ascii=False), data)

    def _learn(self, questions: Sequence[str], answers: list[dict[str, Any]]) -> None:
        flat = [_flatten(answer) for answer in answers]
        forms = Counter(tuple(leaves) for leaves in flat)
        self._form = forms.most_common(1)[0][0]
        fit = [row for row, leaves in enumerate(flat) if tuple(leaves) == self._form]
        self._numeric = [path for path in self._form if all(is_number(flat[row][path]) for row in fit)]
        self._categories = {
            path: labels for path in self._form if path not in self._numeric and (labels := _labels(flat, fit, path))
        }
        targets = np.array([self._target(flat[row]) for row in fit]).reshape(len(fit), -1)
        self._vocabulary = _Vocabulary([questions[row] for row in fit])
        self._weights, self.losses = _least_squares(self._vocabulary, [questions[row] for row in fit], targets)
        self._ranges = [
            (float(targets[:, i].min()), float(targets[:, i].max()), _decimals([flat[r][p] for r in fit]))
            for i, p in enumerate(self._numeric)
        ]
        self._groups = _groups_of_constant_sum(self._numeric, targets)
        self._compact = sum('": ' not in text for text in self._texts) > _MAJORITY * len(self._texts)

    def _target(self, leaves: dict[Path, Any]) -> list[float]:
        one_hot = [float(leaves[path] == label) for path, labels in self._categories.items() for label in labels]
        return [float(leaves[path]) for path in self._numeric] + one_hot

    def _numbers_from(self, predicted: Matrix) -> dict[Path, Any]:
        clipped = [
            min(max(float(value), low), high) for value, (low, high, _) in zip(predicted, self._ranges, strict=False)
        ]
        decimals = [places for _, _, places in self._ranges]
        for members, total in self._groups:
            fit = fitted([clipped[i] for i in members], total, max(decimals[i] for i in members))
            for i, value in zip(members, fit, strict=True):
                clipped[i] = value
        return {
            path: round(value) if places == 0 else round(value, places)
            for path, value, places in zip(self._numeric, clipped, decimals, strict=True)
        }

    def _categories_from(self, predicted: Matrix) -> dict[Path, Any]:
        chosen: dict[Path, Any] = {}
        start = len(self._numeric)
        for path, labels in self._categories.items():
            chosen[path] = labels[int(np.argmax(predicted[start : start + len(labels)]))]
            start += len(labels)
        return chosen


def _parse(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value else None


def _flatten(value: dict[str, Any], above: Path = ()) -> dict[Path, Any]:
    leaves: dict[Path, Any] = {}
    for name, member in value.items():
        if isinstance(member, dict) and member:
            leaves |= _flatten(member, (*above, name))
        else:
            leaves[(*above, name)] = member
    return leaves


def _groups_of_constant_sum(numeric: Sequence[Path], targets: Matrix) -> list[tuple[list[int], float]]:
    """Find sibling numbers whose sum is the same in all training answers: ``(their indices, the sum)``."""
    siblings: defaultdict[Path, list[int]] = defaultdict(list)
    for index, path in enumerate(numeric):
        siblings[path[:-1]].append(index)
    groups = []
    for members in siblings.values():
        sums = targets[:, members].sum(axis=1)
        if len(members) > 1 and float(sums.max() - sums.min()) <= 2 * _CONSTANT_SUM:
            groups.append((members, round(float(np.median(sums)), 2)))
    return groups


def _labels(flat: list[dict[Path, Any]], rows: list[int], path: Path) -> list[Any]:
    """Return the values of a category, or nothing where a leaf is free text."""
    values = [flat[row][path] for row in rows]
    if not all(isinstance(value, str | bool) for value in values):
        return []
    counts = Counter(values)
    few = len(counts) <= _MOST_CATEGORIES and len(values) >= _LEAST_EXAMPLES_PER_CATEGORY * len(counts)
    return [label for label, _ in counts.most_common()] if few else []


def _decimals(values: list[float]) -> int:
    places = Counter(len(text.partition(".")[2]) if "." in (text := repr(value)) else 0 for value in values)
    return max(count for count, seen in places.items() if seen * 20 >= len(values))


def _rebuilt(form: Sequence[Path], values: dict[Path, Any], near: dict[str, Any]) -> dict[str, Any]:
    """Put learned values into the form of the answers; what was not learned comes from the nearest answer."""
    lent = _flatten(near)
    result: dict[str, Any] = {}
    for path in form:
        branch = result
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = values[path] if path in values else lent.get(path, "")
    return result
