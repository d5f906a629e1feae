"""Blocks of lines that occur together, in a list of calls of which only digests of lines are known.

Which calls have a line is one whole number, a bit a call: comparing two lines is one operation of the processor.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lambdas.domain.discovery.masking import PART_BIT, USER_BIT, WEIGHT_MASK

Features = tuple[int, ...]

SAME = 0.9
"""Two lines are one block where the calls that have both are at least this share of those that have either."""

MAX_BLOCKS = 400
MAX_WEIGHT = 400
FEW_SHARED = 0.07
"""Blocks exclude one another where they share at most this much of the smaller one."""

FIRST_PICKS = 40


CLOSE = 0.985
"""Lines that tell whether a call has the block are shared by nearly the very calls of its first line."""

TELLING, TELLING_CHARACTERS = 12, 60
"""Lines that a rule takes at most, and the least length of those that are enough to tell a block, in characters."""


@dataclass(slots=True)
class Block:
    """Lines that occur together.

    ``calls`` are the calls that have most of them, as bits, and ``count`` is how many those are; ``weight`` is the
    lines' length. One line of a template may be in other prompts too: a block is known by what most lines say.
    """

    calls: int
    count: int
    weight: int = 0
    groups: list[tuple[int, list[int]]] = field(default_factory=list)

    def add(self, features: list[int], bits: int) -> None:
        """Add lines that the very same calls have."""
        self.groups.append((bits, features))
        self.weight += length_of(features)

    def settle(self) -> None:
        """Find the calls that have most of the lines."""
        ordered = sorted(self.groups, key=lambda group: (-len(group[1]), group[1][0]))
        first, *others = (bits for bits, _ in ordered[:3])
        if 2 * len(ordered[0][1]) >= len(self.features) or not others:
            self.calls = first
        elif len(others) == 1:
            self.calls = first & others[0]
        else:
            second, third = others
            self.calls = (first & second) | (first & third) | (second & third)
        self.count = self.calls.bit_count()

    @property
    def features(self) -> list[int]:
        """All lines of the block, those of most calls first."""
        return [feature for _, features in self.groups for feature in features]

    def telling(self) -> Features:
        """Give the heaviest whole lines that tell whether a call has the block: hardly a call of it lacks one."""
        close = [
            feature
            for bits, features in self.groups
            if (bits & self.calls).bit_count() >= CLOSE * (bits | self.calls).bit_count()
            for feature in features
        ]
        return telling_first(close if length_of(close) >= TELLING_CHARACTERS else self.features)


def telling_first(features: Iterable[int]) -> Features:
    """Give as many as a rule takes, whole lines and the heaviest first."""
    return tuple(sorted(features, key=lambda f: (f & PART_BIT, -(f & WEIGHT_MASK), f))[:TELLING])


def core_of(blocks: Iterable[Block]) -> Block | None:
    """Join the blocks that nearly all calls have; those of most calls tell."""
    ordered = sorted(blocks, key=lambda b: (-b.count, b.features[0]))
    if not ordered:
        return None
    core = Block(ordered[0].calls, ordered[0].count)
    for block in ordered:
        for bits, features in block.groups:
            core.add(features, bits)
    return core


def length_of(features: Iterable[int]) -> int:
    """Sum the lengths of lines and of parts of lines: where each line has a variable, parts are all there is."""
    return sum(feature & WEIGHT_MASK for feature in features)


def weight_of(features: Iterable[int], *, system_only: bool = False) -> int:
    """Sum the lengths of whole lines, in characters."""
    return sum(f & WEIGHT_MASK for f in features if not f & PART_BIT and not (system_only and f & USER_BIT))


def blocks_of(calls: Sequence[Features], at_least: int, *, with_user: bool = True) -> list[Block]:
    """Give the blocks of lines that at least so many calls have, the heaviest first.

    Parameters
    ----------
    calls : sequence of tuple of int
        Features of each call.
    at_least : int
        Calls that a line must occur in.
    with_user : bool
        Whether lines of the user's turn count.
    """
    counts = Counter(f for call in calls for f in call if with_user or not f & USER_BIT)
    kept = {f for f, n in counts.items() if n >= at_least}
    where: defaultdict[int, list[int]] = defaultdict(list)
    for number, call in enumerate(calls):
        for feature in call:
            if feature in kept:
                where[feature].append(number)
    together: defaultdict[int, list[int]] = defaultdict(list)
    for feature, numbers in where.items():
        together[_bits(numbers, len(calls))].append(feature)
    found: list[Block] = []
    for bits, features in sorted(together.items(), key=lambda item: (-item[0].bit_count(), min(item[1]))):
        count = bits.bit_count()
        block = _same(found, bits, count)
        if block is None:
            block = Block(bits, count)
            found.append(block)
        block.add(sorted(features), bits)
    for block in found:
        block.settle()
    found.sort(key=lambda b: (-b.count * min(b.weight, MAX_WEIGHT), b.features[0]))
    return found[:MAX_BLOCKS]


def exclusive_family(blocks: Iterable[Block], calls: int, at_least: int, weight: int) -> tuple[list[Block], float]:
    """Give the blocks that exclude one another and have most calls together, and the share of the calls they have.

    Parameters
    ----------
    blocks : iterable of Block
        To choose from.
    calls : int
        All calls.
    at_least : int
        New calls that each block must bring.
    weight : int
        Length that each block must have, in characters.
    """
    choice = sorted((b for b in blocks if b.weight >= weight), key=lambda b: (-b.count, b.features[0]))
    best: list[Block] = []
    most = 0
    for first in choice[:FIRST_PICKS]:
        family, covered = [first], first.calls
        for block in choice:
            if block is first:
                continue
            shared = (block.calls & covered).bit_count()
            if shared > FEW_SHARED * block.count or block.count - shared < at_least:
                continue
            if any((block.calls & b.calls).bit_count() > FEW_SHARED * min(block.count, b.count) for b in family):
                continue
            family.append(block)
            covered |= block.calls
        count = covered.bit_count()
        if count > most * 1.01:
            best, most = family, count
    return best, most / calls


def numbers_of(bits: int) -> Iterator[int]:
    """Give the numbers of the calls whose bit is set."""
    text = bin(bits)[:1:-1]
    at = text.find("1")
    while at >= 0:
        yield at
        at = text.find("1", at + 1)


def _bits(numbers: Iterable[int], calls: int) -> int:
    raw = bytearray((calls + 7) // 8)
    for number in numbers:
        raw[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(raw, "little")


def _same(blocks: list[Block], bits: int, count: int) -> Block | None:
    for block in reversed(blocks):
        if count < SAME * block.count:
            return None
        if (bits & block.calls).bit_count() >= SAME * (bits | block.calls).bit_count():
            return block
    return None
