"""Ours against theirs, usage by usage and day by day: matched, or explained by name with its evidence, or unexplained.

Nothing is corrected here. An explanation is given only where something in the data shows it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG
from lambdas.domain.bill.cost_lines import PRODUCT, USAGE, BillLine, flaws
from lambdas.domain.bill.service_lines import SERVICES
from lambdas.domain.costs.ledger import AT_MOST
from lambdas.domain.model_ids import CUSTOM, foundation_model_id
from lambdas.domain.prices.price_book import singles_of

if TYPE_CHECKING:
    from lambdas.domain.focus.charges import Charge

MATCHED, EXPLAINED, UNEXPLAINED = "matched", "explained", "unexplained"

DERIVED, DELAY, MIDNIGHT, DISCOUNT = "derived", "delay", "midnight", "discount"
OTHERS, BESIDE, CLOCKS, NOT_LOOKED_AT = "others", "beside usage", "clocks", "in progress"
FREE, ESTIMATED, NOT_TAGGED, NOT_COUNTED = "free tier", "estimated", "not tagged", "not counted"
OURS_ONLY, THEIRS_ONLY, QUANTITY, PRICE, FLAW = "ours only", "theirs only", "quantity", "price", "flaw"
"""Why a difference is there: the first twelve explain it, the last five only name it."""

WITHIN = Decimal("0.01")
"""Share within which quantities and dollars match."""

FACTOR_RANGE = (Decimal("0.5"), Decimal(2))
"""What is derived explains a difference of at most this factor; beyond, something else is wrong too."""

ESTIMATED_RANGE = (Decimal("0.25"), Decimal(4))
"""The same of what is estimated by the Lambdas that ran: requests and transitions of the services around Bedrock."""

CLOCKS_S = 1_800
"""Seconds by which the registry's times of what exists may miss the service's own."""

Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class BillFinding:
    """What was found of one usage on one day, or of one line beside usage.

    ``ours`` and ``theirs`` are US dollars; ``day`` is ``None`` for what is about the month. ``resource`` is the ARN
    that the finding is about alone.
    """

    status: str
    why: str
    model: str
    usage: str
    day: date | None
    ours: Decimal
    theirs: Decimal
    our_quantity: Decimal = Decimal()
    their_quantity: Decimal = Decimal()
    evidence: str = ""
    resource: str = ""

    @property
    def usd(self) -> Decimal:
        """The dollars that the finding is about: the larger of both."""
        return max(abs(self.ours), abs(self.theirs))


@dataclass(kw_only=True, slots=True)
class MonthComparison:
    """All findings of a month."""

    findings: list[BillFinding] = field(default_factory=list)

    def usd(self, status: str) -> Decimal:
        """Dollars of the findings of a status."""
        return sum((one.usd for one in self.findings if one.status == status), Decimal())


@dataclass(slots=True)
class _Cell:
    """One usage on one day: our charges and their lines."""

    day: date
    charges: list[Charge] = field(default_factory=list)
    lines: list[BillLine] = field(default_factory=list)

    @property
    def resource(self) -> str:
        """ARN of what all of it is about; empty where it is about several things, or none."""
        named = {one.resource for one in self.charges} | {one.resource for one in self.lines}
        return next(iter(named)) if len(named) == 1 else ""

    @property
    def ours(self) -> Decimal:
        return sum((one.usd for one in self.charges), Decimal())

    @property
    def theirs(self) -> Decimal:
        return sum((one.cost for one in self.lines), Decimal())

    @property
    def our_quantity(self) -> Decimal:
        return sum((one.part.units * _singles(one) for one in self.charges if one.part), Decimal())

    @property
    def their_quantity(self) -> Decimal:
        return sum((one.amount for one in self.lines), Decimal())


def reconcile_month(
    charges: Iterable[Charge],
    lines: Sequence[BillLine],
    *,
    environment: str,
    principals: str,
    running: Collection[str] = (),
    within: Decimal = WITHIN,
) -> MonthComparison:
    """Hold a month's charges against the bill.

    Parameters
    ----------
    charges : iterable of Charge
        Run cost, serving, storage, and the services around Bedrock.
    lines : sequence of BillLine
        Of the same month.
    environment : str
        Whose tag makes a line ours.
    principals : str
        Beginning of the names of our roles: who else asked a model is another user of it.
    running : collection of str
        Runs in progress: what their jobs cost is written down when they look at them.
    within : Decimal
        Share within which quantities and dollars match.
    """
    comparison = MonthComparison()
    unread = (line for line in lines if line.unread and not _is_others(line, environment, principals))
    wrong = [*flaws(lines), *((line, f"what usage type '{line.usage_type}' counts is not known") for line in unread)]
    flawed = {id(line) for line, _ in wrong}  # numbers begin anew in each file
    comparison.findings += _flaw_findings(wrong)
    cells = _cells_of(charges, comparison)
    for line in lines:
        if id(line) in flawed:
            continue
        if line.kind not in USAGE:
            comparison.findings.append(_beside(line))
        elif line.not_counted and line.environment == environment:
            comparison.findings.append(_not_counted(line))
        elif _is_others(line, environment, principals):
            comparison.findings.append(_of_others(line))
        else:
            _cell(cells, (line.model, line.usage), line.day).lines.append(line)
    reached = _reached(lines)
    closed = any(line.invoice for line in lines)
    tagged = any(line.environment and not line.of_bedrock for line in lines)
    for key, days in sorted(cells.items()):
        until = reached.get(key[0] if key[0] in SERVICES else PRODUCT) or max(reached.values(), default=None)
        if key[0] in SERVICES:
            comparison.findings += _compare_service(key, days, within, until, closed=closed, tagged=tagged)
            continue
        for one in _by_resource(key, days):
            comparison.findings += _compare(
                key, _settled(key, one, running, within, comparison), within, until, closed=closed
            )
    return comparison


def _reached(lines: Iterable[BillLine]) -> dict[str, datetime]:
    """Say up to when the export has each product: Bedrock's lines come later than those of other services."""
    found: dict[str, datetime] = {}
    for line in lines:
        if line.kind in USAGE:
            product = PRODUCT if line.of_bedrock else line.model
            found[product] = max(line.ends, found.get(product, line.ends))
    return found


