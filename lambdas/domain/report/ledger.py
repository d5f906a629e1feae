"""The cost ledger by stage, against the estimate and the budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdas.domain.report.comparison import short_model
from lambdas.domain.report.figures import NOT_MEASURED, count, number, percent, plain, rows_of, usd
from lambdas.domain.report.scales import LinearScale
from lambdas.domain.report.texts import short

MOST_LINES = 30
MOST_STAGES = 16
NO_ESTIMATE = "none was made"
_SAME_AMOUNT = 0.001


@dataclass(slots=True)
class LedgerLine:
    """All purchases of one kind by one stage from one model."""

    stage: str
    model: str
    kind: str
    usd_sum: float
    usage: dict[str, float]
    simulated: bool
    unpriced: int = 0

    @property
    def is_foreseen(self) -> bool:
        """Whether the line is an estimate, which is not spent and not in the total."""
        return self.kind == "estimated"

    @property
    def usd_text(self) -> str:
        """Dollars; what has no price is not counted as nothing."""
        if self.unpriced and not self.usd_sum:
            return NOT_MEASURED
        return usd(self.usd_sum) + (f" + {count(self.unpriced)} unpriced" if self.unpriced else "")

    @property
    def usage_text(self) -> str:
        """Usage in words: ``1,234 input tokens, 56 output tokens``."""
        return ", ".join(f"{plain(amount)} {name.replace('_', ' ')}" for name, amount in list(self.usage.items())[:8])


@dataclass(frozen=True, slots=True)
class StageBar:
    """Dollars of one stage."""

    stage: str
    usd_text: str
    share_text: str
    width: float


@dataclass(frozen=True, slots=True)
class BillRow:
    """One stage: what was foreseen, what was spent, and what there is to say about it."""

    stage: str
    foreseen: str
    expected: str
    actual: str
    difference: str
    note: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the run cost."""

    stages: tuple[StageBar, ...]
    lines: tuple[LedgerLine, ...]
    left_out: int
    total: str
    estimate: str
    budget: str
    note: str
    bills: tuple[BillRow, ...]
    total_width: float | None
    estimate_at: float | None
    budget_at: float | None


def read_ledger(report: dict[str, Any]) -> Ledger:
    """Sum the ledger by stage, model and kind, in the order in which the run spent."""
    lines = _summed(rows_of(report.get("ledger")))
    stages: dict[str, float] = {}
    for line in lines:
        if not line.is_foreseen:
            stages[line.stage] = stages.get(line.stage, 0.0) + line.usd_sum
    spent, largest = sum(stages.values()), max(stages.values(), default=0.0)
    total, estimate, budget = (number(report.get(key)) for key in ("total_usd", "estimate_usd", "budget_usd"))
    scale = LinearScale(0, max([figure for figure in (total, estimate, budget) if figure is not None] + [1e-9]) * 1.02)
    return Ledger(
        stages=tuple(
            StageBar(
                stage,
                usd(dollars),
                percent(dollars / spent) if spent > 0 else "",
                round(dollars / largest * 100, 2) if largest > 0 and dollars > 0 else 0.0,
            )
            for stage, dollars in list(stages.items())[:MOST_STAGES]
        ),
        lines=tuple(lines[:MOST_LINES]),
        left_out=max(len(lines) - MOST_LINES, 0),
        total=usd(total),
        estimate=NO_ESTIMATE if estimate is None else usd(estimate),
        budget=usd(budget),
        note=_note(total, estimate, budget),
        bills=tuple(_bill(row) for row in rows_of(report.get("reconciliation"))[:MOST_STAGES]),
        total_width=None if total is None else scale.at(total),
        estimate_at=None if estimate is None else scale.at(estimate),
        budget_at=None if budget is None else scale.at(budget),
    )


def _summed(entries: list[dict[str, Any]]) -> list[LedgerLine]:
    lines: dict[tuple[str, str, str], LedgerLine] = {}
    for entry in entries:
        stage, model, kind = (_label(entry.get(key)) for key in ("stage", "model", "kind"))
        line = lines.setdefault((stage, model, kind), LedgerLine(stage, model, kind, 0.0, {}, simulated=False))
        dollars = number(entry.get("usd"))
        line.usd_sum += dollars or 0.0
        line.unpriced += dollars is None
        line.simulated = line.simulated or entry.get("simulated") is True
        usage = entry.get("usage")
        for name, amount in usage.items() if isinstance(usage, dict) else ():
            label, figure = short(name, 40), number(amount)
            if figure is not None:
                line.usage[label] = line.usage.get(label, 0.0) + figure
    return list(lines.values())


def _label(value: object) -> str:
    return "\N{EM DASH}" if value is None or value == "" else short_model(short(value, 160))


def _bill(row: dict[str, Any]) -> BillRow:
    low, expected, high = (number(row.get(key)) for key in ("low_usd", "estimate_usd", "high_usd"))
    difference = number(row.get("difference_usd"))
    sign = "+" if difference is not None and difference > 0 else ""
    return BillRow(
        stage=_label(row.get("stage")),
        foreseen="not foreseen" if expected is None else f"{usd(low)} to {usd(high)}",
        expected="" if expected is None else usd(expected),
        actual=usd(row.get("actual_usd")),
        difference="" if difference is None else sign + usd(difference),
        note=_why(row),
    )


def _why(row: dict[str, Any]) -> str:
    """Say what explains a difference: answers that existed, calls that were wasted, what is only a bound."""
    said = []
    foreseen, paid = number(row.get("estimated_calls")) or 0.0, number(row.get("actual_calls")) or 0.0
    if paid < foreseen:
        said.append(f"{count(paid)} of {count(foreseen)} foreseen calls were paid for")
    if number(row.get("wasted_calls")):
        said.append(f"{count(row.get('wasted_calls'))} calls wasted ({usd(row.get('wasted_usd'))})")
    if number(row.get("at_most_usd")):
        said.append(f"{usd(row.get('at_most_usd'))} at most, of what was stopped half-way")
    if row.get("within_range") is False:
        said.append("outside the foreseen range")
    return ", ".join(said)


def _note(total: float | None, estimate: float | None, budget: float | None) -> str:
    if total is None:
        return ""
    parts = []
    if estimate:
        over = total / estimate - 1
        gap = f"{percent(abs(over))} {'over' if over > 0 else 'under'} the estimate"
        parts.append(gap if abs(over) >= _SAME_AMOUNT else "as estimated")
    if budget:
        parts.append(f"{percent(total / budget)} of the budget")
    return ", ".join(parts)
