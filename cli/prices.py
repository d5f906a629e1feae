"""Hold the price book against the AWS Price List, and write it anew when a person says so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

import lambdas.domain.prices
from cli.errors import CHECK_FAILED, USAGE_ERROR, CliError
from cli.price_list import ListedPrice, NoPriceListError, PriceList, read_price_list
from cli.session import Session, pass_session
from lambdas.domain.model_ids import foundation_model_id, is_profile
from lambdas.domain.prices.price_book import UNITS, PriceBook, PriceLine
from lambdas.domain.prices.usage_types import FAMILIES

SERVICE_CODE = "AmazonBedrock"

CHANGED, NEW, SAME, NOT_LISTED = "changed", "new", "same", "not listed"
_LEAST_DIFFERENCE = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One line of the price book beside the list: what became of it."""

    state: str
    model: str
    usage: str
    book: PriceLine | None
    listed: ListedPrice | None

    def text(self) -> str:
        """Say it in one line."""
        book, listed = self.book, self.listed
        ours = f"${book.usd:g} of {book.date}" if book else "not in the book"
        theirs = f"${listed.usd:g} since {listed.date} ({listed.usage_type})" if listed else "not in the list"
        return f"{self.state}: {self.model} {self.usage}, {UNITS[self.usage]}: {ours}; {theirs}"

    def to_document(self) -> dict[str, Any]:
        """Give it as ``--json`` prints it."""
        return asdict(self)


@click.group()
def prices() -> None:
    """Look at the price book that ships with the pipeline."""


@prices.command()
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A bulk file of the Price List, or what 'aws pricing get-products' printed; without it, AWS is asked.",
)
@click.option("--of-region", default="us-east-1", show_default=True, help="Region whose prices are compared.")
@click.option("--write", is_flag=True, help="Write what changed and what is new into this checkout's price book.")
@click.option("--all", "show_all", is_flag=True, help="Show the lines that are the same, too.")
@pass_session
def refresh(session: Session, *, files: tuple[Path, ...], of_region: str, write: bool, show_all: bool) -> None:
    """Compare the price book with the AWS Price List: what changed, with the dates of both.

    Nothing is written without --write. Exit code 1 when something differs and is not written.
    """
    listed = _read(session, files, of_region)
    book = PriceBook.shipped(of_region)
    found = list(compare(book, listed.prices))
    differs = [item for item in found if item.state in (CHANGED, NEW)]
    if session.as_json:
        shown = [item.to_document() for item in found]
        session.show({"region": of_region, "lines": shown, "unread": listed.unread, "written": write and bool(differs)})
    else:
        _print(session, found, listed, show_all=show_all)
    if write and differs:
        path = write_book(of_region, [item.listed for item in found if item.listed is not None])
        if not session.as_json:
            session.screen.say(f"Written: {path}. Look at it with 'git diff', and deploy.")
    elif differs:
        raise click.exceptions.Exit(CHECK_FAILED)


def compare(book: PriceBook, listed: Sequence[ListedPrice]) -> Iterator[Compared]:
    """Hold each line of a book that a list could have against it, and each price of the list that the book has not.

    A profile of a geography costs what the list says of its Region (Bedrock user guide, cross-Region inference).
    """
    known = {(price.model, price.usage): price for price in listed}
    of_list = set(FAMILIES.values())
    for (model, usage), line in sorted(book.lines.items()):
        base = foundation_model_id(model)
        if base not in of_list or usage.startswith("extended_"):
            continue
        price = known.get((model, usage)) or (known.get((base, usage)) if _is_geographic(model) else None)
        yield Compared(state=_state(line, price), model=model, usage=usage, book=line, listed=price)
    for key, price in sorted(known.items()):
        if key not in book.lines:
            yield Compared(state=NEW, model=price.model, usage=price.usage, book=None, listed=price)


def _state(line: PriceLine, price: ListedPrice | None) -> str:
    if price is None:
        return NOT_LISTED
    return SAME if abs(price.usd - line.usd) <= _LEAST_DIFFERENCE else CHANGED


def write_book(region: str, listed: Sequence[ListedPrice], path: Path | None = None) -> Path:
    """Write the listed prices of a Region into the book, source and date with them; the other lines stay as they are.

    Parameters
    ----------
    region : str
    listed : sequence of ListedPrice
    path : Path, optional
        The book; without it, that of this checkout.
    """
    path = path or Path(lambdas.domain.prices.__file__).parent / "price_book.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    known = {(price.model, price.usage): price for price in listed}
    lines: list[dict[str, Any]] = []
    for line in document["prices"]:
        price = None
        if line["region"] == region:
            price = known.pop((line["model"], line["usage"]), None)
            if price is None and _is_geographic(line["model"]):
                price = next((one for one in listed if _is_of(one, line)), None)
        lines.append(line if price is None else {**line, **_read_of_list(price)})
    lines += [
        {"region": region, "model": price.model, "usage": price.usage, "usd": price.usd, "unit": UNITS[price.usage]}
        | _read_of_list(price)
        for price in known.values()
    ]
    rows = ",\n".join(f"    {json.dumps(line, ensure_ascii=False)}" for line in lines)
    units = json.dumps(document["model_units"])
    path.write_text(
        f'{{\n  "currency": "{document["currency"]}",\n  "prices": [\n{rows}\n  ],\n  "model_units": {units}\n}}\n',
        encoding="utf-8",
    )
    return path


def _is_of(price: ListedPrice, line: dict[str, Any]) -> bool:
    return (price.model, price.usage) == (foundation_model_id(line["model"]), line["usage"])


def _read_of_list(price: ListedPrice) -> dict[str, Any]:
    free = "; no charge" if price.usd == 0 else ""
    return {"usd": price.usd, "source": f"AWS Price List, usage type {price.usage_type}{free}", "date": price.date}


def _is_geographic(model: str) -> bool:
    return is_profile(model) and not model.startswith("global.")


def _read(session: Session, files: tuple[Path, ...], region: str) -> PriceList:
    try:
        documents: list[object] = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        if not files:
            documents = list(_asked(session, region))
        found = read_price_list(documents, region)
    except (NoPriceListError, ValueError) as problem:
        raise CliError(f"The price list cannot be read: {problem}.", USAGE_ERROR) from None
    if not found.prices:
        raise CliError(f"The price list says nothing of the models of {region} that the tables know.", USAGE_ERROR)
    return found


def _asked(session: Session, region: str) -> Iterator[str]:
    client = session.deployment.client("pricing")
    filters = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}]
    for page in client.get_paginator("get_products").paginate(ServiceCode=SERVICE_CODE, Filters=filters):
        yield from page["PriceList"]


def _print(session: Session, found: list[Compared], listed: PriceList, *, show_all: bool) -> None:
    counts = {state: sum(item.state == state for item in found) for state in (CHANGED, NEW, SAME, NOT_LISTED)}
    for item in found:
        if show_all or item.state in (CHANGED, NEW):
            session.screen.say(item.text())
    for text in listed.unread:
        session.screen.say(f"not read: {text}")
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    session.screen.say(f"{said}; {listed.others} usage types of other models and services were not compared.")