def _cells_of(charges: Iterable[Charge], comparison: MonthComparison) -> dict[Key, dict[date, _Cell]]:
    """Sort charges by usage and day; one without quantities can be compared with nothing."""
    cells: dict[Key, dict[date, _Cell]] = {}
    for charge in charges:
        if charge.part is None:
            comparison.findings.append(_without_quantity(charge))
            continue
        _cell(cells, (model_of_bill(charge.model), charge.part.usage), charge.day).charges.append(charge)
    return cells


def _cell(cells: dict[Key, dict[date, _Cell]], key: Key, day: date) -> _Cell:
    return cells.setdefault(key, {}).setdefault(day, _Cell(day))


def _by_resource(key: Key, days: dict[date, _Cell]) -> list[dict[date, _Cell]]:
    """Take what exists apart by its ARN, where both sides name it: one too much would hide one that is missing."""
    ours = {charge.resource for cell in days.values() for charge in cell.charges}
    theirs = {line.resource for cell in days.values() for line in cell.lines}
    if not _exists(key) or "" in ours | theirs or not ours & theirs:
        return [days]
    apart: dict[str, dict[date, _Cell]] = {}
    for day, cell in days.items():
        for charge in cell.charges:
            apart.setdefault(charge.resource, {}).setdefault(day, _Cell(day)).charges.append(charge)
        for line in cell.lines:
            apart.setdefault(line.resource, {}).setdefault(day, _Cell(day)).lines.append(line)
    return [apart[resource] for resource in sorted(apart)]


def _exists(key: Key) -> bool:
    return key[1].startswith(("throughput", "storage"))


def _settled(
    key: Key, days: dict[date, _Cell], running: Collection[str], within: Decimal, comparison: MonthComparison
) -> list[_Cell]:
    """Give the days without what runs in progress have not written down."""
    return [cell for day in sorted(days) for cell in _without_running(key, days[day], running, within, comparison)]


def _without_running(
    key: Key, cell: _Cell, running: Collection[str], within: Decimal, comparison: MonthComparison
) -> Iterator[_Cell]:
    """Take away what runs in progress have not written down yet, where the rest then matches or nothing is left."""
    known = {charge.resource for charge in cell.charges if charge.resource}
    theirs = [line for line in cell.lines if line.run in running and line.resource not in known]
    rest = _Cell(cell.day, cell.charges, [line for line in cell.lines if line not in theirs])
    if not theirs or _matches(cell, within) or not (known or _matches(rest, within)):
        yield cell
        return
    runs = ", ".join(sorted({line.run for line in theirs}))
    late = _Cell(cell.day, [], theirs)
    comparison.findings.append(
        _finding(key, late, EXPLAINED, NOT_LOOKED_AT, f"run {runs} has not looked at its job yet")
    )
    if rest.lines or rest.charges:
        yield rest


