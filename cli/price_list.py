"""Bedrock's prices of the AWS Price List, as lines of the price book.

Both shapes are read: the bulk file of an offer (``products`` beside ``terms``), and what GetProducts of the Query API
gives (texts of one product each).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdas.domain.prices.price_book import UNITS
from lambdas.domain.prices.usage_types import TOKENS_A_UNIT, meaning_of

_PLAIN_UNITS = {
    "storage": ("model/month", "model month", "month", "models-mo"),
    "throughput": ("hour", "hours", "hrs", "model unit/hour"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedPrice:
    """One price of the list, in the units of the price book.

    Attributes
    ----------
    model : str
        A base model, ``custom:`` a base model, or ``global.`` a base model.
    usage_type : str
        As it stands on the bill.
    date : str
        From when on it holds, else when the list was published: ``YYYY-MM-DD``.
    """

    model: str
    usage: str
    usd: float
    usage_type: str
    date: str


@dataclass(slots=True)
class PriceList:
    """What a list says of one Region.

    Attributes
    ----------
    prices : list of ListedPrice
    unread : list of str
        Usage types of models that the tables know and whose meaning they do not, with the reason.
    others : int
        Usage types of other models and services.
    """

    prices: list[ListedPrice] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    others: int = 0


class NoPriceListError(ValueError):
    """What was read is not a price list in either shape."""


def read_price_list(documents: Iterable[object], region: str) -> PriceList:
    """Read what a price list says of a Region's Bedrock models.

    Parameters
    ----------
    documents : iterable
        Parsed bulk files, answers of GetProducts, or single products of one.
    region : str

    Raises
    ------
    NoPriceListError
    """
    found = PriceList()
    for product, terms, published in _products(documents):
        attributes = product.get("attributes", {})
        if attributes.get("regionCode", region) != region:
            continue
        usage_type = str(attributes.get("usagetype", ""))
        meaning = meaning_of(usage_type)
        if meaning is None:
            found.others += 1
            continue
        try:
            if not meaning[1]:
                raise ValueError("the tables do not know what it counts")
            usd, date = _price(terms, meaning[1], published)
        except ValueError as problem:
            found.unread.append(f"{usage_type}: {problem}")
            continue
        found.prices.append(ListedPrice(model=meaning[0], usage=meaning[1], usd=usd, usage_type=usage_type, date=date))
    found.prices.sort(key=lambda price: (price.model, price.usage, price.usage_type))
    return found


def _products(documents: Iterable[object]) -> Iterator[tuple[dict[str, Any], list[Any], str]]:
    """Give each product with its on-demand terms and the day on which its list was published."""
    seen = False
    for document in documents:
        parsed = json.loads(document) if isinstance(document, str) else document
        if isinstance(parsed, list) or (isinstance(parsed, Mapping) and "PriceList" in parsed):
            inner = parsed if isinstance(parsed, list) else parsed["PriceList"]
            yield from _products(inner)
            seen = True
        elif isinstance(parsed, Mapping) and "products" in parsed and "terms" in parsed:
            on_demand = parsed["terms"].get("OnDemand", {})
            for sku, product in parsed["products"].items():
                yield product, list(on_demand.get(sku, {}).values()), str(parsed.get("publicationDate", ""))[:10]
            seen = True
        elif isinstance(parsed, Mapping) and "product" in parsed:
            terms = parsed.get("terms", {}).get("OnDemand", {})
            yield parsed["product"], list(terms.values()), str(parsed.get("publicationDate", ""))[:10]
            seen = True
        else:
            raise NoPriceListError(
                "it is no AWS Price List: neither a bulk file ('products' and 'terms') nor what GetProducts gives "
                "('PriceList')"
            )
    if not seen:
        raise NoPriceListError("it has no products")


def _price(terms: list[Any], usage: str, published: str) -> tuple[float, str]:
    """Give the one price of a product in the book's unit, and from when on it holds.

    Raises
    ------
    ValueError
        Where there is none, more than one, or a unit of which nobody said what it is: a wrong factor is a thousandfold.
    """
    latest = max(terms, key=lambda term: str(term.get("effectiveDate", "")), default=None)
    found = {
        (float(rate["pricePerUnit"]["USD"]), str(rate.get("unit", "")).strip().lower())
        for rate in (latest or {}).get("priceDimensions", {}).values()
        if "USD" in rate.get("pricePerUnit", {})
    }
    if len(found) != 1:
        raise ValueError(f"{len(found)} prices in US dollars, where one is expected")
    [(usd, unit)] = found
    date = str((latest or {}).get("effectiveDate", ""))[:10] or published
    if UNITS[usage] == "million tokens":
        if unit not in TOKENS_A_UNIT:
            raise ValueError(f"its unit is '{unit}', which is no count of tokens")
        return round(usd * 1_000_000 / TOKENS_A_UNIT[unit], 9), date
    if unit not in _PLAIN_UNITS["storage" if usage == "storage" else "throughput"]:
        raise ValueError(f"its unit is '{unit}', expected was a {UNITS[usage]}")
    return usd, date
