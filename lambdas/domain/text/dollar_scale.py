"""One scale for all bars of a page: dollars in per cent of the plot's width, with round ticks."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

_TICKS = 7
"""About as many marks on the scale."""


class DollarScale:
    """Dollars from the least to the most.

    Parameters
    ----------
    least, most : Decimal
        What must have a place; the scale ends at the round figures around them.

    Attributes
    ----------
    ticks : list of Decimal
        Dollars of the marks.
    """

    def __init__(self, least: Decimal, most: Decimal, ticks: int = _TICKS) -> None:
        span = (most - least) or Decimal(1)
        self.step = _round_step(span / ticks)
        self.low = self.step * (least / self.step).to_integral_value(ROUND_FLOOR)
        self.high = self.step * max(Decimal(1), (most / self.step).to_integral_value(ROUND_CEILING))
        self.ticks = [self.low + self.step * count for count in range(int((self.high - self.low) / self.step) + 1)]

    def at(self, dollars: Decimal) -> str:
        """Place an amount, in per cent of the width."""
        return f"{float(100 * (dollars - self.low) / (self.high - self.low)):.2f}"

    def span(self, begins: Decimal, ends: Decimal) -> str:
        """Give the style of what reaches from one amount to another."""
        return f"left:{self.at(begins)}%;width:{float(self.at(ends)) - float(self.at(begins)):.2f}%"


def _round_step(about: Decimal) -> Decimal:
    """Give the next of 1, 2 or 5 times a power of ten."""
    power = Decimal(10) ** about.adjusted()
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= about)
