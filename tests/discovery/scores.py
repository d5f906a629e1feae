"""How well calls are grouped: pairwise precision, recall and F1 against the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable


def pairwise(pairs: Iterable[tuple[Hashable, Hashable]]) -> tuple[float, float, float]:
    """Give precision, recall and F1 over all pairs of calls; each pair is (true task, found task)."""
    both: Counter[tuple[Hashable, Hashable]] = Counter(pairs)
    true: Counter[Hashable] = Counter()
    found: Counter[Hashable] = Counter()
    for (task, group), count in both.items():
        true[task] += count
        found[group] += count

    def chosen(counts: Counter[Hashable] | Counter[tuple[Hashable, Hashable]]) -> float:
        return sum(count * (count - 1) / 2 for count in counts.values())

    right = chosen(both)
    precision, recall = right / max(1.0, chosen(found)), right / max(1.0, chosen(true))
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)
