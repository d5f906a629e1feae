"""The task's own measure, read from its output schema: how far numbers are off, how often choices are right.

The judge gives an opinion; this is arithmetic. Numeric fields are compared by absolute error, enumerations and booleans
by equality. Free text has no measure of its own and is left to the judge.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.domain.dataset.normalization import normalise
from lambdas.domain.evaluation.schema_fields import ITEMS, Kind, Path, fields_of
from lambdas.domain.text.answer_repair import read_object, repaired

MOST_TEXTS, LONGEST_TEXT, FEWEST_OF_A_TEXT = 20, 40, 5
"""Different references, their characters, and records for each of them on average, by which texts are values."""

_ABSENT = object()
"""Says that an answer does not have a field, which ``None`` does not: an enumeration may have ``null``."""


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field of one answer against the reference.

    Attributes
    ----------
    field : str
        Names of the properties on the way, joined by dots.
    kind : str
        ``number`` or ``choice``.
    error : float or None
        Absolute error of a number; ``None`` for a choice, and where the answer has no number there.
    equal : bool
        Whether both say the same.
    """

    field: str
    kind: Kind
    error: float | None
    equal: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskMetric:
    """What the differences of many answers add up to.

    Attributes
    ----------
    numbers : dict
        Field to ``mean_absolute_error``, ``largest_error`` and ``compared`` (answers that have a number there).
    choices : dict
        Field to ``exact_match`` (share, 0 to 1; an answer without the field does not match) and ``compared``.
    unreadable : int
        Answers without a JSON object, even after repair: they have no errors, and count as not matching.
    """

    numbers: dict[str, dict[str, float]]
    choices: dict[str, dict[str, float]]
    unreadable: int

    def to_document(self) -> dict[str, Any]:
        """Give the metric as written to ``report.json``."""
        return {"numbers": self.numbers, "choices": self.choices, "unreadable": self.unreadable}


def measured_fields(schema: dict[str, Any] | None) -> dict[Path, Kind]:
    """List the fields of an output schema that can be compared, also within nested objects (not within arrays)."""
    return {path: kind for path, kind in fields_of(schema) if path and ITEMS not in path} if schema else {}


def field_differences(
    schema: dict[str, Any] | None, answer_text: str, reference_text: str
) -> list[FieldDifference] | None:
    """Compare an answer with a reference, field by field.

    Parameters
    ----------
    schema : dict or None
        The task's output schema.
    answer_text, reference_text : str
        As the models gave them; both are read after repair.

    Returns
    -------
    list of FieldDifference or None
        One for each measured field that the reference has. ``None`` where the answer or the reference is not JSON
        object, or where the schema has nothing to measure: then nothing can be said.
    """
    return _differences(measured_fields(schema), answer_text, reference_text)


def _differences(fields: dict[Path, Kind], answer_text: str, reference_text: str) -> list[FieldDifference] | None:
    reference = read_object(reference_text)
    answer = read_object(answer_text)
    if not fields or reference is None or answer is None:
        return None
    found = ((path, kind, _at(reference, path), _at(answer, path)) for path, kind in fields.items())
    return [_difference(path, kind, wanted, given) for path, kind, wanted, given in found if wanted is not None]


def measure_task(schema: dict[str, Any] | None, pairs: Iterable[tuple[str, str]]) -> TaskMetric | None:
    """Add up the differences of many answers.

    Parameters
    ----------
    schema : dict or None
    pairs : iterable of tuple
        Answer and reference.

    Returns
    -------
    TaskMetric or None
        ``None`` where the schema has neither numbers nor choices.
    """
    fields = measured_fields(schema)
    if not fields:
        return None
    differences: dict[str, list[FieldDifference]] = {".".join(path): [] for path in fields}
    unreadable, lost = 0, Counter[str]()
    for answer, reference in pairs:
        found, wanted = _differences(fields, answer, reference), read_object(reference)
        if found is None and wanted is not None:
            unreadable += 1
            lost.update(".".join(path) for path in fields if _at(wanted, path) is not None)
        for difference in found or ():
            differences[difference.field].append(difference)
    kinds = {".".join(path): kind for path, kind in fields.items()}
    return TaskMetric(
        numbers={name: _errors(found) for name, found in differences.items() if kinds[name] == "number" and found},
        choices={
            name: _matches(found, lost[name])
            for name, found in differences.items()
            if kinds[name] == "choice" and found
        },
        unreadable=unreadable,
    )


@dataclass(frozen=True, slots=True)
class ClassRecall:
    """How often the student gives a value where the reference has it.

    Attributes
    ----------
    field : str
        Names of the properties on the way, joined by dots.
    value : str
        As JSON.
    records, found : int
        References with the value; answers to them that have it too.
    """

    field: str
    value: str
    records: int
    found: int

    @property
    def recall(self) -> float:
        """Share that is found, 0 to 1."""
        return self.found / self.records


