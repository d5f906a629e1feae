"""What one model unit of a provisioned throughput serves, and how many units a volume needs."""

from __future__ import annotations

import math

from lambdas.domain.prices.price_book import HOURS_A_MONTH, PriceBook

_MINUTES_AN_HOUR = 60


def requests_a_month(
    model: str, tokens_per_request: float, prices: PriceBook, peak_to_mean: float = 1.0
) -> float | None:
    """Give the requests that one unit serves in a month; ``None`` where nobody knows.

    A unit caps tokens a minute (Amazon Bedrock user guide, provisioned throughput): it must serve the busiest one.

    Parameters
    ----------
    model : str
        Base model of the student.
    tokens_per_request : float
        Input and output together.
    prices : PriceBook
        Knows the tokens a minute of a unit where a setting told them: AWS publishes none.
    peak_to_mean : float
        Requests of the busiest minute against the mean minute; 1 is even traffic.
    """
    per_minute = prices.unit_tokens_per_minute(model)
    if per_minute is None or tokens_per_request <= 0:
        return None
    return per_minute / peak_to_mean / tokens_per_request * _MINUTES_AN_HOUR * HOURS_A_MONTH


def pays_from(unit_month_usd: float, units: int, usd_per_request: float, capacity: float | None) -> float | None:
    """Give the least volume a month at which a throughput costs no more than the same requests on demand.

    Parameters
    ----------
    unit_month_usd : float
        A month of one unit.
    units : int
        Of the task: they are purchased whatever the volume is.
    usd_per_request : float
        On demand.
    capacity : float, optional
        Requests that one unit serves in a month.

    Returns
    -------
    float or None
        ``None`` where it never does: a full unit serves less than the same dollars pay for on demand.
    """
    if usd_per_request <= 0:
        return None
    border = unit_month_usd / usd_per_request
    # One unit pays before it is full, or no number of units ever does.
    return border * units if capacity is None or border <= capacity else None


def pays_up_to_volume(break_even: float, units: int, capacity: float | None) -> float | None:
    """Give the volume above which the next model unit does not pay yet; ``None`` where it pays at once, or is unknown.

    Parameters
    ----------
    break_even : float
        Requests a month from which ``units`` pay.
    units : int
        Of the task.
    capacity : float, optional
        Requests a month that one unit serves.
    """
    if capacity is None:
        return None
    served = units * capacity
    return served if break_even <= served < break_even * (units + 1) / units else None


def units_needed(volume: float, capacity: float) -> int:
    """Give the units that serve a volume of requests a month, each of which serves ``capacity``."""
    return max(1, math.ceil(volume / capacity))
