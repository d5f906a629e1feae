"""What the traffic of a found task costs a year, flow by flow, at the prices of the book; an unknown price is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.errors import PriceMissing
from lambdas.domain.model_ids import CUSTOM
from lambdas.domain.prices.priced_parts import PricedPart

if TYPE_CHECKING:
    from lambdas.domain.discovery.found_task import FoundTask, ModelTraffic
    from lambdas.domain.prices.price_book import PriceBook

DAYS_A_YEAR = 365

ON_DEMAND_WAY, BATCH_WAY, FLEX_WAY = "", "batch_", "flex_"
"""How calls are paid for: the beginnings of the usages of the price book."""

_NO_MODEL = "an application inference profile that was not resolved to its model"
_BY_THE_HOUR = "an endpoint of a custom model or of provisioned throughput, whose tokens no line of the book prices"


def priced_name(identifier: str, profiles: Mapping[str, str]) -> str | None:
    """Give the name by which the book prices what a call named; ``None`` where it cannot be told.

    Parameters
    ----------
    identifier : str
        ``modelId`` of the log: an id, a profile's id, or an ARN.
    profiles : mapping of str to str
        Application inference profiles (ARN or the id at its end) and the model or profile that they were made of.

    Examples
    --------
    >>> priced_name("arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-pro-v1:0", {})
    'us.amazon.nova-pro-v1:0'
    """
    kind, _, name = identifier.split(":", 5)[-1].partition("/") if identifier.startswith("arn:") else ("", "", "")
    for known in (identifier, name):
        made_of = profiles.get(known)
        if made_of and made_of != identifier:
            return priced_name(made_of, {})
    if not identifier.startswith("arn:"):
        return identifier or None
    return name if kind in ("foundation-model", "inference-profile") else None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnpricedTraffic:
    """Calls whose dollars nobody knows, and what to do about it."""

    model: str
    calls: int
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """Calls a year to one model, paid for in one way; tokens are sums of the year.

    ``input_tokens`` are those that were neither read from a cache nor written to one.
    """

    model: str
    calls: float
    input_tokens: float
    cache_read_tokens: float
    cache_write_tokens: float
    output_tokens: float
    way: str = ON_DEMAND_WAY

    @classmethod
    def of(cls, model: str, use: ModelTraffic) -> Self:
        """Give what was logged, paid on demand, under the name by which the book prices the model."""
        return cls(
            model=model,
            calls=float(use.calls),
            input_tokens=float(use.input_tokens),
            cache_read_tokens=float(use.cache_read_tokens),
            cache_write_tokens=float(use.cache_write_tokens),
            output_tokens=float(use.output_tokens),
        )

    @property
    def sent(self) -> float:
        """All tokens of the requests."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def may_change(self) -> bool:
        """Whether a lever may still be applied to it: it is paid on demand and goes to no student."""
        return self.way == ON_DEMAND_WAY and not self.model.startswith(CUSTOM) and self.calls > 0

    def usd(self, prices: PriceBook) -> Decimal:
        """Price it.

        Raises
        ------
        PriceMissing
        """
        quantities = {
            f"{self.way}input": self.input_tokens,
            f"{self.way}output": self.output_tokens,
            "cache_read": self.cache_read_tokens,
            "cache_write": self.cache_write_tokens,
        }
        parts = (PricedPart.of(prices, self.model, usage, count) for usage, count in quantities.items() if count)
        return sum((part.usd for part in parts), Decimal())

    def times(self, factor: float) -> Flow:
        """Give a share of it."""
        return replace(
            self,
            calls=self.calls * factor,
            input_tokens=self.input_tokens * factor,
            cache_read_tokens=self.cache_read_tokens * factor,
            cache_write_tokens=self.cache_write_tokens * factor,
            output_tokens=self.output_tokens * factor,
        )

    def uncached(self, model: str, way: str = ON_DEMAND_WAY, sent: float | None = None) -> Flow:
        """Give the same questions to another model or in another way, where no cache answers."""
        return replace(
            self,
            model=model,
            way=way,
            input_tokens=self.sent if sent is None else sent,
            cache_read_tokens=0.0,
            cache_write_tokens=0.0,
        )


@dataclass(frozen=True, slots=True)
class TaskTraffic:
    """All priced flows of a task."""

    flows: tuple[Flow, ...]

    def usd(self, prices: PriceBook) -> Decimal:
        """US dollars a year."""
        return sum((flow.usd(prices) for flow in self.flows), Decimal())

    @property
    def open(self) -> tuple[Flow, ...]:
        """The flows that a lever may still be applied to."""
        return tuple(flow for flow in self.flows if flow.may_change)

    def changed(self, flows: Iterable[Flow]) -> TaskTraffic:
        """Put other flows in the place of the open ones."""
        kept = tuple(flow for flow in self.flows if not flow.may_change)
        return TaskTraffic(kept + tuple(flow for flow in flows if flow.calls > 0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Spend:
    """What a task's traffic comes to in a year.

    Attributes
    ----------
    traffic : TaskTraffic
        What could be priced.
    usd : Decimal or None
        Its dollars a year; ``None`` where nothing could be priced.
    unpriced : tuple of UnpricedTraffic
        What could not; its dollars are in no figure.
    """

    traffic: TaskTraffic
    usd: Decimal | None
    unpriced: tuple[UnpricedTraffic, ...]

    @classmethod
    def of(cls, task: FoundTask, prices: PriceBook, profiles: Mapping[str, str]) -> Self:
        """Price a task, its range taken for the year."""
        factor = DAYS_A_YEAR / days_of(task)
        flows: list[Flow] = []
        unpriced: list[UnpricedTraffic] = []
        for use in task.models:
            flow_or_why = _priced(use, factor, prices, profiles)
            if isinstance(flow_or_why, Flow):
                flows.append(flow_or_why)
            else:
                unpriced.append(UnpricedTraffic(model=use.model, calls=use.calls, why=flow_or_why))
        traffic = TaskTraffic(tuple(flows))
        return cls(traffic=traffic, usd=traffic.usd(prices) if flows else None, unpriced=tuple(unpriced))


def days_of(task: FoundTask) -> int:
    """Count the days of a task's range that were read, days without a call included."""
    whole = (date.fromisoformat(task.last_day) - date.fromisoformat(task.first_day)).days + 1
    return max(1, whole - task.unread_days)


def unpriced_from(documents: Iterable[Mapping[str, Any]]) -> tuple[UnpricedTraffic, ...]:
    """Read what a document has of them."""
    return tuple(UnpricedTraffic(model=one["model"], calls=one["calls"], why=one["why"]) for one in documents)


def _priced(use: ModelTraffic, factor: float, prices: PriceBook, profiles: Mapping[str, str]) -> Flow | str:
    """Make the flow of a model's calls, or say why they have no price."""
    name = priced_name(use.model, profiles)
    if name is None:
        return _NO_MODEL if "application-inference-profile" in use.model else _BY_THE_HOUR
    flow = Flow.of(name, use).times(factor)
    try:
        flow.usd(prices)
    except PriceMissing as missing:
        return str(missing)
    return flow