def _compare(
    key: Key, days: list[_Cell], within: Decimal, until: datetime | None, *, closed: bool
) -> Iterator[BillFinding]:
    """Compare one usage day by day; neighbouring days that differ are compared together."""
    for apart, group in groupby(_neighbours(days, within), key=lambda pair: pair[1]):
        cells = [cell for cell, _ in group]
        if apart == 0:
            yield from (_finding(key, cell, MATCHED, "") for cell in cells)
            continue
        together = _together(cells)
        if len(cells) > 1 and _matches(together, within):
            evidence = f"{cells[0].day} to {cells[-1].day} together match: ledger lines are written after the answers"
            yield from (_finding(key, cell, EXPLAINED, MIDNIGHT, evidence) for cell in cells)
            continue
        for cell in cells:
            yield _explained(key, cell, within, until, closed=closed)


def _compare_service(
    key: Key, days: dict[date, _Cell], within: Decimal, until: datetime | None, *, closed: bool, tagged: bool
) -> Iterator[BillFinding]:
    """Compare a service around Bedrock: what is measured day by day, what is estimated over the days of the export."""
    cells = [days[day] for day in sorted(days)]
    if not tagged:  # then no line of any of these services is here: see read_cost_lines
        evidence = f"no line of these services carries the tag '{ENVIRONMENT_TAG}': activate it for cost allocation"
        yield from (_finding(key, cell, EXPLAINED, NOT_TAGGED, evidence) for cell in cells)
        return
    if all(charge.evidence == "actual" for cell in cells for charge in cell.charges):
        yield from _compare(key, cells, within, until, closed=closed)
        return
    late = [cell for cell in cells if until and not closed and _midnight_after(cell.day) > until]
    there = [cell for cell in cells if cell not in late]
    if there:
        yield _over_all_days(key, there, within, until, closed=closed)
    for cell in late:  # what is worked out for the whole day, and billed up to the end of the export
        if cell.our_quantity > cell.their_quantity:
            yield _finding(key, cell, EXPLAINED, DELAY, f"the export ends at {until:%Y-%m-%d %H:%M} UTC")
        else:
            yield _over_all_days(key, [cell], within, until, closed=closed)


def _over_all_days(
    key: Key, cells: Sequence[_Cell], within: Decimal, until: datetime | None, *, closed: bool
) -> BillFinding:
    """Compare what is worked out or estimated over several days together."""
    together = _together(cells)
    if _matches(together, within):
        return _finding(key, together, MATCHED, "")
    ours, theirs = together.our_quantity, together.their_quantity
    kinds = {charge.evidence for charge in together.charges}
    both = bool(together.charges and together.lines) and _at_one_price(together, within)
    days = f"{cells[0].day} to {cells[-1].day}: {ours:f} worked out, {theirs:f} on the bill"
    low, high = ESTIMATED_RANGE if ESTIMATED in kinds else FACTOR_RANGE
    if both and (ESTIMATED in kinds or key[1] == "gb_second") and low * ours <= theirs <= high * ours:
        return _finding(key, together, EXPLAINED, ESTIMATED, days)
    if both and _near(ours, theirs, 1 / Decimal(24 * len(cells))):
        return _finding(key, together, EXPLAINED, CLOCKS, f"{days}: an hour may be missing on either side")
    return _explained(key, together, within, until, closed=closed)


def _at_one_price(cell: _Cell, within: Decimal) -> bool:
    """Tell whether the bill's quantity costs what our price says, but for what is free or discounted."""
    price = cell.ours / cell.our_quantity if cell.our_quantity else Decimal()
    return cell.theirs <= cell.their_quantity * price * (1 + within)


def _together(cells: Sequence[_Cell]) -> _Cell:
    return _Cell(cells[0].day, [c for one in cells for c in one.charges], [x for one in cells for x in one.lines])


