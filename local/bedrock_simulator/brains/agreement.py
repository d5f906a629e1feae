"""How much two answers agree, from 0 to 1: field by field where they are JSON, by their words where they are texts."""

from __future__ import annotations

from collections import Counter
from typing import Any

from local.bedrock_simulator.brains.base import words_of
from local.bedrock_simulator.brains.numbers import is_number

_EXACT, _USELESS = 0.01, 0.5
_LONGEST_CHOICE = 3
_TEXT_WEIGHT = 0.5


def agreement(wanted: Any, given: Any) -> float:  # noqa: ANN401 (any JSON value)
    """Return how much a value is like the wanted one; a field too many counts like one that is missing."""
    if isinstance(wanted, dict) and isinstance(given, dict):
        return _of_objects(wanted, given)
    if isinstance(wanted, list) and isinstance(given, list):
        return _of_lists(wanted, given)
    if is_number(wanted) and is_number(given):
        return _of_numbers(float(wanted), float(given))
    if isinstance(wanted, str) and isinstance(given, str):
        return _of_texts(wanted, given)
    return float(type(wanted) is type(given) and wanted == given)


def shared_words(wanted: str, given: str) -> float:
    """Return the overlap of the words of two texts (F1)."""
    ours, theirs = Counter(words_of(wanted)), Counter(words_of(given))
    common = (ours & theirs).total()
    if not ours and not theirs:
        return float(wanted.strip() == given.strip())
    return 2 * common / (ours.total() + theirs.total()) if common else 0.0


def is_choice(value: object) -> bool:
    """Whether a value is one of a few, as far as it can be seen: a word or two, or yes and no."""
    return isinstance(value, bool) or (isinstance(value, str) and 0 < len(words_of(value)) <= _LONGEST_CHOICE)


def _of_objects(wanted: dict[str, Any], given: dict[str, Any]) -> float:
    names = wanted.keys() | given.keys()
    weights = {name: _weight(wanted.get(name, given.get(name))) for name in names}
    if not names:
        return 1.0
    agreed = sum(
        weights[name] * agreement(wanted[name], given[name]) for name in names if name in wanted and name in given
    )
    return agreed / sum(weights.values())


def _weight(value: object) -> float:
    """Words that explain count less than what they explain."""
    if isinstance(value, dict):
        return sum(_weight(member) for member in value.values()) or 1.0
    return _TEXT_WEIGHT if isinstance(value, str) and not is_choice(value) else 1.0


def _of_lists(wanted: list[Any], given: list[Any]) -> float:
    if not wanted and not given:
        return 1.0
    left = list(given)
    agreed = 0.0
    for member in wanted:
        best = max(left, key=lambda other: agreement(member, other), default=None)
        if best is not None:
            agreed += agreement(member, best)
            left.remove(best)
    return 2 * agreed / (len(wanted) + len(given))


def _of_numbers(wanted: float, given: float) -> float:
    off = abs(wanted - given) / max(abs(wanted), 1.0)
    return 1.0 if off <= _EXACT else max(0.0, 1 - off / _USELESS)


def _of_texts(wanted: str, given: str) -> float:
    if is_choice(wanted):
        return float(words_of(wanted) == words_of(given))
    return shared_words(wanted, given)
