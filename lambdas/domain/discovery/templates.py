"""Templates: calls of one principal and tool list are parted into what were different prompts.

Lines that always occur together are a block. Where a family of blocks that exclude one another covers nearly all calls,
each is a template of its own. Passages, options and signatures are not: they overlap, or leave a rest. Nor are the
values of a variable: single lines that change while everything else about the calls stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import pi, sqrt
from typing import TYPE_CHECKING

from lambdas.domain.discovery.line_blocks import (
    Block,
    blocks_of,
    core_of,
    exclusive_family,
    numbers_of,
    weight_of,
)
from lambdas.domain.discovery.masking import PART_BIT, SPLIT_CHARACTERS, USER_BIT, WEIGHT_MASK

if TYPE_CHECKING:
    from lambdas.domain.discovery.sampled_call import Manner, SampledCall

MIN_CALLS = 8
"""Calls of the sample that make a template."""

MAX_DEPTH = 12
COMMON, CORE_CHARACTERS, MIN_CORE_CHARACTERS = 0.95, 60, 12
NEARLY_ALL, MOST_CALLS, ENOUGH_CALLS = 0.95, 0.9, 0.3
MAX_ALTERNATIVES = 12
"""More alternatives than these under a common text are a variable, unless the calls differ by them."""

SHORT_CHARACTERS, OWN_PARTS = 40, 2
"""Alternatives of no more text than this are a variable, unless the calls differ by them; so is one longer line of
which fewer parts are its own: both its ends, or an end and the words with which the text begins."""

DIFFERENT, NOISE = 0.1, 1.5
"""How much the calls' models, operations, answers or hours must differ by alternative, of 1, and how many times the
difference that chance would make is taken off before."""

CLEARLY_DIFFERENT = 0.2
"""How much the manner of the calls with one block must differ from that of all, less what chance would make."""

Template = tuple[Block, ...]
"""Blocks of lines from what many calls share to what only the template's have; the last one is its own."""


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A template with the calls of the sample that made it."""

    principal: str
    tools: str
    order: int
    template: Template
    calls: list[SampledCall]


def templates_of(calls: list[SampledCall], path: Template = ()) -> list[tuple[Template, list[SampledCall]]]:
    """Part calls of one principal and tool list into templates; what fits none is left out."""
    count = len(calls)
    if count < 4 * MIN_CALLS or len(path) > MAX_DEPTH:
        return [(path, calls)] if path else _one_template(calls)
    features = [call.features for call in calls]
    blocks = blocks_of(features, max(MIN_CALLS, count // 200))
    core = _common_to(blocks, count)
    core_features = core.features if core else []
    here = (*path, core) if core and core.weight >= MIN_CORE_CHARACTERS and not path else path
    one_template = weight_of(core_features) >= CORE_CHARACTERS or bool(path)
    system_core = weight_of(core_features, system_only=True) >= CORE_CHARACTERS
    family = _family(calls, blocks, one_template=one_template, system_core=system_core)
    if not family:
        return [(here, calls)] if here else [] if path else _light_templates(calls)
    found, left = [], (1 << count) - 1
    for block in sorted(family, key=lambda b: (-b.count, b.features[0])):
        members = [calls[n] for n in numbers_of(block.calls & left)]
        left &= ~block.calls
        found += templates_of(members, (*(path or here), block))
    rest = [calls[n] for n in numbers_of(left)]
    if rest and len(rest) < count:
        found += templates_of(rest, here)
    return found


def _one_template(calls: list[SampledCall]) -> list[tuple[Template, list[SampledCall]]]:
    """Take calls that are too few to be parted for one template, where they have a text in common."""
    if len(calls) < MIN_CALLS:
        return []
    core = _common_to(blocks_of([call.features for call in calls], MIN_CALLS), len(calls))
    return [((core,), calls)] if core and core.weight >= CORE_CHARACTERS else []


def _common_to(blocks: Iterable[Block], count: int) -> Block | None:
    """Join the blocks that nearly all of so many calls have."""
    return core_of(block for block in blocks if block.count >= COMMON * count)


def _family(calls: list[SampledCall], blocks: list[Block], *, one_template: bool, system_core: bool) -> list[Block]:
    """Give the blocks that part the calls; none where they are one template."""
    count, features, manners = len(calls), [call.features for call in calls], [call.manner for call in calls]
    rare = [block for block in blocks if block.count < COMMON * count]
    to_try = rare
    if system_core:
        of_system = blocks_of(features, max(MIN_CALLS, count // 200), with_user=False)
        to_try = [block for block in of_system if block.count < COMMON * count]
    least = MOST_CALLS if one_template else ENOUGH_CALLS
    family = _templates_among(to_try, manners, least, 16 if one_template else 40, under_one=one_template)
    if not family and system_core:
        # One system text, and several instructions in the turn of the user.
        family = _templates_among(rare, manners, NEARLY_ALL, 24, under_one=True)
    if not family and one_template and any(not feature & USER_BIT for feature in features[0]):
        return _prompts_beside_free_text(rare, manners)
    return family


def _templates_among(
    blocks: list[Block], manners: list[Manner], least: float, weight: int, *, under_one: bool
) -> list[Block]:
    """Give the family that covers this share of the calls, and whose blocks are not the values of a variable."""
    count, left = len(manners), blocks
    while left:
        family, covered = exclusive_family(left, count, max(MIN_CALLS, count // 100), weight)
        if covered < least or len(family) <= under_one:
            return []
        if not _is_variable(family, manners, under_one=under_one):
            return family
        # Only what is short is a value: a whole prompt was among them for the calls that a line of many prompts left.
        values = {id(block) for block in family if _is_short(block)} or {id(block) for block in family}
        left = [block for block in left if id(block) not in values]
    return []


def _prompts_beside_free_text(blocks: list[Block], manners: list[Manner]) -> list[Block]:
    """Give the blocks that are prompts for certain, where the other calls of one system text ask freely."""
    count = len(manners)
    least = max(2 * MIN_CALLS, count // 50)
    certain = [b for b in blocks if least <= b.count and (_begins_the_turn(b) or _called_apart(b, manners))]
    family, _ = exclusive_family(certain, count, least, SHORT_CHARACTERS)
    return family


def _begins_the_turn(block: Block) -> bool:
    """Tell whether the block has a long line, and the four and eight words with which the turn of the user begins."""
    lengths = [f & WEIGHT_MASK for f in block.features if f & PART_BIT and f & USER_BIT]
    begins = sum(length != SPLIT_CHARACTERS + 1 for length in lengths) >= OWN_PARTS
    return begins and weight_of(block.features) > SHORT_CHARACTERS


def _called_apart(block: Block, manners: Sequence[Manner]) -> bool:
    """Tell whether calls with the block are clearly made in another manner than those of all."""
    own = [manners[n] for n in numbers_of(block.calls)]
    aspects = zip(zip(*own, strict=True), zip(*manners, strict=True), strict=True)
    return any(_distance(Counter(of_own), Counter(of_all)) >= CLEARLY_DIFFERENT for of_own, of_all in aspects)


def _is_variable(family: list[Block], manners: list[Manner], *, under_one: bool) -> bool:
    short = sum(block.count for block in family if _is_short(block)) > sum(block.count for block in family) / 2
    many = under_one and len(family) > MAX_ALTERNATIVES
    if short and many:
        return True
    return len(family) > 1 and (short or many) and difference([block.calls for block in family], manners) < DIFFERENT


def _is_short(block: Block) -> bool:
    whole = [feature for feature in block.features if not feature & PART_BIT]
    # A value stands within a line whose ends are the same for all; an instruction has a line of its own.
    if weight_of(whole) > SHORT_CHARACTERS and len(block.features) - len(whole) >= OWN_PARTS:
        return False
    # Where each line has a variable, beginnings and ends of lines are all that repeats.
    ends = [f & WEIGHT_MASK for f in block.features if f & PART_BIT and f & WEIGHT_MASK > SPLIT_CHARACTERS]
    return max(len(whole), len(ends) // 2) <= 1 or max(weight_of(whole), sum(ends)) <= SHORT_CHARACTERS


def difference(groups: Iterable[int], manners: Sequence[Manner]) -> float:
    """Tell how far groups of calls differ in the manner in which they were made most, from 0 to 1.

    It is the total variation distance of each group from all, less what chance would make of it, weighed by calls.

    Parameters
    ----------
    groups : iterable of int
        Calls of each group, as bits.
    """
    numbers = [list(numbers_of(group)) for group in groups]
    known = len(manners[0]) if manners else 0
    most, total = 0.0, sum(map(len, numbers))
    for aspect in range(known):
        by_group = [Counter(manners[n][aspect] for n in group) for group in numbers]
        whole = Counter[str]()
        for counts in by_group:
            whole.update(counts)
        found = sum(counts.total() * _distance(counts, whole) for counts in by_group)
        most = max(most, found / total)
    return most


def _distance(counts: Counter[str], whole: Counter[str]) -> float:
    calls, every = counts.total(), whole.total()
    if not calls:
        return 0.0
    shares = {value: number / every for value, number in whole.items()}
    distance = sum(abs(counts[value] / calls - share) for value, share in shares.items()) / 2
    by_chance = sum(sqrt(2 * share * (1 - share) / (pi * calls)) for share in shares.values()) / 2
    return max(0.0, distance - NOISE * by_chance)


def _light_templates(calls: list[SampledCall]) -> list[tuple[Template, list[SampledCall]]]:
    """Find prompts of one line, whose blocks are light, among the calls that no block took."""
    count = len(calls)
    blocks = blocks_of([call.features for call in calls], max(MIN_CALLS, count // 100))
    family, covered = exclusive_family(blocks, count, MIN_CALLS, 20)
    if covered <= 0.2:  # noqa: PLR2004 - as tried; below it the blocks are accidents
        return []
    found = []
    for block in sorted(family, key=lambda b: (-b.count, b.features[0])):
        found += templates_of([calls[n] for n in numbers_of(block.calls)], (block,))
    return found
