"""How a right answer goes wrong: a choice for another one, a number off, a part of a text left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local.bedrock_simulator.brains.base import Chance
from local.bedrock_simulator.brains.learning.documents import WHOLE, Leaves, Path, leaves_of, rebuilt
from local.bedrock_simulator.brains.numbers import disturbed, is_number
from local.bedrock_simulator.brains.schema_fields import Choices

_SUM_OF_SHARES = 0.02
_WORST_NUMBER = 0.6
_LEFT_OUT = 3
Rule = Callable[[Path, Any], Any]


def mistaken(right: Mapping[str, Any] | str, choices: Choices, chance: Chance) -> Mapping[str, Any] | str:
    """Return an answer with one mistake, in a choice where it has one."""
    if isinstance(right, str):
        return str(other_value(WHOLE, right, choices, chance))
    if are_shares(right):
        return disturbed(right, lambda value: value + 0.3 * chance.normal())
    leaves = leaves_of(dict(right))
    chosen = [path for path, value in leaves.items() if _may_change(path, value, choices)]
    options = chosen or list(leaves)
    path = options[chance.below(len(options))]
    changed = leaves | {path: other_value(path, leaves[path], choices, chance)}
    return dict(rebuilt(changed))  # type: ignore[call-overload, no-any-return]  # leaves of an object make an object


def disturbed_leaves(right: Mapping[str, Any], rule: Rule) -> dict[str, Any]:
    """Return an answer with a rule applied to each leaf."""
    changed: Leaves = {path: rule(path, value) for path, value in leaves_of(dict(right)).items()}
    return dict(rebuilt(changed))  # type: ignore[call-overload, no-any-return]  # leaves of an object make an object


def other_value(path: Path, value: Any, choices: Choices, chance: Chance) -> Any:  # noqa: ANN401 (any JSON value)
    """Return a wrong value for a field."""
    others = [other for other in choices.get(path, ()) if other != value or type(other) is not type(value)]
    if isinstance(value, list):
        return _other_list(value, choices.get(path, ()), chance)
    if others:
        return others[chance.below(len(others))]
    if isinstance(value, bool):
        return not value
    if is_number(value):
        moved = value * (1 + _WORST_NUMBER * (2 * chance.uniform() - 1))
        return round(moved) if isinstance(value, int) else round(moved, 2)
    return _shortened(value, chance) if isinstance(value, str) and " " in value else value


def are_shares(data: Mapping[str, Any]) -> bool:
    """Whether the numbers of an answer are parts of one whole."""
    numbers = [value for value in data.values() if is_number(value)]
    return len(numbers) > 1 and abs(sum(numbers) - 1) <= _SUM_OF_SHARES and all(0 <= value <= 1 for value in numbers)


def _may_change(path: Path, value: Any, choices: Choices) -> bool:  # noqa: ANN401 (any JSON value)
    return path != WHOLE and (isinstance(value, bool) or len(choices.get(path, ())) > 1)


def _other_list(value: list[Any], known: list[Any] | tuple[()], chance: Chance) -> list[Any]:
    """Leave one member out, or take one too many where that would leave none."""
    if len(value) > 1:
        place = chance.below(len(value))
        return value[:place] + value[place + 1 :]
    others = [other for other in known if other not in value]
    return [*value, others[chance.below(len(others))]] if others else value


def _shortened(text: str, chance: Chance) -> str:
    """Leave a third of the words out, as one piece."""
    words = text.split()
    gone = len(words) // _LEFT_OUT
    start = chance.below(len(words) - gone + 1) if words else 0
    return " ".join(words[:start] + words[start + gone :]) or text
