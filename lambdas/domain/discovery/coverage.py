"""What the logs see of the bill: dollars by model and day, hours without a line, and places that nobody reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.bill.cost_lines import USAGE, BillLine
from lambdas.domain.bill.reconciliation import model_of_bill
from lambdas.domain.discovery.found_task import ModelTraffic
from lambdas.domain.discovery.spend import Flow, priced_name
from lambdas.domain.errors import PriceMissing
from lambdas.domain.prices.price_book import TIERS, TOKEN_USAGES, PriceBook

if TYPE_CHECKING:
    from lambdas.domain.task.log_request import LogSource

SAME = Decimal("0.05")
"""Share within which log and bill say the same: prices of the book against discounts, and a day's border."""

SEEN, PARTLY, UNLOGGED, NOT_BILLED, NO_PRICE_KNOWN = "seen", "partly", "not logged", "not billed", "no price known"
NOT_READ_YET = "not read yet"

_TOKENS = frozenset({*TOKEN_USAGES, *(f"{tier}_{usage}" for tier in TIERS for usage in TOKEN_USAGES)})
_NOT_ENOUGH = Decimal("0.01")
_CODES = {
    "us-east-1": "USE1",
    "us-east-2": "USE2",
    "us-west-2": "USW2",
    "eu-central-1": "EUC1",
    "ap-northeast-1": "APN1",
}
"""How usage types begin in a Region; of others the code with the most dollars is taken for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedDay(ModelTraffic):
    """What the log holds of one model on one day; ``hours`` are those (UTC) in which there are lines."""

    day: date
    hours: frozenset[int]

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Self:
        """Read a row of :func:`lambdas.domain.discovery.queries.coverage`.

        Raises
        ------
        KeyError, ValueError
            It has other columns than the query.
        """
        counts = ("calls", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
        return cls(
            day=date.fromisoformat(row["day"]),
            model=row["model"],
            hours=frozenset(int(hour) for hour in row["hours"].split() if hour.isdigit()),
            **{name: int(row[name] or 0) for name in counts},
        )

    def usd(self, prices: PriceBook, name: str) -> Decimal | None:
        """Price it; ``None`` where a price is missing."""
        try:
            return Flow.of(name, self).usd(prices)
        except PriceMissing:
            return None


@dataclass(frozen=True, kw_only=True, slots=True)
class CoveredDay:
    """One model on one day: US dollars of the log at the book's prices, and of the bill.

    ``log_usd`` is ``None`` where the book has no price. ``was_read`` tells whether discovery has read the day's log.
    """

    day: date
    model: str
    calls: int
    log_usd: Decimal | None
    bill_usd: Decimal
    was_read: bool = True

    @property
    def status(self) -> str:
        """Say how far the log sees the bill."""
        if self.log_usd is None:
            return NO_PRICE_KNOWN
        if not self.calls and self.bill_usd > 0:
            return UNLOGGED if self.was_read else NOT_READ_YET
        if self.bill_usd < _NOT_ENOUGH:
            return SEEN if self.log_usd < _NOT_ENOUGH else NOT_BILLED
        return PARTLY if self.log_usd < self.bill_usd * (1 - SAME) else SEEN


@dataclass(kw_only=True, slots=True)
class Coverage:
    """Everything that was found.

    Attributes
    ----------
    gaps : list of str
        Hours and days with tokens on the bill and without a line.
    unread : list of str
        Places that hold calls and are not read, and months of the range without a bill.
    """

    days: list[CoveredDay] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @property
    def log_usd(self) -> Decimal:
        """Dollars of the log, of what has a price."""
        return sum((one.log_usd for one in self.days if one.log_usd is not None), Decimal())

    @property
    def bill_usd(self) -> Decimal:
        """Dollars of the bill for tokens."""
        return sum((one.bill_usd for one in self.days), Decimal())

    @property
    def share(self) -> Decimal | None:
        """Share of the bill that the log sees, day by day and model by model; ``None`` without a bill."""
        if self.bill_usd <= 0:
            return None
        seen = sum((min(one.log_usd or Decimal(), one.bill_usd) for one in self.days), Decimal())
        return seen / self.bill_usd

    def to_document(self) -> dict[str, Any]:
        """Give it as JSON; dollars are texts."""
        days = [
            {
                **asdict(one),
                "day": f"{one.day}",
                "log_usd": None if one.log_usd is None else f"{one.log_usd:f}",
                "bill_usd": f"{one.bill_usd:f}",
                "status": one.status,
            }
            for one in self.days
        ]
        share = self.share
        return {
            "log_usd": f"{self.log_usd:f}",
            "bill_usd": f"{self.bill_usd:f}",
            "share": None if share is None else f"{share:.4f}",
            "days": days,
            "gaps": self.gaps,
            "unread": self.unread,
        }


def cover(
    logged: Iterable[LoggedDay],
    bill: Iterable[BillLine],
    prices: PriceBook,
    profiles: Mapping[str, str],
    unread: Collection[date] = (),
) -> Coverage:
    """Hold what the log has against the bill.

    Parameters
    ----------
    logged : iterable of LoggedDay
    bill : iterable of BillLine
        Of the same days; lines that count no tokens are left out.
    prices : PriceBook
    profiles : mapping of str to str
        Application inference profiles and what they were made of.
    unread : collection of date
        Days whose log no discovery has read: nobody can say that it has no line.
    """
    mine: dict[tuple[date, str], list[tuple[LoggedDay, Decimal | None]]] = {}
    for one in logged:
        name = priced_name(one.model, profiles)
        usd = None if name is None else one.usd(prices, name)
        model = one.model if name is None else model_of_bill(name)
        mine.setdefault((one.day, model), []).append((one, usd))
    theirs: dict[tuple[date, str], list[BillLine]] = {}
    for line in bill:
        if line.kind in USAGE and line.usage in _TOKENS:
            theirs.setdefault((line.day, line.model), []).append(line)
    found = Coverage()
    for key in sorted({*mine, *theirs}):
        uses, lines = mine.get(key, []), theirs.get(key, [])
        known = [usd for _, usd in uses if usd is not None]
        found.days.append(
            CoveredDay(
                day=key[0],
                model=key[1],
                calls=sum(one.calls for one, _ in uses),
                log_usd=sum(known, Decimal()) if len(known) == len(uses) else None,
                bill_usd=sum((line.cost for line in lines), Decimal()),
                was_read=key[0] not in unread,
            )
        )
    found.gaps += _gaps(mine, theirs, unread)
    return found


def _gaps(
    mine: Mapping[tuple[date, str], Sequence[tuple[LoggedDay, Decimal | None]]],
    theirs: Mapping[tuple[date, str], Sequence[BillLine]],
    unread: Collection[date],
) -> Iterator[str]:
    """Name days, and hours where the bill has hours, in which it counts tokens and the log has no line."""
    not_read: dict[date, Decimal] = {}
    by_hour = any(line.ends.hour for lines in theirs.values() for line in lines)
    for key, lines in sorted(theirs.items()):
        cost = sum((line.cost for line in lines), Decimal())
        hours = {hour for one, _ in mine.get(key, []) for hour in one.hours}
        if not hours and key[0] in unread:
            not_read[key[0]] = not_read.get(key[0], Decimal()) + cost
        elif not hours:
            yield f"{key[0]}: no line of {key[1]} in the log, ${cost:,.2f} on the bill"
        elif by_hour:
            billed = {(line.ends - timedelta(hours=1)).hour for line in lines}
            missing = sorted(billed - hours)
            if missing:
                told = ", ".join(f"{hour:02d}:00" for hour in missing)
                yield f"{key[0]}: no line of {key[1]} in the hours {told} (UTC), which the bill has"
    for day, cost in not_read.items():
        yield f"{day}: not read yet, ${cost:,.2f} on the bill: 'discover' reads it"


def unread_places(
    bill: Iterable[BillLine], sources: Sequence[LogSource], logging: Mapping[str, Any] | None, region: str
) -> Iterator[str]:
    """Name what holds calls and is not read.

    Parameters
    ----------
    bill : iterable of BillLine
    sources : sequence of LogSource
        Of the settings.
    logging : mapping or None
        ``loggingConfig`` of the Region (Bedrock API reference, GetModelInvocationLoggingConfiguration).
    region : str
    """
    if not logging:
        yield f"Model invocation logging is off in {region}: Bedrock's settings switch it on"
    else:
        place = logging.get("s3Config") or {}
        known = {(one.bucket, one.prefix.strip("/")) for one in sources}
        if not place.get("bucketName"):
            yield f"The log of {region} goes to CloudWatch Logs alone; discovery reads S3"
        elif (place["bucketName"], str(place.get("keyPrefix") or "").strip("/")) not in known:
            where = f"s3://{place['bucketName']}/{place.get('keyPrefix') or ''}".rstrip("/")
            yield f"Bedrock delivers to {where}, which is not in 'log_sources'"
        if logging.get("textDataDeliveryEnabled") is False:
            yield "The log has no texts (textDataDeliveryEnabled is false): no task can be told by them"
    billed = _codes(line for line in bill if line.kind in USAGE and line.usage in _TOKENS)
    home = _CODES.get(region) or max(billed, key=lambda code: billed[code], default="")
    for code, usd in sorted(billed.items()):
        if code == home:
            continue
        yield f"Region {code}: ${usd:,.2f} of tokens on the bill, and discovery reads {region} alone"


def _codes(lines: Iterable[BillLine]) -> dict[str, Decimal]:
    """Add up dollars by the code of the Region with which a usage type begins."""
    found: dict[str, Decimal] = {}
    for line in lines:
        code = line.usage_type.partition("-")[0]
        found[code] = found.get(code, Decimal()) + line.cost
    return found
