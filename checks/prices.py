"""Hold the price book against the public price table of LiteLLM, which others use to price Bedrock calls.

The table is read of a wheel of PyPI's package ``litellm``, which ``make prices-diff`` fetches without installing it: no
other target needs it. A difference that is right stands in ``accepted_price_differences.json`` with its source.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lambdas.domain.model_ids import CUSTOM, is_profile
from lambdas.domain.prices.price_book import UNITS

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "lambdas" / "domain" / "prices" / "price_book.json"
ACCEPTED = Path(__file__).parent / "accepted_price_differences.json"
WHEELS = ROOT / ".local" / "litellm"
TABLE = "litellm/model_prices_and_context_window_backup.json"

COLUMNS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "batch_input": "input_cost_per_token_batches",
    "batch_output": "output_cost_per_token_batches",
    "flex_input": "input_cost_per_token_flex",
    "flex_output": "output_cost_per_token_flex",
    "flex_cache_read": "cache_read_input_token_cost_flex",
    "priority_input": "input_cost_per_token_priority",
    "priority_output": "output_cost_per_token_priority",
    "priority_cache_read": "cache_read_input_token_cost_priority",
}
"""Usage of the price book and column of the table, which has dollars of one token."""

_LEAST_DIFFERENCE = 1e-6
_OF_A_SOURCE = ("source", "date")


def check() -> list[str]:
    """Compare with the newest wheel that was fetched; every difference that nobody accepted is a problem."""
    wheels = sorted(WHEELS.glob("litellm-*.whl"), key=lambda wheel: wheel.stat().st_mtime)
    if not wheels:
        return ["no table: 'make prices-diff' fetches it"]
    with zipfile.ZipFile(wheels[-1]) as wheel:
        table = json.loads(wheel.read(TABLE))
    book = json.loads(BOOK.read_text(encoding="utf-8"))["prices"]
    return list(differences(book, table, json.loads(ACCEPTED.read_text(encoding="utf-8"))))


def differences(
    book: list[dict[str, Any]], table: Mapping[str, Mapping[str, Any]], accepted: list[dict[str, Any]]
) -> Iterator[str]:
    """Name what differs and is not accepted, what is accepted and differs otherwise, and what needs no acceptance.

    Parameters
    ----------
    book : list of dict
        ``prices`` of the price book.
    table : mapping
        Model to columns.
    accepted : list of dict
        ``region``, ``model``, ``usage``, ``book`` and ``table`` in dollars of the book's unit, ``source``, ``date``.
    """
    known = {(item["region"], item["model"], item["usage"]): item for item in accepted}
    compared = 0
    for line in book:
        theirs = _theirs(line, table)
        if theirs is None:
            continue
        compared += 1
        key = (line["region"], line["model"], line["usage"])
        item = known.pop(key, None)
        name = " ".join(key)
        if abs(theirs - line["usd"]) <= _LEAST_DIFFERENCE:
            if item is not None:
                yield f"{name}: both say ${theirs:g}; take its acceptance out"
        elif item is None:
            said = f"${line['usd']:g} of {line['date']} in the book ({line['source']}), ${theirs:g} in LiteLLM's table"
            yield f"{name}: {said}; find out which is right, correct the book or accept the difference with its source"
        elif (item["book"], item["table"]) != (line["usd"], theirs) or not all(item.get(name) for name in _OF_A_SOURCE):
            yield f"{name}: accepted was ${item['book']:g} beside ${item['table']:g}, with source and date; look again"
    yield from (f"{' '.join(key)}: accepted, and not compared any more; take it out" for key in known)
    if not compared:
        yield "nothing could be compared: the table has other columns or models than it had"


def _theirs(line: Mapping[str, Any], table: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Find what the table has for a line: a bare model's prices are those of the United States."""
    model, usage = line["model"], line["usage"]
    if model.startswith(CUSTOM) or UNITS.get(usage) != "million tokens":
        return None
    if not is_profile(model) and not line["region"].startswith("us-"):
        return None
    price = table.get(model, {}).get(COLUMNS.get(usage, ""))
    return None if price is None else round(price * 1_000_000, 6)
