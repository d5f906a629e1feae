"""Lines of the bill about models that AWS Marketplace sells on Bedrock: their product code is the listing's own.

The product is called ``Claude Haiku 4.5 (Amazon Bedrock Edition)``, and usage types name no model:
``USW2-MP:USW2_InputTokenCount_Global-Units``. Spellings: public price lists and people's bills, to be confirmed
(docs/real-account.md). What is in no table is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lambdas.domain.prices.price_book import UNITS
from lambdas.domain.prices.usage_types import TOKENS_A_UNIT

SOLD_AS = {
    "Claude Haiku 4.5": "anthropic.claude-haiku-4-5-20251001-v1:0",
    "Claude Sonnet 4.6": "anthropic.claude-sonnet-4-6",
}
"""Model by the name of its listing."""

TOKENS_A_LISTED_UNIT = 1_000_000
"""A listing's own ``Units`` are million tokens: its price a unit is that of the price list for a million."""

_EDITION = "Bedrock Edition"
_NAMED_IN = ("product_product_name", "product", "line_item_line_item_description")
_NAME = re.compile(r"(Claude [A-Za-z0-9. ]+?) \(Amazon Bedrock Edition\)")
_USAGE = re.compile(r"^(?:[A-Z0-9]+-)?MP:[A-Z0-9]+_(?P<counted>[A-Za-z0-9]+)(?P<modifiers>(?:_[A-Za-z]+)*)-Units$")
_TOKENS = re.compile(r"MP:[A-Z]{2,4}[0-9]?_.*[Tt]oken")
_COUNTED = {
    "InputTokenCount": "input", "OutputTokenCount": "output", "CacheReadInputTokenCount": "cache_read",
    "CacheWriteInputTokenCount": "cache_write",
}  # fmt: skip
_MODIFIERS = {
    "": ("", ""),
    "_Global": ("global.", ""),
    "_Batch": ("", "batch_"),
    "_Global_Batch": ("global.", "batch_"),
}


def is_of_marketplace(row: Mapping[str, str]) -> bool:
    """Tell whether a row is about a model of such a listing: by the product's name, or by tokens of a listing."""
    named = any(_EDITION in (row.get(column) or "") for column in _NAMED_IN)
    return named or bool(_TOKENS.search(row.get("line_item_usage_type") or ""))


def meaning_of_listing(row: Mapping[str, str]) -> tuple[str, str]:
    """Give model and usage of a row; both empty where either is not known."""
    name = next((found[1] for column in _NAMED_IN if (found := _NAME.search(row.get(column) or ""))), "")
    match = _USAGE.match(row.get("line_item_usage_type") or "")
    scope = _MODIFIERS.get(match["modifiers"]) if match else None
    counted = _COUNTED.get(match["counted"]) if match else None
    if name not in SOLD_AS or scope is None or counted is None or scope[1] + counted not in UNITS:
        return "", ""
    return scope[0] + SOLD_AS[name], scope[1] + counted


def tokens_a_unit(row: Mapping[str, str], usage: str) -> int | None:
    """Say how many tokens one of a row's amount is; 1 where it counts something else, ``None`` where nobody knows."""
    unit = (row.get("pricing_unit") or "").strip().lower()
    if UNITS.get(usage) != "million tokens":
        return 1
    if unit in ("", "unit", "units") and _TOKENS.search(row["line_item_usage_type"]):
        return TOKENS_A_LISTED_UNIT
    return TOKENS_A_UNIT.get(unit) if unit else 1
