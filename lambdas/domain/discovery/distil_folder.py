"""What a task's folder is made of when its calls are in the log: the prompt, the answers' schema and the volume."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lambdas.domain.discovery.spend import DAYS_A_YEAR, days_of
from lambdas.domain.serving.serving_costs import MONTHS_A_YEAR

if TYPE_CHECKING:
    from lambdas.domain.discovery.found_task import FoundTask
    from lambdas.domain.task.log_request import LogSource

SAME_PROMPT = 0.9
"""Share of the calls that must have the same system text for it to be the task's."""

ONE_SHAPE = 0.95
"""Share of the answers that must be objects with the same keys for a schema to be proposed."""

MOST_CHOICES, ANSWERS_A_CHOICE = 12, 10
"""Most different texts that are taken for a choice, and how many answers each must stand for."""

_MINUTES_A_DAY = 1_440
_MOST_PEAK = 1_000.0
_KINDS = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"))


def common_prompt(systems: Sequence[str | None]) -> str | None:
    """Give the system text that nearly all calls have; ``None`` where there is none."""
    found = Counter(systems).most_common(1)
    text, calls = found[0] if found else (None, 0)
    return text if text and calls >= SAME_PROMPT * len(systems) else None


def proposed_schema(answers: Sequence[str]) -> dict[str, Any] | None:
    """Propose a JSON Schema where nearly all answers are objects of one shape.

    Returns
    -------
    dict or None
        Each key with its kind; texts that are few and repeat are a choice. ``None`` where the answers have no shape.
    """
    objects = [found for found in map(_object, answers) if found is not None]
    shapes = Counter(frozenset(found) for found in objects).most_common(1)
    if not shapes or not shapes[0][0] or shapes[0][1] < ONE_SHAPE * len(answers):
        return None
    alike = [found for found in objects if frozenset(found) == shapes[0][0]]
    names = list(alike[0])
    return {
        "type": "object",
        "properties": {name: _property([found[name] for found in alike]) for name in names},
        "required": names,
        "additionalProperties": False,
    }


def serving_of(task: FoundTask) -> dict[str, Any]:
    """Give ``serving`` of ``task.json`` as the log measured it: on demand, the volume and its peak."""
    a_month = task.calls / days_of(task) * DAYS_A_YEAR / MONTHS_A_YEAR
    a_minute = task.calls / days_of(task) / _MINUTES_A_DAY
    peak = task.peak_calls_a_minute / a_minute if a_minute else 1.0
    return {
        "mode": "on_demand",
        "expected_requests_per_month": max(1, round(a_month)),
        "peak_to_mean": round(min(_MOST_PEAK, max(1.0, peak)), 1),
    }


def log_request(
    task: FoundTask,
    source: LogSource,
    start: datetime,
    *,
    rule: dict[str, Any] | None,
    metadata_key: str | None,
    conversation: str | None = None,
) -> dict[str, Any]:
    """Give ``<name>.logs.json``: the task's calls from ``start`` to the end of its range.

    Parameters
    ----------
    rule : dict or None
        Of the found task; ``None`` where metadata name it.
    metadata_key : str or None
        Key of the request metadata that names the task.
    conversation : str, optional
        Key of the request metadata that names a call's conversation.
    """
    end = date.fromisoformat(task.last_day) + timedelta(days=1)
    by_name = task.named_by == "metadata" and metadata_key is not None
    return {
        "bucket": source.bucket,
        "prefix": source.prefix,
        "from": start.isoformat().replace("+00:00", "Z"),
        "to": f"{end}T00:00:00Z",
        **({"metadata": {metadata_key: task.task}} if by_name else {}),
        **({} if rule is None else {"rule": rule}),
        **({} if conversation is None else {"conversation": conversation}),
    }


def _object(text: str) -> dict[str, Any] | None:
    bare = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        found = json.loads(bare)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _property(values: Sequence[Any]) -> dict[str, Any]:
    kinds = sorted({_kind(value) for value in values})
    if kinds == ["integer", "number"]:
        kinds = ["number"]
    if kinds == ["string"]:
        different = set(values)
        if len(different) <= min(MOST_CHOICES, len(values) // ANSWERS_A_CHOICE):
            return {"enum": sorted(different)}
    if kinds == ["array"]:
        return {"type": "array", **_items(values)}
    return {"type": kinds[0] if len(kinds) == 1 else kinds}


def _items(lists: Iterable[list[Any]]) -> dict[str, Any]:
    kinds = sorted({_kind(value) for values in lists for value in values})
    return {"items": {"type": kinds[0] if len(kinds) == 1 else kinds}} if kinds else {}


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null")
