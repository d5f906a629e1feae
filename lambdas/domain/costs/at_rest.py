"""What an environment costs in a month in which nothing runs and no student serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.domain.prices.price_book import PriceBook

AT_REST = {("AWS KMS", "key"): 1, ("Amazon CloudWatch", "alarm"): 10, ("Amazon CloudWatch", "dashboard"): 1}
"""What the stacks have that bills at rest, by service and usage; a test compares it with the templates."""


def usd_at_rest(prices: PriceBook) -> float:
    """Add up a month of an environment's resources at rest, in US dollars.

    Without what grows with use (objects, logs, own metrics) and without the interface endpoints of a VPC, which serve
    everything in it. A price that the book has not counts nothing.

    Parameters
    ----------
    prices : PriceBook
        Prices of the environment's Region.
    """
    return sum(prices.usd(*what, count) for what, count in AT_REST.items() if prices.find(*what))
