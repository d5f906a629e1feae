"""Price lines of the settings: what a schema cannot say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from lambdas.domain.errors import InvalidSettings
from lambdas.domain.prices.price_book import UNITS


def check_price_lines(prices: Sequence[Mapping[str, Any]], model_units: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a line that would be counted wrong, or would switch a limit off.

    Parameters
    ----------
    prices, model_units : sequence of mapping
        As they passed the schema of the settings.

    Raises
    ------
    InvalidSettings
        Names the key: a day that no calendar has, a unit in which the usage is not billed, a second line for the same
        thing, a throughput that costs nothing, which ``max_hourly_usd`` could not bound.
    """
    for at, line in enumerate(prices):
        _check_day(f"prices.{at}", line)
        unit = UNITS[line["usage"]]
        if line["unit"] != unit:
            raise InvalidSettings(
                f"'prices.{at}.unit' is \"{line['unit']}\", but '{line['usage']}' is billed by the \"{unit}\": write "
                "that, and the dollars of one"
            )
        if line["usd"] == 0 and unit == "model unit hour":
            message = f"'prices.{at}.usd' is 0: with a throughput that costs nothing 'max_hourly_usd' bounds nothing"
            raise InvalidSettings(f"{message}; write the price of one model-unit hour")
    for at, line in enumerate(model_units):
        _check_day(f"model_units.{at}", line)
    _check_once("prices", [(line["model"], line["usage"]) for line in prices])
    _check_once("model_units", [(line["model"],) for line in model_units])


def _check_day(key: str, line: Mapping[str, Any]) -> None:
    try:
        date.fromisoformat(line["date"])
    except ValueError:
        raise InvalidSettings(f"'{key}.date' is \"{line['date']}\", which is no day of the calendar") from None


def _check_once(key: str, things: Sequence[tuple[str, ...]]) -> None:
    for at, thing in enumerate(things):
        first = things.index(thing)
        if first < at:
            what = " of ".join(reversed(thing))
            raise InvalidSettings(f"'{key}.{at}' and '{key}.{first}' both state {what}; keep one of them")
