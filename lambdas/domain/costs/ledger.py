"""The ledger: every dollar of a run, by stage and model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.prices.priced_parts import PricedPart, exact, parts_from
from lambdas.domain.stored import read_as

if TYPE_CHECKING:
    from lambdas.domain.prices.price_book import PriceBook
    from lambdas.domain.questions.answers import Answer

AT_MOST = "at most"

ENDPOINT_CALLS = "endpoint_calls"
"""Count of the calls that a line has to a champion's endpoint: the endpoint's own metrics count them too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerEntry:
    """One line.

    Attributes
    ----------
    id : str
        Says what was paid, so that writing the line again changes nothing.
    stage, model : str
        Where it was spent and on what.
    kind : {"actual", "derived", "at most"}
        From the service's own usage figures; computed from what we sent, where the service gives none; or the most that
        something can have cost which was stopped half-way.
    usage : dict of str to float
        Quantities, for example ``input_tokens``.
    usd : float
        US dollars.
    at : str
        When it was paid, or when the job ended that cost it (ISO 8601 in UTC); empty in lines before 0.2.0.
    priced : list of PricedPart
        The same dollars as quantities at prices; empty in lines before 0.2.0.
    """

    id: str
    stage: str
    model: str
    kind: str
    usage: dict[str, float] = field(default_factory=dict)
    usd: float = 0.0
    at: str = ""
    priced: list[PricedPart] = field(default_factory=list)

    def to_document(self) -> dict[str, Any]:
        """Give the entry as it is in the registry and in ``report.json``."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read what :meth:`to_document` wrote."""
        return replace(read_as(cls, document), priced=parts_from(document.get("priced", [])))


