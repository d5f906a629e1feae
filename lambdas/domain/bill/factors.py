"""What the bill says of figures that are worked out: proposed, never taken by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from lambdas.domain.bill.reconciliation import DERIVED, MATCHED, WITHIN, MonthComparison, model_of_bill
from lambdas.domain.costs.estimate import OWN_TEACHER_CALLS, TRAINING
from lambdas.domain.prices.price_book import UNITS

if TYPE_CHECKING:
    from lambdas.domain.focus.charges import Charge


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnedFactor:
    """One factor: what the bill has for what was worked out."""

    name: str
    worked_out: Decimal
    billed: Decimal
    days: int
    set_now: Decimal = Decimal(1)

    @property
    def value(self) -> Decimal:
        """The factor to set, to three digits: what is worked out has been multiplied by the one that is set."""
        return round(self.set_now * self.billed / self.worked_out, 3)

    @property
    def changes(self) -> bool:
        """Whether it is another than the one that is set, by more than what matches anyway."""
        return abs(self.billed / self.worked_out - 1) > WITHIN

    def said(self) -> str:
        """Say it with its evidence."""
        multiplied = f", which setting 'derived_factors' has multiplied by {self.set_now}" if self.set_now != 1 else ""
        verdict = f"times {self.value}" if self.changes else f"nothing to change, {self.set_now} holds"
        return (
            f"{self.name}: {self.billed:,.0f} tokens on the bill for {self.worked_out:,.0f} worked out{multiplied}, "
            f"over {self.days} days: {verdict}"
        )

    def to_document(self) -> dict[str, str]:
        """Give it as JSON."""
        return {
            "name": self.name,
            "factor": str(self.value),
            "worked_out": str(self.worked_out),
            "billed": str(self.billed),
            "days": str(self.days),
            "set_now": str(self.set_now),
            "changes": str(self.changes).lower(),
        }


def learn_factors(
    comparison: MonthComparison, charges: Iterable[Charge], set_now: Mapping[str, float]
) -> list[LearnedFactor]:
    """Work out what derived lines should be multiplied by, where setting ``derived_factors`` was ``set_now`` all month.

    Only days on which a difference was explained by what is derived, or matched, say something; the rest of such a day
    is what the service reported. Tokens alone teach: hours of throughput and months of storage are derived too, but no
    factor is set for them.
    """
    days = {
        (one.model, one.usage, one.day): one
        for one in comparison.findings
        if (one.why == DERIVED or one.status == MATCHED) and UNITS.get(one.usage) == "million tokens"
    }
    worked_out: dict[str, Decimal] = {}
    billed: dict[str, Decimal] = {}
    counted: dict[str, set[object]] = {}
    cells: dict[tuple[str, str, object], list[Charge]] = {}
    for charge in charges:
        if charge.part is not None:
            cells.setdefault((model_of_bill(charge.model), charge.part.usage, charge.day), []).append(charge)
    for key, found in days.items():
        mine = cells.get(key, [])
        derived = sum((_quantity(one) for one in mine if one.evidence == "derived"), Decimal())
        if not derived:
            continue
        name = TRAINING if key[1] == "training" else OWN_TEACHER_CALLS
        reported = sum((_quantity(one) for one in mine if one.evidence != "derived"), Decimal())
        worked_out[name] = worked_out.get(name, Decimal()) + derived
        billed[name] = billed.get(name, Decimal()) + found.their_quantity - reported
        counted.setdefault(name, set()).add(key[2])
    return [
        LearnedFactor(
            name=name, worked_out=worked_out[name], billed=billed[name], days=len(counted[name]),
            set_now=Decimal(str(set_now.get(name, 1))),
        )
        for name in sorted(worked_out)
    ]  # fmt: skip


def _quantity(charge: Charge) -> Decimal:
    return Decimal(str(charge.part.quantity)) if charge.part else Decimal()
