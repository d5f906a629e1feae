"""Versions of one prompt: templates that follow one another in time, around lines that stay."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations

from lambdas.domain.discovery.line_blocks import weight_of
from lambdas.domain.discovery.masking import PART_BIT, WEIGHT_MASK
from lambdas.domain.discovery.templates import CORE_CHARACTERS, MOST_CALLS, RuleDraft

ALIKE, FEW_BEFORE, ENOUGH_BEFORE = 0.4, 0.4, 3.0
"""Versions of a prompt: the share of lines that stay, the share of a steady task's calls that may come before the
middle of the version before, and how many a steady task must have there for that to mean something. A roll-out that
grows evenly over the whole range has a share of 0.3."""

COMPARED_CALLS = 500


def versions_of(drafts: Sequence[RuleDraft]) -> dict[int, int]:
    """Find drafts that are later versions of another: by number, the number of the version before.

    A later version has a good part of the other's lines, begins as the other ends, and comes from the same principal
    with the same tools. Each has one successor at most. Of several that began together, the one that has most of what
    few other drafts have is it: prompts of one house share their frame, and all may change on one day.
    """
    parts: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for number, draft in enumerate(drafts):
        parts[draft.principal, draft.tools].append(number)
    pairs: list[tuple[float, int, int]] = []
    for numbers in parts.values():
        pairs += _pairs(drafts, numbers)
    before: dict[int, int] = {}
    for _, first, second in sorted(pairs):
        if second not in before and first not in before.values():
            before[second] = first
    return before


def _pairs(drafts: Sequence[RuleDraft], numbers: Sequence[int]) -> Iterator[tuple[float, int, int]]:
    """Give what may be two versions of one prompt, with what speaks for it, smaller being more."""
    cores = {number: usual_lines(drafts[number], MOST_CALLS) for number in numbers}
    known = Counter(line for core in cores.values() for line in core)
    clock = sorted(call.moment for number in numbers for call in drafts[number].calls)
    moments = {number: sorted(call.moment for call in drafts[number].calls) for number in numbers}
    for first, second in permutations(numbers, 2):
        common = cores[first] & cores[second]
        smaller = min(weight_of(cores[first]), weight_of(cores[second]))
        if weight_of(common) < max(CORE_CHARACTERS, ALIKE * smaller):
            continue
        if _follows(moments[first], moments[second], clock):
            either = cores[first] | cores[second]
            yield -_telling(common, known) / _telling(either, known), first, second


def _telling(lines: Iterable[int], known: Mapping[int, int]) -> float:
    """Sum the lengths of whole lines, each divided by how many drafts have it."""
    return sum((f & WEIGHT_MASK) / known[f] for f in lines if not f & PART_BIT)


def _follows(first: list[float], second: list[float], clock: list[float]) -> bool:
    """Tell whether one begins as the other ends, measured in calls of their caller; all are sorted.

    Before the middle call of the first there are hardly any of the second, and the reverse, where there would be some
    if it had been there all the time.
    """
    middle_first, middle_second = first[len(first) // 2], second[len(second) // 2]
    gone = bisect_left(clock, middle_first) / len(clock)
    left = 1 - bisect_right(clock, middle_second) / len(clock)
    early = bisect_left(second, middle_first), gone * len(second)
    late = len(first) - bisect_right(first, middle_second), left * len(first)
    return all(found <= FEW_BEFORE * usual and usual >= ENOUGH_BEFORE for found, usual in (early, late))


def usual_lines(draft: RuleDraft, share: float) -> frozenset[int]:
    """Give the lines, and parts of lines, that this share of a draft's calls has, as some of the calls show it."""
    some = draft.calls[:COMPARED_CALLS]
    seen = Counter(f for call in some for f in call.features)
    return frozenset(f for f, n in seen.items() if n >= share * len(some))