def entry_for_answers(
    entry_id: str,
    stage: str,
    model: str,
    answers: Sequence[Answer],
    prices: PriceBook,
    *,
    wasted: Sequence[Answer] = (),
    counted_as: str | None = None,
) -> LedgerEntry:
    """Price paid answers.

    Parameters
    ----------
    entry_id, stage : str
        What the entry is about and which stage paid.
    model : str
        Model whose price holds: a custom model deployment costs what its base costs.
    answers : sequence of Answer
        Paid answers.
    prices : PriceBook
    wasted : sequence of Answer
        Paid, too, but unusable and asked for again: part of the entry's counts, and counted separately in it.
    counted_as : str, optional
        Name of a count of its own, for calls with a purpose that stage and model do not tell.

    Raises
    ------
    PriceMissing
        When the model has no price.
    """
    answers = [*answers, *wasted]
    parts = _parts(answers, model, prices)
    entry_usage: dict[str, float] = {
        "calls": len(answers),
        "input_tokens": sum(answer.input_tokens for answer in answers),
        "output_tokens": sum(answer.output_tokens for answer in answers),
    }
    for name in ("cache_read_tokens", "cache_write_tokens"):
        tokens = sum(getattr(answer, name) for answer in answers)
        if tokens:
            entry_usage[name] = tokens
    batch = sum(answer.batch for answer in answers)
    if batch:
        entry_usage["batch_calls"] = batch
    throttled = sum(answer.throttled for answer in answers)
    if throttled:
        entry_usage["retried_calls"] = throttled  # refused tries cost nothing
    if wasted:
        entry_usage["wasted_calls"] = len(wasted)
        entry_usage["wasted_usd"] = _usd(_parts(wasted, model, prices))
    if counted_as:
        entry_usage[counted_as] = len(answers)
    return LedgerEntry(
        id=entry_id, stage=stage, model=model, kind="actual", usage=entry_usage, usd=_usd(parts), priced=parts
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchUse:
    """What a batch inference job used, by its own output.

    Attributes
    ----------
    calls, wasted : int
        Records that were answered, and those of them that brought nothing usable.
    input_tokens, output_tokens : int
    """

    calls: int
    wasted: int
    input_tokens: int
    output_tokens: int

    @property
    def tokens(self) -> int:
        """All tokens; zero where there are none."""
        return self.input_tokens + self.output_tokens


def entry_for_batch(entry_id: str, stage: str, model: str, use: BatchUse, prices: PriceBook) -> LedgerEntry:
    """Price what a batch inference job used, at the batch prices of its model.

    Raises
    ------
    PriceMissing
        When the model has no batch price.
    """
    tokens = {"batch_input": use.input_tokens, "batch_output": use.output_tokens}
    parts = [PricedPart.of(prices, model, usage, quantity) for usage, quantity in tokens.items()]
    return LedgerEntry(
        id=entry_id,
        stage=stage,
        model=model,
        kind="actual",
        usage={
            "batch_calls": use.calls,
            **({"wasted_calls": use.wasted} if use.wasted else {}),
            "input_tokens": use.input_tokens,
            "output_tokens": use.output_tokens,
        },
        usd=_usd(parts),
        priced=parts,
    )


def _parts(answers: Sequence[Answer], model: str, prices: PriceBook) -> list[PricedPart]:
    """Price answers by what they used; batch inference has prices of its own and no prompt cache."""
    used: dict[str, int] = {}
    for answer in answers:
        way = "batch_" if answer.batch else ""
        for usage, tokens in ((f"{way}input", answer.input_tokens), (f"{way}output", answer.output_tokens)):
            used[usage] = used.get(usage, 0) + tokens
        for usage, tokens in (("cache_read", answer.cache_read_tokens), ("cache_write", answer.cache_write_tokens)):
            if tokens:
                # Where a model has no price of its own for it, such tokens cost what other input tokens cost.
                usage = usage if prices.find(model, usage) else "input"  # noqa: PLW2901
                used[usage] = used.get(usage, 0) + tokens
    return [PricedPart.of(prices, model, usage, tokens) for usage, tokens in used.items()]


def _usd(parts: Iterable[PricedPart]) -> float:
    return float(sum((part.usd for part in parts), Decimal()))


def summed(entries: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    """Add entries of the same stage, model and kind, in the order of their first appearance."""
    sums: dict[tuple[str, str, str], LedgerEntry] = {}
    for entry in entries:
        key = (entry.stage, entry.model, entry.kind)
        known = sums.get(key)
        usage = dict(known.usage) if known else {}
        for name, quantity in entry.usage.items():
            usage[name] = usage.get(name, 0) + quantity
        sums[key] = LedgerEntry(
            id=".".join(key),
            stage=entry.stage,
            model=entry.model,
            kind=entry.kind,
            usage=usage,
            usd=entry.usd + (known.usd if known else 0.0),
            priced=_together([*(known.priced if known else []), *entry.priced]),
        )
    return list(sums.values())


def _together(parts: Iterable[PricedPart]) -> list[PricedPart]:
    """Add quantities of the same usage at the same price."""
    sums: dict[PricedPart, float] = {}
    for part in parts:
        key = replace(part, quantity=0)
        sums[key] = sums.get(key, 0) + part.quantity
    return [replace(key, quantity=quantity) for key, quantity in sums.items()]


def total_usd(entries: Iterable[LedgerEntry]) -> float:
    """Add up the dollars, those counted at most included: what may have been spent is not left out."""
    return sum(entry.usd for entry in entries)


def exact_usd(entry: LedgerEntry) -> Decimal:
    """Give the dollars of a line as the registry keeps them: 12 significant digits."""
    return exact(entry.usd)


def usd_by_stage(entries: Iterable[LedgerEntry]) -> dict[str, Decimal]:
    """Add up the dollars of each stage, exactly."""
    sums: dict[str, Decimal] = {}
    for entry in entries:
        sums[entry.stage] = sums.get(entry.stage, Decimal()) + exact_usd(entry)
    return sums


def paid_in(entry: LedgerEntry, otherwise: str) -> str:
    """Name the month in which a line was paid, ``YYYY-MM``.

    Parameters
    ----------
    entry : LedgerEntry
    otherwise : str
        The time of a line that says none (ISO 8601 in UTC).
    """
    return (entry.at or otherwise)[:7]
