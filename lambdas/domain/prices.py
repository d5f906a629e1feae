"""The price book: every price with its unit, its source and the date on which it was read.

A price that is not in the book is an error that names the line to add. It is never a zero.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any, Self

from lambdas.domain.errors import PriceMissing
from lambdas.domain.model_ids import foundation_model_id

UNITS = {
    "input": "million tokens",
    "output": "million tokens",
    "cache_read": "million tokens",
    "cache_write": "million tokens",
    "batch_input": "million tokens",
    "batch_output": "million tokens",
    "training": "million tokens",
    "storage": "model month",
    "throughput": "model unit hour",
    "throughput_OneMonth": "model unit hour",
    "throughput_SixMonths": "model unit hour",
}
"""What a price of each usage is paid for."""

HOURS_A_MONTH = 730
"""AWS prices a month at 730 hours (AWS Pricing Calculator)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceLine:
    """One price: dollars for one ``unit`` of a model's usage, where it stands and when it was read."""

    model: str
    usage: str
    usd: float
    unit: str
    source: str
    date: str
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Prices by model and usage, in US dollars for us-east-1."""

    lines: dict[tuple[str, str], PriceLine]

    @classmethod
    def shipped(cls) -> Self:
        """Read ``price_book.json``, which ships with the pipeline."""
        text = resources.files("lambdas.domain").joinpath("price_book.json").read_text(encoding="utf-8")
        return cls.from_documents(json.loads(text)["prices"])

    @classmethod
    def from_documents(cls, documents: list[dict[str, Any]]) -> Self:
        """Build a book from parsed JSON lines."""
        return cls({(line["model"], line["usage"]): PriceLine(**line) for line in documents})

    def with_lines(self, lines: list[PriceLine]) -> PriceBook:
        """Give a book in which ``lines`` replace or complete these."""
        return PriceBook({**self.lines, **{(line.model, line.usage): line for line in lines}})

    def find(self, model: str, usage: str) -> PriceLine | None:
        """Look a price up: for the model as it is called (a profile may cost more), else for its foundation model."""
        return self.lines.get((model, usage)) or self.lines.get((foundation_model_id(model), usage))

    def line(self, model: str, usage: str) -> PriceLine:
        """Look a price up that must exist.

        Raises
        ------
        PriceMissing
            With the line to add.
        """
        found = self.find(model, usage)
        if found is None:
            example = PriceLine(
                model=model, usage=usage, usd=0.0, unit=UNITS[usage], source="<where you read it>", date="<YYYY-MM-DD>"
            )
            message = (
                f"the price book has no price for '{usage}' of {model}: add a line to \"prices\" of this environment "
                f"in cdk.json, with the real dollars per {UNITS[usage]}: {json.dumps(asdict(example))}"
            )
            raise PriceMissing(message)
        return found

    def usd(self, model: str, usage: str, quantity: float) -> float:
        """Price a quantity.

        Parameters
        ----------
        model : str
            Model or inference profile id as it is called.
        usage : str
            A key of :data:`UNITS`.
        quantity : float
            Tokens for token usages; model months or model unit hours otherwise.

        Returns
        -------
        float
            US dollars.

        Raises
        ------
        PriceMissing
            When the book has no such line.
        """
        price = self.line(model, usage).usd
        return price * quantity / (1_000_000 if UNITS[usage] == "million tokens" else 1)

    def call_usd(self, model: str, input_tokens: float, output_tokens: float) -> float:
        """Price an on-demand call, or many calls, from their tokens."""
        return self.usd(model, "input", input_tokens) + self.usd(model, "output", output_tokens)
