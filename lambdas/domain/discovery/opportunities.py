"""Found tasks with what they cost a year and their levers, the largest saving first: ``opportunities/latest.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.discovery.found_task import FoundTask
from lambdas.domain.discovery.lever import LeverBasis, RankedLever, plain_usd
from lambdas.domain.discovery.levers import UNMEASURED_COUNTS, rank_levers
from lambdas.domain.discovery.spend import Spend, UnpricedTraffic, days_of, unpriced_from
from lambdas.domain.stored import check_schema_version

if TYPE_CHECKING:
    from lambdas.domain.prices.price_book import PriceBook
    from lambdas.domain.task.settings import Settings

SCHEMA_VERSION = 1
LATEST = "discovery/opportunities/latest.json"
"""Key in the runs bucket; each discovery also keeps its own."""

A_WEEK = 7

MOST_OF_THE_DAYS = 0.9
"""Share of the days below which it is said that the busiest task has calls on few of them."""

MOST_DAYS_SAID = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Opportunity:
    """A found task and what could be saved of it.

    Attributes
    ----------
    usd : Decimal or None
        Dollars a year at the book's prices; ``None`` where no call has a known price, never 0.
    unpriced : tuple of UnpricedTraffic
        Calls that are in no dollar figure.
    levers : tuple of RankedLever
        Best first.
    """

    task: FoundTask
    usd: Decimal | None
    unpriced: tuple[UnpricedTraffic, ...]
    levers: tuple[RankedLever, ...]

    @property
    def low_usd(self) -> Decimal:
        """What all levers together save at least, in dollars a year."""
        return sum((lever.added_low_usd for lever in self.levers), Decimal())

    @property
    def high_usd(self) -> Decimal:
        """What all levers together save at most: no more than is spent."""
        return sum((lever.added_high_usd for lever in self.levers), Decimal())

    @property
    def best(self) -> RankedLever:
        """The lever to pull first; ``nothing`` where none is worth it."""
        return self.levers[0]

    @property
    def counts(self) -> Decimal:
        """The figure by which opportunities are ranked: the middle of the saving, half where nobody has measured it."""
        return sum(
            (
                (lever.added_low_usd + lever.added_high_usd) / 2 * (UNMEASURED_COUNTS if lever.unmeasured else 1)
                for lever in self.levers
            ),
            Decimal(),
        )

    def to_document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "task": self.task.to_document(),
            "usd": None if self.usd is None else plain_usd(self.usd),
            "low_usd": plain_usd(self.low_usd),
            "high_usd": plain_usd(self.high_usd),
            "unpriced": [asdict(one) for one in self.unpriced],
            "levers": [lever.to_document() for lever in self.levers],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_document` gave.

        Raises
        ------
        KeyError
            A field is missing.
        """
        return cls(
            task=FoundTask.from_document(document["task"]),
            usd=None if document["usd"] is None else Decimal(document["usd"]),
            unpriced=unpriced_from(document["unpriced"]),
            levers=tuple(RankedLever.from_document(lever) for lever in document["levers"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Opportunities:
    """What one discovery has found, the largest saving first.

    Attributes
    ----------
    day : str
        When it was ranked, ISO.
    generation : str
        Id of the discovery.
    notes : tuple of str
        What to know of the figures.
    simulated : bool
        Whether prices or calls are made up.
    """

    day: str
    generation: str
    first_day: str
    last_day: str
    found: tuple[Opportunity, ...]
    notes: tuple[str, ...]
    simulated: bool

    @property
    def usd(self) -> Decimal:
        """Dollars a year of everything that has a price."""
        return sum((one.usd for one in self.found if one.usd is not None), Decimal())

    @property
    def low_usd(self) -> Decimal:
        """What could be saved at least."""
        return sum((one.low_usd for one in self.found), Decimal())

    @property
    def high_usd(self) -> Decimal:
        """What could be saved at most."""
        return sum((one.high_usd for one in self.found), Decimal())

    def named(self, name: str) -> list[Opportunity]:
        """Find the opportunities whose id is, or else begins with, a name."""
        exact = [one for one in self.found if one.task.task == name]
        return exact or [one for one in self.found if name and one.task.task.startswith(name)]

    def to_document(self) -> dict[str, Any]:
        """Give it as ``latest.json`` has it."""
        return {
            "schema_version": SCHEMA_VERSION,
            "day": self.day,
            "generation": self.generation,
            "first_day": self.first_day,
            "last_day": self.last_day,
            "usd": plain_usd(self.usd),
            "low_usd": plain_usd(self.low_usd),
            "high_usd": plain_usd(self.high_usd),
            "opportunities": [one.to_document() for one in self.found],
            "notes": list(self.notes),
            "simulated": self.simulated,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_document` gave, in this version or an earlier one.

        Raises
        ------
        DocumentTooNew
            When a later version wrote it in another way.
        """
        check_schema_version(document, LATEST)
        return cls(
            day=document["day"],
            generation=document["generation"],
            first_day=document["first_day"],
            last_day=document["last_day"],
            found=tuple(Opportunity.from_document(one) for one in document["opportunities"]),
            notes=tuple(document["notes"]),
            simulated=bool(document["simulated"]),
        )


def rank(
    tasks: Sequence[FoundTask],
    prices: PriceBook,
    settings: Settings,
    today: date,
    *,
    generation: str = "",
    profiles: Mapping[str, str] = MappingProxyType({}),
    not_read: Sequence[Mapping[str, Any]] = (),
) -> Opportunities:
    """Price found tasks and rank their levers.

    Parameters
    ----------
    tasks : sequence of FoundTask
    prices : PriceBook
        Of the environment's Region.
    settings : Settings
        Its models are those that could answer instead.
    today : date
    generation : str
        Id of the discovery.
    profiles : mapping of str to str
        Application inference profiles (ARN or id) and what they were made of.
    not_read : sequence of mapping
        Days that this discovery could not read, each with ``day`` (ISO) and ``source`` (place in the settings).
    """
    failed = _sources_by_day(not_read)
    every = frozenset(range(max(1, len(settings.log_sources))))
    tasks = [replace(task, unread_days=_unread_days(task, failed, every)) for task in tasks]
    found = [_opportunity(task, prices, settings, profiles) for task in tasks]
    found.sort(key=lambda one: (-one.counts, -(one.usd or Decimal()), one.task.task))
    days = sorted({day for task in tasks for day in (task.first_day, task.last_day)}) or [today.isoformat()]
    return Opportunities(
        day=today.isoformat(),
        generation=generation,
        first_day=days[0],
        last_day=days[-1],
        found=tuple(found),
        notes=(*_notes_on_days(found, failed, every), *_notes(found)),
        simulated=settings.simulated,
    )


def _opportunity(task: FoundTask, prices: PriceBook, settings: Settings, profiles: Mapping[str, str]) -> Opportunity:
    spend = Spend.of(task, prices, profiles)
    basis = LeverBasis(task=task, prices=prices, settings=settings)
    return Opportunity(task=task, usd=spend.usd, unpriced=spend.unpriced, levers=rank_levers(basis, spend.traffic))


def _sources_by_day(not_read: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[int]]:
    found: dict[str, frozenset[int]] = {}
    for one in not_read:
        found[one["day"]] = found.get(one["day"], frozenset()) | {int(one.get("source", 0))}
    return found


def _unread_days(task: FoundTask, failed: Mapping[str, frozenset[int]], every: frozenset[int]) -> int:
    """Count the days of a task's range of which no source was read: what a source lacks is in no other's figure."""
    return sum(task.first_day <= day <= task.last_day and sources >= every for day, sources in failed.items())


def _notes_on_days(
    found: Sequence[Opportunity], failed: Mapping[str, frozenset[int]], every: frozenset[int]
) -> Iterator[str]:
    """Say which days have no log: what a year is worked out from has fewer calls than were made."""
    lost, partly = (_days_said([day for day in failed if (failed[day] >= every) is whole]) for whole in (True, False))
    if lost:
        yield f"Not read, and left out of the days that a year is worked out from: {lost}. 'discover' reads them again."
    if partly:
        yield f"Not read of every log source, so a year is worked out from too few calls: {partly}."
    most = max((one.task for one in found), key=lambda task: task.days, default=None)
    if most is not None and 0 < most.days < MOST_OF_THE_DAYS * days_of(most):
        days = days_of(most)
        yield (
            f"No task has calls on more than {most.days} of the {days} days, and a year is worked out from all {days}: "
            f"if logging was switched on after {most.first_day}, the dollars are up to {days / most.days:.1f} times "
            "too low. 'discover --from DAY' begins at its first day."
        )


def _days_said(days: Sequence[str]) -> str:
    more = len(days) - MOST_DAYS_SAID
    return ", ".join(sorted(days)[:MOST_DAYS_SAID]) + (f" and {more} more" if more > 0 else "")


def _notes(found: Sequence[Opportunity]) -> list[str]:
    notes = []
    if found and min(days_of(one.task) for one in found) < A_WEEK:
        notes.append("Fewer than seven days were read: a year is worked out from them, weekends or not.")
    unpriced = sum(use.calls for one in found for use in one.unpriced)
    if unpriced:
        models = ", ".join(sorted({use.model for one in found for use in one.unpriced}))
        notes.append(f"{unpriced:,} calls have no known price and are in no figure: {models}")
    notes += _note_on_unread(found)
    return notes


def _note_on_unread(found: Sequence[Opportunity]) -> Iterator[str]:
    """Say which requests were not read; of those beside the log only the sum with those that were read is known."""
    unread = sum(one.task.unread_calls for one in found)
    if not unread:
        return
    beside = sum(min(one.task.unread_calls, one.task.offloaded_calls) for one in found)
    form = "of a form that nothing here reads, as those of Titan and Llama"
    if not beside:
        why = f"they are {form}"
    elif beside == unread:
        why = f"their bodies lie beside the log, or they are {form}"
    else:
        why = f"the bodies of up to {beside:,} lie beside the log, the others are {form}"
    yield f"The requests of {unread:,} calls were not read: {why}. They are unassigned where no metadata name them."
