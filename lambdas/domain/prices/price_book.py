"""The price book: every price with its Region, its unit, its source and the date on which it was read.

A price that is not in the book is an error that names the line to add. It is never a zero; a zero in the book is a
price that its source states.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from typing import Self

from lambdas.domain.errors import PriceMissing
from lambdas.domain.model_ids import foundation_model_id, is_profile

TOKEN_USAGES = ("input", "output", "cache_read", "cache_write", "batch_input", "batch_output")
"""What inference is billed by at the standard tier; every one of them has a price of its own by model."""

TIERS = ("flex", "priority", "extended")
"""First words of usages that cost other than the standard tier: Bedrock's service tiers, and extended access, which a
Legacy model costs from the date on that the service names (Bedrock user guide, model lifecycle)."""

UNITS = {
    **dict.fromkeys(TOKEN_USAGES, "million tokens"),
    **{f"{tier}_{usage}": "million tokens" for tier in TIERS for usage in TOKEN_USAGES},
    "training": "million tokens",
    "storage": "model month",
    "throughput": "model unit hour",
    "throughput_OneMonth": "model unit hour",
    "throughput_SixMonths": "model unit hour",
    "gb_second": "GB-second",
    "request": "million requests",
    "transition": "thousand transitions",
    "put": "thousand requests",
    "get": "thousand requests",
    "email": "thousand requests",
    "stored": "GB month",
    "log": "GB",
    "key": "key month",
    "endpoint": "zone hour",
    "alarm": "alarm metric month",
    "metric": "metric month",
    "dashboard": "dashboard month",
    "read_unit": "million units",
    "write_unit": "million units",
    "scanned": "GB",
}
"""What a price of each usage is paid for: those of a model first, then those of the services around it."""

_WORDS = {"thousand": 1_000, "million": 1_000_000}
"""How many of a thing the first word of its unit stands for."""

HOME_REGION = "us-east-1"
"""Region of the prices that ship: the only one with Nova distillation."""

HOURS_A_MONTH = 730
MINUTES_A_MONTH = 60 * HOURS_A_MONTH
"""AWS prices a month at 730 hours (AWS Pricing Calculator)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceLine:
    """One price: dollars for one ``unit`` of a usage, where it stands and when it was read.

    ``model`` is a model, an inference profile, a custom model of a base (``custom:amazon.nova-micro-v1:0``, usage types
    of their own), or the name of an AWS service such as ``AWS Lambda``.
    """

    model: str
    usage: str
    usd: float
    unit: str
    source: str
    date: str
    simulated: bool = False
    region: str = HOME_REGION


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelUnit:
    """What one unit of provisioned throughput serves: tokens a minute, input and output together, where it stands."""

    model: str
    tokens_per_minute: float
    source: str
    date: str
    simulated: bool = False
    region: str = HOME_REGION


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Prices of one Region by model and usage, in US dollars, and the model units of which the capacity is known.

    Attributes
    ----------
    extended : frozenset of str
        Models whose tokens cost the prices of extended access.
    """

    lines: dict[tuple[str, str], PriceLine]
    region: str = HOME_REGION
    units: dict[str, ModelUnit] = field(default_factory=dict)
    extended: frozenset[str] = frozenset()

    @classmethod
    def shipped(cls, region: str = HOME_REGION) -> Self:
        """Read what ``price_book.json``, which ships with the pipeline, says of a Region; of some it says nothing."""
        text = resources.files("lambdas.domain.prices").joinpath("price_book.json").read_text(encoding="utf-8")
        book = json.loads(text)
        lines = [PriceLine(**line) for line in book["prices"] if line["region"] == region]
        units = [ModelUnit(**unit) for unit in book["model_units"] if unit["region"] == region]
        return cls({(line.model, line.usage): line for line in lines}, region, {unit.model: unit for unit in units})

    def with_lines(self, lines: Iterable[PriceLine], units: Iterable[ModelUnit] = ()) -> PriceBook:
        """Give a book of the same Region in which ``lines`` and ``units`` replace or complete these."""
        prices = {**self.lines, **{(line.model, line.usage): line for line in lines}}
        return replace(self, lines=prices, units={**self.units, **{unit.model: unit for unit in units}})

    def at_extended_access(self, models: Iterable[str]) -> PriceBook:
        """Give a book of the same prices in which the tokens of ``models`` cost what extended access costs."""
        return replace(self, extended=frozenset(models))

    def unit_tokens_per_minute(self, model: str) -> float | None:
        """Say how many tokens a minute one model unit serves; ``None`` where the book does not know."""
        unit = self.units.get(model) or self.units.get(foundation_model_id(model))
        return unit.tokens_per_minute if unit else None

    def find(self, model: str, usage: str) -> PriceLine | None:
        """Look a price up for the model as it is called; ``None`` where the book has none.

        A profile's tokens are priced by the profile's own line alone: its base model's may be a tenth cheaper, and a
        price that is only near is a wrong one. The tokens of a custom model cost what its base model's cost in that
        Region where the book has no line of the custom model (AWS Machine Learning Blog, 2026-04-17). What is paid for
        a base model whatever its id, such as training, is found under the base model.
        """
        usage = self._usage(model, usage)
        own = self.lines.get((model, usage))
        if own is not None or (is_profile(model) and UNITS.get(usage) == "million tokens" and usage != "training"):
            return own
        return self.lines.get((foundation_model_id(model), usage))

    def oldest(self, models: Iterable[str]) -> PriceLine | None:
        """Give the line of these models that was read longest ago; ``None`` where the book has none of them."""
        named = {name for model in models for name in (model, foundation_model_id(model))}
        return min(
            (line for line in self.lines.values() if line.model in named), key=lambda line: line.date, default=None
        )

    def _usage(self, model: str, usage: str) -> str:
        return f"extended_{usage}" if model in self.extended and usage in TOKEN_USAGES else usage

    def line(self, model: str, usage: str) -> PriceLine:
        """Look a price up that must exist.

        Raises
        ------
        PriceMissing
            With the line to add.
        """
        found = self.find(model, usage)
        if found is None:
            usage = self._usage(model, usage)
            example = PriceLine(
                model=model, usage=usage, usd=0.0, unit=UNITS[usage], source="<where you read it>", date="<YYYY-MM-DD>"
            )
            line = {name: value for name, value in asdict(example).items() if name != "region"}
            message = (
                f"the price book has no price for '{usage}' of {model} in {self.region}: add a line to \"prices\" of "
                f"this environment in cdk.json, with the real dollars per {UNITS[usage]}: {json.dumps(line)}"
                f"{self._near(model, usage)}"
            )
            raise PriceMissing(message)
        return found

    def _near(self, model: str, usage: str) -> str:
        base = self.lines.get((foundation_model_id(model), usage)) if is_profile(model) else None
        if base is None:
            return ""
        return (
            f". The line of {base.model} (${base.usd:g}) is not taken for it: a profile of a geography may cost a "
            "tenth more than the model in its Region"
        )

    def usd(self, model: str, usage: str, quantity: float) -> float:
        """Price a quantity.

        Parameters
        ----------
        model : str
            Model or inference profile id as it is called.
        usage : str
            A key of :data:`UNITS`.
        quantity : float
            Single tokens, requests or transitions, whatever the unit; model months, hours or GB otherwise.

        Returns
        -------
        float
            US dollars.

        Raises
        ------
        PriceMissing
            When the book has no such line.
        """
        return self.line(model, usage).usd * quantity / singles_of(usage)

    def call_usd(self, model: str, input_tokens: float, output_tokens: float) -> float:
        """Price an on-demand call, or many calls, from their tokens."""
        return self.usd(model, "input", input_tokens) + self.usd(model, "output", output_tokens)


def singles_of(usage: str) -> int:
    """Say how many single tokens, requests or transitions one unit of a usage's price stands for."""
    return _WORDS.get(UNITS[usage].split()[0], 1)
