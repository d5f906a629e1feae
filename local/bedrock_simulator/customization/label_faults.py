"""Ordered faults on what a job trains on. They touch the training file only, never a holdout or an answer elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from local.bedrock_simulator.brains.agreement import is_choice
from local.bedrock_simulator.brains.base import Chance
from local.bedrock_simulator.brains.learning.documents import leaves_of
from local.bedrock_simulator.brains.mistakes import are_shares
from local.bedrock_simulator.brains.numbers import is_number
from local.bedrock_simulator.brains.student import Pair
from local.bedrock_simulator.faults import Fault

Item = TypeVar("Item")


def fewer_records(records: Sequence[Item], faults: Sequence[Fault]) -> list[Item]:
    """Apply ``keep_records`` and ``keep_fraction``: a seeded choice, in the file's order."""
    kept = list(records)
    for fault in faults:
        if fault.kind == "keep_records":
            kept = _choice(kept, int(fault.options["records"]), fault)
        elif fault.kind == "keep_fraction":
            kept = _choice(kept, max(1, round(len(kept) * fault.options["fraction"])), fault)
    return kept


def worse_labels(pairs: Sequence[Pair], faults: Sequence[Fault]) -> list[Pair]:
    """Apply the faults that concern answers, in the order in which they struck.

    ``one_category_only`` keeps the most frequent category, ``remove_category`` takes one away (by name, else the most
    frequent), ``permuted_labels`` shuffles the labels and ``label_noise`` a share of them.
    """
    worse = list(pairs)
    for fault in faults:
        if fault.kind in ("one_category_only", "remove_category"):
            categories = [category_of(pair.answer) for pair in worse]
            named = fault.options.get("category") or Counter(categories).most_common(1)[0][0]
            keep = fault.kind == "one_category_only"
            chosen = [pair for pair, category in zip(worse, categories, strict=True) if (category == named) is keep]
            worse = chosen or worse  # a file of one category only cannot lose it: a job trains on something
        elif fault.kind in ("permuted_labels", "label_noise"):
            worse = _permuted(worse, fault)
    return worse


def category_of(answer: str) -> str:
    """Name an answer's category.

    It is the key of the largest number where the numbers are shares of one whole, otherwise the first choice (a word or
    two, or yes and no), otherwise the key of the largest number, otherwise the whole answer.
    """
    try:
        data = json.loads(answer)
    except ValueError:
        return answer
    leaves = leaves_of(data)
    numbers = {path[-1]: float(value) for path, value in leaves.items() if is_number(value)}
    choice = next((value for value in leaves.values() if is_choice(value)), None)
    if choice is not None and not are_shares(numbers):
        return json.dumps(choice).strip('"') if isinstance(choice, bool) else str(choice)
    return max(numbers, key=lambda key: numbers[key]) if numbers and isinstance(data, dict) else answer


def _choice(items: list[Item], count: int, fault: Fault) -> list[Item]:
    order = Chance(fault.kind, str(fault.options["seed"])).order(len(items))
    return [items[i] for i in sorted(order[:count])]


def _permuted(pairs: list[Pair], fault: Fault) -> list[Pair]:
    chance = Chance(fault.kind, str(fault.options["seed"]))
    share = fault.options.get("fraction", 1.0)
    chosen = sorted(chance.order(len(pairs))[: round(len(pairs) * share)])
    result = list(pairs)
    for target, source in zip(chosen, chance.order(len(chosen)), strict=True):
        result[target] = replace(pairs[target], answer=pairs[chosen[source]].answer)
    return result
