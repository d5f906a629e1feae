"""Learns the fields of an answer, each as what its values are: a number, one of few values, several of few, a text.

Numbers and choices are one linear least-squares problem over the words of the question, so that the training loss is
measured. What is none of these is written by :class:`~.phrases.Phrases`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from local.bedrock_simulator.brains.base import words_of
from local.bedrock_simulator.brains.learning.documents import Leaves, Path
from local.bedrock_simulator.brains.learning.features import KnownQuestions, Matrix, Nearest, Vocabulary
from local.bedrock_simulator.brains.learning.least_squares import solve_stepwise
from local.bedrock_simulator.brains.learning.phrases import Phrases
from local.bedrock_simulator.brains.numbers import fitted, is_number

_MOST_LABELS, _MOST_WHOLE_NUMBERS = 60, 12
_LEAST_EXAMPLES_PER_LABEL = 4
_LEAST_FORM_SHARE = 0.02
_LEAST_PAIRS_FOR_PHRASES = 20
_QUOTED = 0.6
_CHOSEN = 0.5
_CONSTANT_SUM = 0.011
_MOST_TARGET_WORDS = 50
_FORM: Path = ("\u0001form",)
NUMBER, CHOICE, CHOICES, TEXT = "number", "choice", "choices", "text"


@dataclass(frozen=True)
class Column:
    """One field and where it stands among the targets; ``labels`` are the values of a choice."""

    path: Path
    kind: str
    start: int
    labels: tuple[Hashable, ...] = ()

    @property
    def width(self) -> int:
        """How many targets it has."""
        return {NUMBER: 1, TEXT: 0}.get(self.kind, len(self.labels))

    def of(self, predicted: Matrix) -> Matrix:
        """Return its part of what was predicted."""
        return predicted[self.start : self.start + self.width]


@dataclass(frozen=True)
class Learned:
    """The fields of one answer, and how sure it is of its choices, from 0 to 1."""

    leaves: Leaves
    certainty: float


class Fields:
    """What was learned of the fields of answers.

    Parameters
    ----------
    questions : sequence of str
        The training questions, at least one.
    answers : sequence of Leaves
        The leaves of each answer.
    known_labels : mapping of Path to sequence
        Values that a field may have beside those of the answers, as a schema says.
    hints : sequence of (str, Leaves)
        Words that speak for a value of a field, as a schema describes it.

    Attributes
    ----------
    losses : list[float]
        The measured training loss after each step.
    """

    def __init__(
        self,
        questions: Sequence[str],
        answers: Sequence[Leaves],
        known_labels: Mapping[Path, Sequence[Any]] | None = None,
        hints: Sequence[tuple[str, Leaves]] = (),
    ) -> None:
        self._answers = answers
        forms = Counter(tuple(leaves) for leaves in answers)
        least = max(1, int(_LEAST_FORM_SHARE * len(answers)))
        self._forms = [form for form, count in forms.most_common() if count >= least] or [forms.most_common(1)[0][0]]
        paths = list(dict.fromkeys(path for form in self._forms for path in form))
        self._columns = self._arranged(questions, paths, known_labels or {})
        self._vocabulary = Vocabulary(questions, [text for text, _ in hints])
        self._known = KnownQuestions(self._vocabulary, questions)
        self._nearest = Nearest(questions)
        hinted = [
            (text, leaves) for text, leaves in hints if {column.path for column in self._columns} >= leaves.keys()
        ]
        taught = [*questions, *(text for text, _ in hinted)]
        targets = self._targets([*answers, *(leaves for _, leaves in hinted)])
        self._weights, self.losses = solve_stepwise(self._vocabulary, taught, targets)
        self._numbers = [column for column in self._columns if column.kind == NUMBER]
        self._limits = {column.path: self._limits_of(column.path) for column in self._numbers}
        self._groups = _groups_of_constant_sum(self._numbers, answers)
        self._texts = {column.path: self._type_of(column.path) for column in self._columns if column.kind == TEXT}
        self._phrases = self._learn_texts()

    def answer(self, question: str) -> Learned:
        """Return the fields of the answer to a question."""
        predicted: Matrix = (self._vocabulary.rows([question]) @ self._weights)[0]
        shared = self._known.shared_with(question)
        values: dict[Path, Any] = self._numbers_from(predicted)
        margins: list[float] = []
        for column in self._columns:
            if column.kind == CHOICE:
                values[column.path], margin = _choice(column, predicted)
                margins.append(margin)
            elif column.kind == CHOICES:
                values[column.path] = self._choices(column, predicted)
            elif column.kind == TEXT:
                values[column.path] = self._text(column.path, question, shared)
        form = self._forms[values.pop(_FORM, 0)]
        certainty = min(margins) if margins else float(shared.max() / max(1.0, float(len(words_of(question)))))
        return Learned({path: values[path] for path in form}, min(1.0, max(0.0, certainty)))

    def choices(self) -> dict[Path, list[Any]]:
        """Return the values of each field that has few."""
        return {
            column.path: list(column.labels)
            for column in self._columns
            if column.kind in (CHOICE, CHOICES) and column.path != _FORM
        }

    def nearest(self, question: str) -> Leaves:
        """Return the answer of the training question that is the most like a question."""
        return self._answers[self._nearest.find(question)]

    def _arranged(
        self, questions: Sequence[str], paths: Sequence[Path], known_labels: Mapping[Path, Sequence[Any]]
    ) -> list[Column]:
        columns: list[Column] = []
        start = 0
        if len(self._forms) > 1:
            columns.append(Column(_FORM, CHOICE, 0, tuple(range(len(self._forms)))))
            start = columns[0].width
        for path in paths:
            asked = [question for question, leaves in zip(questions, self._answers, strict=True) if path in leaves]
            values = [leaves[path] for leaves in self._answers if path in leaves]
            kind, labels = _kind_of(values, asked, known_labels.get(path, ()))
            columns.append(Column(path, kind, start, labels))
            start += columns[-1].width
        return columns

    def _targets(self, answers: Sequence[Leaves]) -> Matrix:
        """Return the targets; a field that an answer does not have is expected to be as it mostly is."""
        width = sum(column.width for column in self._columns)
        targets = np.full((len(answers), width), np.nan)
        forms = {form: place for place, form in enumerate(self._forms)}
        for row, leaves in enumerate(answers):
            if tuple(leaves) in forms:
                leaves = leaves | {_FORM: forms[tuple(leaves)]}  # noqa: PLW2901
            for column in self._columns:
                if column.path in leaves and column.width:
                    column.of(targets[row])[:] = _target(column, leaves[column.path])
        if not width:
            return _words_of_texts(answers)
        means = np.nanmean(targets, axis=0)
        return np.where(np.isnan(targets), means, targets)

    def _learn_texts(self) -> dict[Path, Phrases]:
        if len(self._answers) < _LEAST_PAIRS_FOR_PHRASES:
            return {}
        return {
            path: Phrases(
                self._known,
                [_written(leaves[path]) if path in leaves else None for leaves in self._answers],
                values=kind is not str,
            )
            for path, kind in self._texts.items()
        }

    def _text(self, path: Path, question: str, shared: Matrix) -> object:
        """Write a text, or what else is no choice; where that does not come out right, take the nearest answer's."""
        kind = self._texts[path]
        text = self._phrases[path].write(question, shared) if path in self._phrases else ""
        value = text if kind is str else _parsed(text)
        if text and (isinstance(value, kind) or (is_number(value) and kind in (int, float))):
            return value
        return self.nearest(question).get(path, next(leaves[path] for leaves in self._answers if path in leaves))

    def _type_of(self, path: Path) -> type:
        """Return the type that most values of a field have."""
        return Counter(type(leaves[path]) for leaves in self._answers if path in leaves).most_common(1)[0][0]

    def _choices(self, column: Column, predicted: Matrix) -> list[Any]:
        scores = column.of(predicted)
        chosen = [label for label, score in zip(column.labels, scores, strict=True) if score > _CHOSEN]
        shortest = min(len(leaves[column.path]) for leaves in self._answers if column.path in leaves)
        if len(chosen) < shortest:
            best = sorted(range(len(scores)), key=lambda i: -scores[i])[:shortest]
            chosen = [column.labels[i] for i in sorted(best)]
        return chosen

    def _limits_of(self, path: Path) -> tuple[float, float, int]:
        values = [leaves[path] for leaves in self._answers if path in leaves]
        return min(values), max(values), _decimals(values)

    def _numbers_from(self, predicted: Matrix) -> dict[Path, Any]:
        found: dict[Path, float] = {}
        for column in self._numbers:
            low, high, _ = self._limits[column.path]
            found[column.path] = min(max(float(predicted[column.start]), low), high)
        for members, total in self._groups:
            decimals = max(self._limits[path][2] for path in members)
            found |= dict(zip(members, fitted([found[path] for path in members], total, decimals), strict=True))
        places = {path: limits[2] for path, limits in self._limits.items()}
        return {
            path: round(value) if places[path] == 0 else round(value, places[path]) for path, value in found.items()
        }


