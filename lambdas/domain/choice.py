"""Which records are taken when there are more than the service takes: the same ones in any order of the file."""

from __future__ import annotations

import heapq
from operator import itemgetter

from lambdas.domain.records import Record

EVEN_SHARE = 5
"""One place in so many is shared evenly among the slices, so that a rare one is not lost."""

CHOICE_RULE = (
    "v2: above the limit, a fifth of the places is shared evenly among the records' slices (all their fields "
    "together), smallest ids first; the other places go to the smallest ids of what is left, which keeps the mix"
)

_Item = tuple[int, Record]
"""Negative identity and record: a heap of them has the largest identity on top."""

_identity = itemgetter(0)

_Name = tuple[tuple[str, str], ...]
"""Fields and values of a record's slices, in the order of the fields."""


class Choice:
    """At most ``limit`` records, without holding many more (six fifths of it).

    The rule looks at all records at once and not at their order: each slice has the places that it would have if the
    places were dealt in turn, so a small one has all its records in and the large ones have equally many. What a record
    loses here it never wins back by further records, so it can be offered to the other places at once.

    Parameters
    ----------
    limit : int
        Most records that are taken.
    """

    def __init__(self, limit: int) -> None:
        self.offered = 0
        self._limit, self._even_places = limit, limit // EVEN_SHARE
        self._all: list[Record] | None = []
        self._slices: dict[_Name, list[_Item]] = {}
        self._sizes: list[tuple[int, _Name]] = []
        self._largest: tuple[int, _Name] | None = None
        self._held = 0
        self._others: list[_Item] = []
        self._bars: dict[_Name, int] = {}

    def add(self, record: Record) -> None:
        """Offer a record; no two may have the same identity."""
        self.offered += 1
        if self._all is None:
            self._weigh(record)
            return
        self._all.append(record)
        if len(self._all) > self._limit:
            offered, self._all = self._all, None
            for earlier in offered:
                self._weigh(earlier)

    def in_order(self) -> list[Record]:
        """Give the records that are taken, in the order of their ids."""
        if self._all is not None:
            return sorted(self._all, key=_identity)
        even = [record for heap in self._slices.values() for _, record in heap]
        others = [record for _, record in sorted(self._others, reverse=True)]
        return sorted(even + others[: self._limit - len(even)], key=_identity)

    def _weigh(self, record: Record) -> None:
        slices = record.slices
        name = tuple(slices.items()) if len(slices) < 2 else tuple(sorted(slices.items()))  # noqa: PLR2004 - in order
        key = -record.identity
        bar = self._bars.get(name)
        if bar is not None and key < bar:
            return
        loser = self._dealt(name, (key, record))
        if loser is None:
            return
        if len(self._others) < self._limit:
            heapq.heappush(self._others, loser)
        elif loser[0] > self._others[0][0]:
            heapq.heapreplace(self._others, loser)
        else:
            self._raise_bar(name)

    def _raise_bar(self, name: _Name) -> None:
        """Note what a record of a slice must exceed to be taken.

        A bar that was noted earlier stays true: both kinds of places only ever go to smaller identities, and a slice
        that has its share does not grow again, because the largest one never does.
        """
        members = self._slices.get(name)
        if members:
            self._bars[name] = min(self._others[0][0], members[0][0])

    def _dealt(self, name: _Name, item: _Item) -> _Item | None:
        """Offer a record to the places that are shared evenly; give the one that has no place among them."""
        members = self._slices.get(name)
        if members is None:
            members = []
        if self._held < self._even_places:
            self._held += 1
            self._grow(name, members, item)
            return None
        largest = self._largest or self._largest_slice()
        if largest is None or (-len(members) - 1, name) < largest:
            return item if not members or item[0] < members[0][0] else heapq.heapreplace(members, item)
        self._grow(name, members, item)
        return self._shrink((self._largest_slice() or largest)[1])

    def _grow(self, name: _Name, members: list[_Item], item: _Item) -> None:
        self._largest = None
        heapq.heappush(members, item)
        self._slices[name] = members
        heapq.heappush(self._sizes, (-len(members), name))

    def _shrink(self, name: _Name) -> _Item:
        self._largest = None
        members = self._slices[name]
        lost = heapq.heappop(members)
        if members:
            heapq.heappush(self._sizes, (-len(members), name))
        else:
            del self._slices[name]
            self._bars.pop(name, None)
        return lost

    def _largest_slice(self) -> tuple[int, _Name] | None:
        """Give negative size and name of the largest slice, of equal ones the first by name."""
        while self._sizes:
            size, name = self._sizes[0]
            if len(self._slices.get(name, ())) == -size:
                self._largest = self._sizes[0]
                return self._largest
            heapq.heappop(self._sizes)  # the slice has grown or shrunk since
        return None
