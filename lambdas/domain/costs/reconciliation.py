"""Hold what a run cost against what was foreseen, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lambdas.domain.costs.ledger import AT_MOST, LedgerEntry

TEACHER_ANSWERS = "RunTeacherBatch, GenerateTeacherData"
"""What a batch leaves out is asked on demand, so the two stages are foreseen as one."""

_TOGETHER = {"RunTeacherBatch": TEACHER_ANSWERS, "GenerateTeacherData": TEACHER_ANSWERS}


@dataclass(kw_only=True, slots=True)
class StageBill:
    """One stage, in US dollars; what was not foreseen has no estimate.

    Attributes
    ----------
    actual_usd : float
        Of the ledger.
    at_most_usd : float
        The part of it that is a bound: what was stopped half-way.
    wasted_calls : float
        Paid calls whose answer could not be used.
    wasted_usd : float
    """

    stage: str
    low_usd: float | None = None
    estimate_usd: float | None = None
    high_usd: float | None = None
    estimated_calls: float = 0.0
    actual_usd: float = 0.0
    actual_calls: float = 0.0
    at_most_usd: float = 0.0
    wasted_calls: float = 0.0
    wasted_usd: float = 0.0
    models: list[str] = field(default_factory=list)

    def to_document(self) -> dict[str, Any]:
        """Give the bill as written to ``report.json``."""
        foreseen = self.estimate_usd is not None
        return {
            **asdict(self),
            "difference_usd": self.actual_usd - (self.estimate_usd or 0.0) if foreseen else None,
            "within_range": (self.low_usd or 0.0) <= self.actual_usd <= (self.high_usd or 0.0) if foreseen else None,
        }


def reconcile(estimate: Sequence[Mapping[str, Any]], entries: Sequence[LedgerEntry]) -> list[StageBill]:
    """Join the lines of the plan's estimate and the ledger.

    Parameters
    ----------
    estimate : sequence of mapping
        ``estimate`` of ``plan.json``.
    entries : sequence of LedgerEntry
        Of all attempts: what an earlier one paid for is not paid for again.

    Returns
    -------
    list of StageBill
        In the order of the estimate; stages that were not foreseen come last.
    """
    bills: dict[str, StageBill] = {}

    def bill(stage: str) -> StageBill:
        name = _TOGETHER.get(stage, stage)
        return bills.setdefault(name, StageBill(stage=name))

    for line in estimate:
        found = bill(str(line["stage"]))
        found.low_usd = (found.low_usd or 0.0) + float(line.get("low_usd", line["usd"]))
        found.estimate_usd = (found.estimate_usd or 0.0) + float(line["usd"])
        found.high_usd = (found.high_usd or 0.0) + float(line.get("high_usd", line["usd"]))
        found.estimated_calls += float(line["usage"].get("calls", 0.0))
    for entry in entries:
        found = bill(entry.stage)
        found.actual_usd += entry.usd
        found.actual_calls += entry.usage.get("calls", 0.0) + (
            entry.usage.get("batch_calls", 0.0) if "calls" not in entry.usage else 0.0
        )
        found.at_most_usd += entry.usd if entry.kind == AT_MOST else 0.0
        found.wasted_calls += entry.usage.get("wasted_calls", 0.0)
        found.wasted_usd += entry.usage.get("wasted_usd", 0.0)
        if entry.model not in found.models:
            found.models.append(entry.model)
    return list(bills.values())