def _kind_of(values: Sequence[Any], asked: Sequence[str], known: Sequence[Any]) -> tuple[str, tuple[Hashable, ...]]:
    """Say what kind of field has these values, and which labels it knows."""
    if all(isinstance(value, list) for value in values):
        return _kind_of_lists(values, known)
    kinds = (str, bool, int, *((float,) if known else ()))
    scalars = all(value is None or isinstance(value, kinds) for value in values)
    labels = tuple(dict.fromkeys([*(label for label, _ in _counted(values)), *known])) if scalars else ()
    few = len(labels) <= _MOST_LABELS and len(values) >= _LEAST_EXAMPLES_PER_LABEL * len(labels) - len(known)
    if all(is_number(value) for value in values):
        if scalars and (known or (few and len(labels) <= _MOST_WHOLE_NUMBERS)):
            return CHOICE, labels
        return (TEXT, ()) if _quoted(values, asked) else (NUMBER, ())
    return (CHOICE, labels) if scalars and (few or known) else (TEXT, ())


def _kind_of_lists(values: Sequence[list[Any]], known: Sequence[Any]) -> tuple[str, tuple[Hashable, ...]]:
    members = [member for value in values for member in value]
    if not all(isinstance(member, str | bool | int) for member in members):
        return TEXT, ()
    labels = tuple(dict.fromkeys([*(label for label, _ in _counted(members)), *known]))
    few = len(labels) <= _MOST_LABELS and len(members) >= _LEAST_EXAMPLES_PER_LABEL * len(labels) - len(known)
    return (CHOICES, labels) if few or known else (TEXT, ())


