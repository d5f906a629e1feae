"""Which records are taken when there are more than the service takes: the same ones in any order of the file."""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_right
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record

EVEN_SHARE = 5
"""One place in so many is shared evenly among the slices, so that a rare one is not lost."""

CHOICE_RULE = (
    "v2: above the limit, a fifth of the places is shared evenly among the records' slices (all their fields "
    "together), smallest ids first; the other places go to the smallest ids of what is left, which keeps the mix"
)

_identity = itemgetter(0)

_Name = tuple[tuple[str, str], ...]
"""Fields and values of a record's slices, in the order of the fields."""


class Choice:
    """At most ``limit`` records, without holding many more (half as many again).

    The rule looks at all records at once and not at their order: each slice has the places that it would have if the
    places were dealt in turn, so a small one has all its records in and the large ones have equally many. What a record
    loses here it never wins back by further records, so those that lose among the ones held can be let go.

    Parameters
    ----------
    limit : int
        Most records that are taken.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._new: list[Record] = []
        self._room = limit + limit // 2
        self._slices: dict[_Name, list[Record]] = {}
        self._bars: dict[_Name, int] = {}

    def add(self, record: Record) -> None:
        """Offer a record; no two may have the same identity."""
        if self._bars:
            bar = self._bars.get(_name(record.slices))
            if bar is not None and record.identity > bar:
                return
        self._new.append(record)
        if len(self._new) > self._room:
            self._let_go()

    def in_order(self) -> list[Record]:
        """Give the records that are taken, in the order of their ids."""
        if self._slices or len(self._new) > self._limit:
            self._let_go()
        taken = itertools.chain(self._new, *self._slices.values())
        return sorted(taken, key=_identity)

    def _let_go(self) -> None:
        """Keep what the rule takes of the records held; they are at least as many as the limit."""
        for record in self._new:
            self._slices.setdefault(_name(record.slices), []).append(record)
        for members in self._slices.values():
            members.sort(key=_identity)
        even = _dealt({name: len(members) for name, members in self._slices.items()}, self._limit // EVEN_SHARE)
        others = [record for name, members in self._slices.items() for record in members[even[name] :]]
        others.sort(key=_identity)
        last = others[self._limit - sum(even.values()) - 1].identity
        for name, members in list(self._slices.items()):
            taken = max(even[name], bisect_right(members, last, key=_identity))
            if even[name] < len(members):
                # Stays true: both kinds of places only ever go to smaller identities, and no share gets larger.
                self._bars[name] = max(last, members[even[name] - 1].identity if even[name] else 0)
            del members[taken:]
            if not members:
                del self._slices[name]
                self._bars.pop(name, None)
        self._new = []
        self._room = self._limit // 2


class FirstGroups:
    """Keep the first so many groups by their hash; what comes behind them is passed on.

    As a file grows the last group that is kept only ever moves forward, so that what was passed on, and trained on, is
    never kept later.

    Parameters
    ----------
    groups : int
        At least one.
    records : int
        Most records of all groups together, so that no group is too large to be held: groups behind them are passed on.
    pass_on : callable
        Takes the records of groups that are no longer among the first.

    Attributes
    ----------
    below : int
        No record with this place or a later one can be kept.
    """

    def __init__(self, groups: int, records: int, pass_on: Callable[[Record], None]) -> None:
        self._most, self._most_records, self._pass_on = groups, records, pass_on
        self._records = 0
        self._members: dict[int, list[Record]] = {}
        self._last: list[int] = []
        self.below = 2**64

    def add(self, record: Record) -> None:
        """Offer a record whose place is below :attr:`below`."""
        place = record.place
        self._records += 1
        members = self._members.get(place)
        if members is not None:
            members.append(record)
        else:
            self._members[place] = [record]
            heapq.heappush(self._last, -place)
        while len(self._last) > self._most or self._records > self._most_records:
            self._let_go()

    def shorten(self, groups: int) -> None:
        """Keep no more than so many groups."""
        while len(self._last) > groups:
            self._let_go()

    def kept(self) -> list[Record]:
        """Give the records of the first groups, in the order of the groups."""
        return [record for place in sorted(self._members) for record in self._members[place]]

    def _let_go(self) -> None:
        self.below = -heapq.heappop(self._last)
        behind = self._members.pop(self.below)
        self._records -= len(behind)
        for record in behind:
            self._pass_on(record)


def _name(slices: dict[str, str]) -> _Name:
    return tuple(slices.items()) if len(slices) < 2 else tuple(sorted(slices.items()))  # noqa: PLR2004 - in order


def _dealt(sizes: dict[_Name, int], places: int) -> dict[_Name, int]:
    """Deal places to slices in turn, none more than it has records, the last round to the last ones by name."""
    level, unfilled = 0, len(sizes)
    for size in sorted(sizes.values()):
        if (size - level) * unfilled > places:
            break
        places -= (size - level) * unfilled
        level, unfilled = size, unfilled - 1
    if not unfilled:
        return sizes
    level, places = level + places // unfilled, places % unfilled
    larger = sorted(name for name, size in sizes.items() if size > level)
    last_round = set(larger[len(larger) - places :])
    return {name: min(size, level) + (name in last_round) for name, size in sizes.items()}
