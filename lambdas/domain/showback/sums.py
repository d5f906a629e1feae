"""Who is shown what: spend, serving, verified savings and idle dollars of a month."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from lambdas.domain.focus.charges import Charge, plain
from lambdas.domain.focus.own_services import is_own
from lambdas.domain.focus.serving import SERVING, STORAGE
from lambdas.domain.model_ids import model_family

if TYPE_CHECKING:
    from lambdas.domain.focus.savings import Saving
    from lambdas.domain.prices.price_book import PriceBook

BY = ("task", "team", "environment")
NO_TEAM, NO_TASK = "(no team)", "(no task)"
STALE_AFTER_DAYS = 180
"""Days after which a baseline's measurement is called old."""


@dataclass(kw_only=True, slots=True)
class Shown:
    """One line, in US dollars.

    Attributes
    ----------
    name : str
        A task, a team or the environment.
    runs : Decimal
        What runs cost: teacher, training, evaluation, judge.
    serving : Decimal
        Hours, tokens and storage; ``idle`` is a part of it.
    idle : Decimal
        Throughput on days on which nobody asked.
    services : Decimal
        What the services around Bedrock cost: they serve all tasks, and belong to none.
    saved, low, high : Decimal or None
        Verified savings with their bounds; ``None`` where nothing was measured that they could rest on.
    """

    name: str
    runs: Decimal = Decimal()
    serving: Decimal = Decimal()
    idle: Decimal = Decimal()
    services: Decimal = Decimal()
    saved: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def spent(self) -> Decimal:
        """All of it: runs, serving and services."""
        return self.runs + self.serving + self.services

    def to_document(self) -> dict[str, str | None]:
        """Give it as JSON; dollars are texts, exact."""
        money = {name: getattr(self, name) for name in ("runs", "serving", "idle", "services", "saved", "low", "high")}
        return {"name": self.name} | {name: None if usd is None else plain(usd) for name, usd in money.items()}


def shown_by(
    by: str,
    environment: str,
    charges: Iterable[Charge],
    idle: Iterable[Charge],
    savings: Iterable[Saving],
    teams: Mapping[str, str],
) -> list[Shown]:
    """Add a month up, the dearest first.

    Parameters
    ----------
    by : {"task", "team", "environment"}
    environment : str
    charges : iterable of Charge
        All of the month.
    idle : iterable of Charge
        Those of them that nobody used.
    savings : iterable of Saving
    teams : mapping of str to str
        By task.
    """
    found: dict[str, Shown] = {}

    def of(task: str) -> Shown:
        names = {"task": task or NO_TASK, "team": teams.get(task) or NO_TEAM, "environment": environment}
        return found.setdefault(names[by], Shown(name=names[by]))

    for charge in charges:
        line = of(charge.task)
        if is_own(charge):
            line.services += charge.usd
        elif charge.stage in (SERVING, STORAGE):
            line.serving += charge.usd
        else:
            line.runs += charge.usd
    for charge in idle:
        of(charge.task).idle += charge.usd
    for saving in savings:
        line = of(saving.task)
        low, high = saving.bound(saving.baseline.low), saving.bound(saving.baseline.high)
        line.saved = (line.saved or Decimal()) + saving.saved
        # Where one part has no bounds the sum has its plain value there: no bound is made up for it.
        line.low = (line.low or Decimal()) + ((low - saving.paid) if low is not None else saving.saved)
        line.high = (line.high or Decimal()) + ((high - saving.paid) if high is not None else saving.saved)
    return sorted(found.values(), key=lambda line: (-line.spent, line.name))


def dated_baseline(model: str, prices: PriceBook) -> str:
    """Warn where another model of a baseline's family costs the same or less; empty where none does.

    Parameters
    ----------
    model : str
        The baseline, as it is called.
    prices : PriceBook
    """
    own_in, own_out = prices.find(model, "input"), prices.find(model, "output")
    if own_in is None or own_out is None:
        return ""
    cheaper = []
    for name, usage in sorted(prices.lines):
        line_out = prices.lines.get((name, "output"))
        if usage != "input" or line_out is None or ":" not in name or name.startswith("custom:"):
            continue
        same = _bare(name) == _bare(model) or model_family(name) != model_family(model)
        if not same and prices.lines[name, usage].usd <= own_in.usd and line_out.usd <= own_out.usd:
            cheaper.append(_bare(name))
    if not cheaper:
        return ""
    return (
        f"The baseline {model} is not its family's cheapest: {', '.join(dict.fromkeys(cheaper))} costs the same or less"
    )


def old_baselines(savings: Iterable[Saving]) -> list[str]:
    """Say which savings rest on a measurement of the baseline that is older than :data:`STALE_AFTER_DAYS`."""
    last: dict[tuple[str, str], tuple[date, int]] = {}
    for saving in savings:
        measured = saving.baseline.measured_on
        if measured is not None and (saving.day - measured).days > STALE_AFTER_DAYS:
            key = (saving.task, saving.baseline.run_id)
            last[key] = max(last.get(key, (measured, 0)), (measured, (saving.day - measured).days))
    return [
        f"Savings of {task} rest on what run {run_id} measured on {measured}, {days} days before: its prompts and the "
        "baseline's prices may be others by now; a new run measures again"
        for (task, run_id), (measured, days) in sorted(last.items())
    ]


def _bare(model: str) -> str:
    scope, _, rest = model.partition(".")
    return rest if scope in ("us", "eu", "apac", "global") else model