def _counted(values: Sequence[Any]) -> list[tuple[Any, int]]:
    """Count values, most frequent first; 1 and true are two values."""
    counts = Counter((type(value).__name__, value) for value in values)
    return [(value, count) for (_, value), count in counts.most_common()]


def _quoted(values: Sequence[Any], asked: Sequence[str]) -> bool:
    """Whether numbers are mostly taken from the question."""
    found = sum(str(value) in question for value, question in zip(values, asked, strict=True))
    return found >= _QUOTED * len(values)


def _target(column: Column, value: Any) -> Sequence[float]:  # noqa: ANN401 (any JSON value)
    if column.kind == NUMBER:
        return [float(value)]
    if column.kind == CHOICES:
        return [float(label in value) for label in column.labels]
    return [float(type(value) is type(label) and value == label) for label in column.labels]


def _choice(column: Column, predicted: Matrix) -> tuple[Any, float]:
    """Return the likeliest label, and how far it is ahead of the next."""
    scores = column.of(predicted)
    best = int(np.argmax(scores))
    others = np.delete(scores, best)
    margin = float(scores[best] - others.max()) if others.size else 1.0
    return column.labels[best], margin


def _groups_of_constant_sum(numbers: Sequence[Column], answers: Sequence[Leaves]) -> list[tuple[list[Path], float]]:
    """Find sibling numbers whose sum is the same in all training answers: ``(their paths, the sum)``."""
    siblings: defaultdict[Path, list[Path]] = defaultdict(list)
    for column in numbers:
        siblings[column.path[:-1]].append(column.path)
    groups = []
    for members in siblings.values():
        sums = [sum(leaves[path] for path in members) for leaves in answers if all(path in leaves for path in members)]
        if len(members) > 1 and len(sums) == len(answers) and max(sums) - min(sums) <= 2 * _CONSTANT_SUM:
            groups.append((members, round(float(np.median(sums)), 2)))
    return groups


def _decimals(values: Sequence[float]) -> int:
    places = Counter(len(text.partition(".")[2]) if "." in (text := repr(value)) else 0 for value in values)
    return max(count for count, seen in places.items() if seen * 20 >= len(values))


def _words_of_texts(answers: Sequence[Leaves]) -> Matrix:
    """Return which of the most frequent words each answer has: what the loss of a task of texts is measured on."""
    said = [set(words_of(" ".join(map(str, leaves.values())))) for leaves in answers]
    counts = Counter(word for words in said for word in sorted(words))
    frequent = [word for word, _ in counts.most_common(_MOST_TARGET_WORDS)] or [""]
    return np.array([[float(word in words) for word in frequent] for words in said])


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
