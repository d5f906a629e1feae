"""What was paid as quantities at prices, so that dollars can be worked out again to the last digit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lambdas.domain.prices.price_book import UNITS, singles_of
from lambdas.domain.stored import read_as

if TYPE_CHECKING:
    from lambdas.domain.prices.price_book import PriceBook


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedPart:
    """One quantity at one price.

    Attributes
    ----------
    usage : str
        A key of :data:`~lambdas.domain.prices.price_book.UNITS`, for example ``batch_input``.
    quantity : float
        Single tokens or requests, whatever the unit; model months or hours otherwise.
    usd_per_unit : float
        US dollars of one unit, for example of a million tokens.
    simulated : bool
        Whether the price is made up for a simulation.
    """

    usage: str
    quantity: float
    usd_per_unit: float
    simulated: bool = False

    @classmethod
    def of(cls, prices: PriceBook, model: str, usage: str, quantity: float) -> PricedPart:
        """Price a quantity.

        Raises
        ------
        PriceMissing
            When the book has no such line.
        """
        line = prices.line(model, usage)
        return cls(usage=line.usage, quantity=quantity, usd_per_unit=line.usd, simulated=line.simulated)

    @property
    def units(self) -> Decimal:
        """The quantity in units of the price, exact."""
        return exact(self.quantity) / singles_of(self.usage)

    @property
    def unit(self) -> str:
        """What the price is for, as the price book says it."""
        return UNITS[self.usage]

    @property
    def usd(self) -> Decimal:
        """US dollars, exact."""
        return self.units * exact(self.usd_per_unit)


def exact(number: float) -> Decimal:
    """Give a number as the registry keeps it: 12 significant digits."""
    return Decimal(f"{number:.12g}")


def parts_from(documents: Iterable[Mapping[str, Any]]) -> list[PricedPart]:
    """Read stored parts; one of a usage that only a later version knows is left out, and with it the others.

    A line whose parts are not all known is better told as one amount than in part.
    """
    parts = [read_as(PricedPart, document) for document in documents]
    return parts if all(part.usage in UNITS for part in parts) else []