def class_recalls(schema: dict[str, Any] | None, pairs: Iterable[tuple[str, str]]) -> list[ClassRecall]:
    """Count, for each value of each choice of the schema, how often the answers find it; fields and values in order.

    Of an array each different member is a value. ``null`` is one where the reference says so.

    Parameters
    ----------
    schema : dict or None
    pairs : iterable of tuple
        Answer and reference; an answer that cannot be read finds nothing.
    """
    choices = [path for path, kind in fields_of(schema or {}) if kind == "choice"]
    records, found = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for answer_text, reference_text in pairs if choices else ():
        wanted, given = _read_both_ways(reference_text), _read_both_ways(answer_text)
        for path in choices:
            whole = path[:1] in ((), (ITEMS,))
            values, others = _said(wanted[whole], path), _said(given[whole], path)
            field = ".".join(step for step in path if step != ITEMS) or "answer"
            records.update((field, value) for value in values)
            found.update((field, value) for value in values & others)
    return [ClassRecall(*name, count, found[name]) for name, count in sorted(records.items())]


def _read_both_ways(text: str) -> tuple[object, object]:
    """Give the object of an answer after repair, and the whole value, which need not be an object."""
    for candidate in (text, repaired(text)):
        try:
            return read_object(text), json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    return None, _ABSENT


def _said(value: object, path: Path) -> set[str]:
    """Give the values, as JSON, that stand at a path: one at most unless it leads through an array."""
    found = [value]
    for name in path:
        found = [inner for one in found for inner in _one_deeper(one, name)]
    return {said for one in found if one is not _ABSENT and (said := _as_json(one)) is not None}


def _one_deeper(value: object, name: str) -> list[object]:
    if isinstance(value, list):
        return value if name == ITEMS else []
    return [value[name]] if isinstance(value, dict) and name in value else []


def _as_json(value: object) -> str | None:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    except RecursionError:
        return None


def text_recalls(pairs: Sequence[tuple[str, str]]) -> list[ClassRecall]:
    """Count the same for answers without a schema, where the references are a few short texts again and again.

    Parameters
    ----------
    pairs : sequence of tuple
        Answer and reference; they are compared in their normal form.
    """
    shown = {normalise(reference): reference.strip() for _, reference in reversed(pairs)}
    longest = max((len(text) for text in shown.values()), default=0)
    if len(shown) * FEWEST_OF_A_TEXT > len(pairs) or len(shown) > MOST_TEXTS or longest > LONGEST_TEXT:
        return []
    if not all(shown):
        return []  # a text of signs alone
    wanted = [normalise(reference) for _, reference in pairs]
    records = Counter(wanted)
    found = Counter(value for value, (answer, _) in zip(wanted, pairs, strict=True) if normalise(answer) == value)
    return [ClassRecall("answer", shown[value], count, found[value]) for value, count in sorted(records.items())]


def _at(value: object, path: Path) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _difference(path: Path, kind: Kind, wanted: object, given: object) -> FieldDifference:
    name = ".".join(path)
    if kind == "choice":
        return FieldDifference(name, kind, None, wanted == given and type(wanted) is type(given))
    first, second = _number(wanted), _number(given)
    error = None if first is None or second is None else abs(first - second)
    return FieldDifference(name, kind, error, error == 0)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _errors(found: Sequence[FieldDifference]) -> dict[str, float]:
    errors = [item.error for item in found if item.error is not None]
    if not errors:
        return {"compared": 0}
    return {"mean_absolute_error": statistics.fmean(errors), "largest_error": max(errors), "compared": len(errors)}


def _matches(found: Sequence[FieldDifference], lost: int) -> dict[str, float]:
    """Count matches; ``lost`` are answers that could not be read where the reference has the field."""
    compared = len(found) + lost
    return {"exact_match": sum(item.equal for item in found) / compared, "compared": compared}


def disagreement(schema: dict[str, Any] | None, answer: str, golden: str, max_difference: float) -> str | None:
    """Say in which field an answer disagrees with a golden answer, or ``None``.

    Parameters
    ----------
    schema : dict or None
        The task's output schema, which says what is measured.
    answer, golden : str
    max_difference : float
        How far a number may be off; choices must be equal.

    Returns
    -------
    str or None
        The first field that is off, without either text: reasons reach reports. Several answers that are off in the
        same field have the same reason, so that the report can count them.
    """
    for difference in field_differences(schema, answer, golden) or ():
        if difference.kind == "choice" and not difference.equal:
            return f"disagrees with the golden answer: {difference.field} is another choice"
        if difference.kind == "number" and (difference.error is None or difference.error > max_difference + 1e-9):
            return f"disagrees with the golden answer: {difference.field} is off by more than {max_difference:g}"
    return None
