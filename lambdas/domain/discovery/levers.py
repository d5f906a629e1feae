"""The levers of one task, the best first, each of the others worked out on what those before it leave.

So their added savings may be summed: what one lever takes away is in no other's figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from lambdas.domain.discovery.lever import (
    UNASSIGNED,
    LeverBasis,
    LeverBlock,
    LeverKind,
    Proposal,
    RankedLever,
)
from lambdas.domain.discovery.model_levers import CASCADE, CHEAPER, DISTILLATION
from lambdas.domain.discovery.request_levers import BATCHES, CACHE, MOVE_AND_CACHE, REUSE

if TYPE_CHECKING:
    from lambdas.domain.discovery.found_task import FoundTask
    from lambdas.domain.discovery.spend import TaskTraffic

KINDS = (CACHE, MOVE_AND_CACHE, BATCHES, REUSE, CHEAPER, DISTILLATION, CASCADE)

UNMEASURED_COUNTS = Decimal("0.5")
"""What a lever whose quality nobody has measured counts in the ranking, against one that changes no answer."""

LEAST_SHARE, LEAST_USD = Decimal("0.01"), Decimal(1)
"""Share of a task's spend, and dollars a year, below which a lever is not worth a change."""

NOTHING = "nothing"

_NAMES = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Saving:
    """What one lever would save of a traffic, and what it would leave."""

    proposal: Proposal
    low: Decimal = Decimal()
    high: Decimal = Decimal()
    left: TaskTraffic | None = None

    def counts(self, kind: LeverKind) -> Decimal:
        """Give the figure by which levers are ranked: the middle of both, less where quality is not known."""
        return (self.low + self.high) / 2 * (UNMEASURED_COUNTS if kind.unmeasured else 1)


def rank_levers(basis: LeverBasis, traffic: TaskTraffic) -> tuple[RankedLever, ...]:
    """Rank the levers of a task.

    Parameters
    ----------
    basis : LeverBasis
    traffic : TaskTraffic
        Its priced flows of a year.

    Returns
    -------
    tuple of RankedLever
        Those that are worth a change first, best first; then the others with what stops them. Where none is worth it
        the first is ``nothing``, with the reason.
    """
    if basis.task.named_by == "none":
        return (_unassigned(),)
    alone = {kind.name: _saving(kind, basis, traffic) for kind in KINDS}
    added = dict(_sequence(basis, traffic))
    chosen = [_ranked(_NAMES[name], alone[name], added[name]) for name in added]
    others = [
        _ranked(kind, alone[kind.name], _Saving(proposal=alone[kind.name].proposal))
        for kind in KINDS
        if kind.name not in added
    ]
    others.sort(key=lambda lever: (lever.stopped, -lever.high_usd))
    return (*chosen, *others) if chosen else (_nothing(basis.task, others), *others)


def _sequence(basis: LeverBasis, traffic: TaskTraffic) -> Iterator[tuple[str, _Saving]]:
    """Take the best lever, then the best of the others on what it leaves at its highest, until none is worth it."""
    least = max(LEAST_USD, LEAST_SHARE * traffic.usd(basis.prices))
    waiting = list(KINDS)
    while waiting:
        found = {kind.name: _saving(kind, basis, traffic) for kind in waiting}
        best = max(waiting, key=lambda kind: found[kind.name].counts(kind))
        saving = found[best.name]
        if saving.left is None or saving.high < least:
            return
        yield best.name, saving
        waiting.remove(best)
        traffic = saving.left


def _saving(kind: LeverKind, basis: LeverBasis, traffic: TaskTraffic) -> _Saving:
    proposal = kind.propose(basis, traffic) if traffic.open else Proposal(do="")
    change = proposal.change
    if proposal.stopped or change is None:
        return _Saving(proposal=proposal)
    before = traffic.usd(basis.prices)
    high = before - change.high.usd(basis.prices) - change.cost_high_usd
    low = before - change.low.usd(basis.prices) - change.cost_low_usd
    if high <= 0:
        return _Saving(proposal=proposal)
    return _Saving(proposal=proposal, low=min(high, max(low, Decimal())), high=high, left=change.high)


def _ranked(kind: LeverKind, alone: _Saving, added: _Saving) -> RankedLever:
    """Show what was taken: a lever that is stopped on today's traffic may be none on what others leave."""
    told = added.proposal
    return RankedLever(
        name=kind.name,
        title=kind.title,
        effort=kind.effort,
        unmeasured=kind.unmeasured,
        low_usd=alone.low,
        high_usd=alone.high,
        added_low_usd=added.low,
        added_high_usd=added.high,
        blocks=told.blocks,
        measure=told.measure,
        measure_usd=told.measure_usd,
        do=told.do,
        figures=told.figures,
    )


def _nothing(task: FoundTask, others: list[RankedLever]) -> RankedLever:
    stops = {lever.title: block.text for lever in others for block in lever.blocks if block.stops}
    reasons = "; ".join(f"{title}: {text}" for title, text in stops.items())
    small = ", ".join(lever.title for lever in others if not lever.stopped)
    if small:
        reasons = "; ".join(filter(None, (reasons, f"worth less than a change: {small}")))
    block = LeverBlock(kind=NOTHING, text=reasons or "nothing of it has a price", stops=False)
    return _empty((block,), "Leave it as it is.", {"calls": f"{task.calls:,}"})


def _unassigned() -> RankedLever:
    text = "no rule takes these calls: they share neither lines of a prompt nor metadata that name a task"
    do = 'Let callers name their task: requestMetadata {"task": "…"} of Converse, or the client of this pipeline.'
    return _empty((LeverBlock(kind=UNASSIGNED, text=text, stops=False),), do, {})


def _empty(blocks: tuple[LeverBlock, ...], do: str, figures: Mapping[str, str]) -> RankedLever:
    return RankedLever(
        name=NOTHING,
        title="Nothing",
        effort="none",
        unmeasured=False,
        low_usd=Decimal(),
        high_usd=Decimal(),
        added_low_usd=Decimal(),
        added_high_usd=Decimal(),
        blocks=blocks,
        measure="",
        measure_usd=None,
        do=do,
        figures=figures,
    )