def _midnight_after(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


def _neighbours(days: list[_Cell], within: Decimal) -> Iterator[tuple[_Cell, int]]:
    """Number the groups of neighbouring days that do not match; 0 stands for a day that does."""
    number, before = 0, None
    for cell in days:
        if _matches(cell, within):
            yield cell, 0
            before = None
            continue
        if before is None or cell.day - before > timedelta(days=1):
            number += 1
        before = cell.day
        yield cell, number


def _explained(key: Key, cell: _Cell, within: Decimal, until: datetime | None, *, closed: bool) -> BillFinding:
    """Say why one usage of one day differs, as far as the data shows it."""
    if not cell.lines:
        if until is not None and _midnight_after(cell.day) > until and not closed:
            return _finding(key, cell, EXPLAINED, DELAY, f"the export ends at {until:%Y-%m-%d %H:%M} UTC")
        return _finding(key, cell, UNEXPLAINED, OURS_ONLY, _lines_of(cell.charges))
    if not cell.charges:
        resources = ", ".join(sorted({one.resource for one in cell.lines if one.resource})[:3])
        return _finding(key, cell, UNEXPLAINED, THEIRS_ONLY, f"{_places(cell.lines)}: {resources}")
    if not _near(cell.our_quantity, cell.their_quantity, within):
        return _quantity(key, cell, until, closed=closed)
    return _price(key, cell, within)


def _price(key: Key, cell: _Cell, within: Decimal) -> BillFinding:
    """Say why the same quantity costs something else."""
    free = [line for line in cell.lines if not line.cost and line.amount]
    if free and _near(
        cell.theirs + sum((x.amount for x in free), Decimal()) * cell.ours / cell.our_quantity, cell.ours, within
    ):
        said = free[0].description or "no dollars"
        return _finding(key, cell, EXPLAINED, FREE, f"{_places(free)}: {said}")
    rate, public = _rates(cell.lines)
    if (
        public is not None
        and rate is not None
        and rate < public
        and _near(cell.our_quantity * public, cell.ours, within)
    ):
        share = (1 - rate / public) * 100
        return _finding(
            key, cell, EXPLAINED, DISCOUNT, f"${rate:f} instead of the public ${public:f}: {share:.1f} % less"
        )
    evidence = (
        f"${cell.ours / cell.our_quantity:f} each by the price book, ${cell.theirs / cell.their_quantity:f} by the bill"
    )
    return _finding(key, cell, UNEXPLAINED, PRICE, evidence)


def _quantity(key: Key, cell: _Cell, until: datetime | None, *, closed: bool) -> BillFinding:
    ours, theirs = cell.our_quantity, cell.their_quantity
    last = until is not None and cell.day == (until - timedelta(seconds=1)).date() and not closed
    if last and theirs < ours:
        return _finding(key, cell, EXPLAINED, DELAY, f"the export ends at {until:%Y-%m-%d %H:%M} UTC")
    kinds = {one.evidence for one in cell.charges}
    exists = _exists(key)
    if exists and abs(ours - theirs) * 3600 <= _clock_hours(key[1]) * CLOCKS_S:
        return _finding(key, cell, EXPLAINED, CLOCKS, "what exists is timed by the registry, within minutes")
    if not exists and key[0] not in SERVICES and kinds & {"derived", AT_MOST}:
        derived = sum(
            (one.part.units * _singles(one) for one in cell.charges if one.evidence != "actual" and one.part), Decimal()
        )
        left = theirs - (ours - derived)
        low, high = FACTOR_RANGE
        if derived and (low * derived <= left <= high * derived or (AT_MOST in kinds and 0 <= left <= derived)):
            evidence = f"{derived:f} of {ours:f} are worked out, not reported by the service; the bill has {left:f}"
            return _finding(key, cell, EXPLAINED, DERIVED, evidence)
    return _finding(key, cell, UNEXPLAINED, QUANTITY, f"{_lines_of(cell.charges)}; {_places(cell.lines)} of the bill")


def _clock_hours(usage: str) -> Decimal:
    """Give hours a unit: the seconds of the clocks are seconds of existing."""
    return Decimal(1) if usage.startswith("throughput") else 1 / Decimal(730)


def _matches(cell: _Cell, within: Decimal) -> bool:
    return (
        bool(cell.lines or not cell.ours)
        and bool(cell.charges or not cell.theirs)
        and _near(cell.our_quantity, cell.their_quantity, within)
        and _near(cell.ours, cell.theirs, within)
    )


def _near(one: Decimal, other: Decimal, within: Decimal) -> bool:
    return abs(one - other) <= within * max(abs(one), abs(other))


def _rates(lines: Sequence[BillLine]) -> tuple[Decimal | None, Decimal | None]:
    """Give the rate and the public rate of lines; of several the mean by amount."""
    amount = sum((one.amount for one in lines), Decimal())
    if not amount or any(one.rate is None or one.public_rate is None for one in lines):
        return None, None
    rate = sum((one.amount * (one.rate or 0) for one in lines), Decimal()) / amount
    return rate, sum((one.amount * (one.public_rate or 0) for one in lines), Decimal()) / amount


def _finding(key: Key, cell: _Cell, status: str, why: str, evidence: str = "") -> BillFinding:
    return BillFinding(
        status=status, why=why, model=key[0], usage=key[1], day=cell.day, ours=cell.ours, theirs=cell.theirs,
        our_quantity=cell.our_quantity, their_quantity=cell.their_quantity, evidence=evidence,
        resource=cell.resource,
    )  # fmt: skip


def _flaw_findings(wrong: Iterable[tuple[BillLine, str]]) -> Iterator[BillFinding]:
    by_line: dict[int, tuple[BillLine, list[str]]] = {}
    for line, said in wrong:
        by_line.setdefault(id(line), (line, []))[1].append(said)
    for line, texts in by_line.values():
        yield _about(line, UNEXPLAINED, FLAW, f"{_places([line])}: {'; '.join(texts)}")


def _beside(line: BillLine) -> BillFinding:
    return _about(line, EXPLAINED, BESIDE, f"{line.kind}, {_places([line])}: no usage of ours")


def _not_counted(line: BillLine) -> BillFinding:
    return _about(line, EXPLAINED, NOT_COUNTED, f"{_places([line])}: no row of ours has {line.usage_type}")


def _of_others(line: BillLine) -> BillFinding:
    who = line.principal or line.resource
    return _about(line, EXPLAINED, OTHERS, f"{_places([line])}: {who} is not of this environment")


def _about(line: BillLine, status: str, why: str, evidence: str) -> BillFinding:
    usage = line.usage or (line.usage_type if line.not_counted or line.unread else line.kind)
    return BillFinding(
        status=status, why=why, model=line.model, usage=usage, day=line.day, ours=Decimal(), theirs=line.cost,
        their_quantity=line.amount, evidence=evidence,
    )  # fmt: skip


def _without_quantity(charge: Charge) -> BillFinding:
    evidence = f"{charge.line_id} has no quantities: it was written before version 0.2.0"
    return BillFinding(
        status=EXPLAINED if not charge.usd else UNEXPLAINED, why=OURS_ONLY, model=model_of_bill(charge.model), usage="",
        day=charge.day, ours=charge.usd, theirs=Decimal(), evidence=evidence,
    )  # fmt: skip


def _is_others(line: BillLine, environment: str, principals: str) -> bool:
    """Tell whether somebody else used the model: neither our tag is on what was asked, nor did a role of ours ask."""
    if line.environment == environment:
        return False
    if line.environment or not line.of_bedrock:
        return True
    return bool(line.principal) and principals not in line.principal


def model_of_bill(model: str) -> str:
    """Name a model as usage types do: without the geography of a profile, but ``global``."""
    if model.startswith(CUSTOM):
        return f"{CUSTOM}{foundation_model_id(model.removeprefix(CUSTOM))}"
    if model in SERVICES:
        return model
    base = foundation_model_id(model)
    return f"global.{base}" if model.startswith("global.") else base


def _singles(charge: Charge) -> Decimal:
    """Say how many of what the bill counts one unit of the price is: the bill counts single tokens and requests."""
    return Decimal(singles_of(charge.part.usage)) if charge.part else Decimal(1)


def _lines_of(charges: Sequence[Charge]) -> str:
    names = sorted({one.line_id for one in charges})
    return f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"  # noqa: PLR2004 - three are named


def _places(lines: Sequence[BillLine]) -> str:
    """Say where lines stand: their numbers, and of which file where it is known."""
    by_file: dict[str, list[str]] = {}
    for line in lines:
        by_file.setdefault(line.file, []).append(str(line.number))
    return ", ".join(f"{_numbers(numbers)}{f' of {file}' if file else ''}" for file, numbers in by_file.items())


def _numbers(numbers: Sequence[str]) -> str:
    named = f"{', '.join(numbers[:5])}{' …' if len(numbers) > 5 else ''}"  # noqa: PLR2004 - five are named
    return f"{'line' if len(numbers) == 1 else 'lines'} {named}"
