"""What every lever is: what it would make of the traffic, what stops it, what is measured first, what is done next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.discovery.spend import TaskTraffic

if TYPE_CHECKING:
    from lambdas.domain.discovery.found_task import FoundTask
    from lambdas.domain.prices.price_book import PriceBook
    from lambdas.domain.task.settings import Settings

TOOLS, IMAGES, STREAMING, FEW_CALLS, NO_PROMPT = "tools", "images", "streaming", "too few calls", "no stable prompt"
PAYBACK, TERMS, NO_PRICE, GAPS, NO_CACHE = "payback", "terms", "no price", "gaps", "no cache"
CACHED, STEADY, UNIQUE, NO_CHEAPER, UNASSIGNED = "cached", "steady", "unique", "no cheaper model", "unassigned"
"""What can block a lever, as documents name it."""

WRITTEN_AS = {
    "cache": "request.json",
    "move_and_cache": "request.json",
    "batch": "requests.jsonl",
    "reuse": "keys.json",
    "cheaper_model": "request.json",
}
"""Levers that end in a file, and how it may be called: 'opportunity ID --lever NAME --write FILE'."""

MORE_THAN_A_FEW = 0.02
"""Share of calls below which a hindrance is not worth telling."""

MOST = 0.5
"""Share of calls from which a hindrance stops a lever: what is left is not the task any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeverBlock:
    """One hindrance; ``stops`` tells whether it stops the lever, or is only to be settled first."""

    kind: str
    text: str
    stops: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What a lever makes of the traffic, with little and with much success, and what it costs a year itself."""

    low: TaskTraffic
    high: TaskTraffic
    cost_low_usd: Decimal = Decimal()
    cost_high_usd: Decimal = Decimal()


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What a lever says of one task and what is left of its traffic.

    Attributes
    ----------
    change : Change or None
        ``None`` where a hindrance leaves nothing to work out.
    measure : str
        What must be measured before it is pulled.
    measure_usd : Decimal or None
        What that measurement costs; ``None`` where it costs no model call.
    do : str
        What to do next.
    figures : mapping of str to str
        What the saving was worked out from, by name.
    """

    blocks: tuple[LeverBlock, ...] = ()
    change: Change | None = None
    measure: str = ""
    measure_usd: Decimal | None = None
    do: str = ""
    figures: Mapping[str, str] = field(default_factory=dict)

    @property
    def stopped(self) -> bool:
        """Whether nothing can be had."""
        return self.change is None or any(block.stops for block in self.blocks)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunForeseen:
    """What a run of a found task would cost, by the pipeline's own estimate, in US dollars."""

    low_usd: Decimal
    usd: Decimal
    high_usd: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class LeverBasis:
    """What levers are worked out from: a task's figures, the prices and the environment's models.

    ``foreseen`` keeps what a run would cost, which does not depend on the levers before it.
    """

    task: FoundTask
    prices: PriceBook
    settings: Settings
    foreseen: list[RunForeseen] = field(default_factory=list, compare=False, repr=False)

    @property
    def input_tokens(self) -> float:
        """Mean tokens of a request, those of caches included."""
        sent = sum(use.input_tokens + use.cache_read_tokens + use.cache_write_tokens for use in self.task.models)
        return sent / max(1, sum(use.calls for use in self.task.models))

    @property
    def output_tokens(self) -> float:
        """Mean tokens of an answer."""
        return sum(use.output_tokens for use in self.task.models) / max(1, sum(use.calls for use in self.task.models))

    @property
    def shared_share(self) -> float:
        """Share of a request's text that at least 90 % of the calls have in common."""
        return min(1.0, self.task.shared_characters / max(1.0, self.task.prompt_characters))


Propose = Callable[[LeverBasis, TaskTraffic], Proposal]


@dataclass(frozen=True, kw_only=True, slots=True)
class LeverKind:
    """One lever.

    Attributes
    ----------
    unmeasured : bool
        Whether the log cannot say if answers stay as good.
    """

    name: str
    title: str
    effort: str
    unmeasured: bool
    propose: Propose


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedLever:
    """A lever of one task, in US dollars a year.

    Attributes
    ----------
    low_usd, high_usd : Decimal
        Saving of this lever alone; 0 where something stops it.
    added_low_usd, added_high_usd : Decimal
        What it adds after those ranked before it: these may be summed. Where it adds something the fields below are of
        that, also of a lever that saves nothing alone: another model may cache what today's does not.
    """

    name: str
    title: str
    effort: str
    unmeasured: bool
    low_usd: Decimal
    high_usd: Decimal
    added_low_usd: Decimal
    added_high_usd: Decimal
    blocks: tuple[LeverBlock, ...]
    measure: str
    measure_usd: Decimal | None
    do: str
    figures: Mapping[str, str]

    @property
    def stopped(self) -> bool:
        """Whether a hindrance stops it."""
        return any(block.stops for block in self.blocks)

    @property
    def saves(self) -> bool:
        """Whether it saves anything, alone or after those ranked before it."""
        return max(self.high_usd, self.added_high_usd) > 0

    def to_document(self) -> dict[str, Any]:
        """Give it as JSON has it; dollars are texts, exact."""
        return {
            "name": self.name,
            "title": self.title,
            "effort": self.effort,
            "unmeasured": self.unmeasured,
            "low_usd": plain_usd(self.low_usd),
            "high_usd": plain_usd(self.high_usd),
            "added_low_usd": plain_usd(self.added_low_usd),
            "added_high_usd": plain_usd(self.added_high_usd),
            "blocks": [asdict(block) for block in self.blocks],
            "measure": self.measure,
            "measure_usd": None if self.measure_usd is None else plain_usd(self.measure_usd),
            "do": self.do,
            "figures": dict(self.figures),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_document` gave.

        Raises
        ------
        KeyError
            A field is missing.
        """
        known = {name: document[name] for name in cls.__slots__}
        for name in ("low_usd", "high_usd", "added_low_usd", "added_high_usd"):
            known[name] = Decimal(known[name])
        known["measure_usd"] = None if known["measure_usd"] is None else Decimal(known["measure_usd"])
        known["blocks"] = tuple(LeverBlock(**block) for block in known["blocks"])
        return cls(**known)


def plain_usd(dollars: Decimal) -> str:
    """Write dollars to a hundredth of a cent, without an exponent."""
    return f"{dollars:.4f}"


def share_block(kind: str, share: float, what: str) -> list[LeverBlock]:
    """Name a hindrance of a share of the calls, where it is worth telling; it stops the lever from :data:`MOST` on."""
    if share < MORE_THAN_A_FEW:
        return []
    return [LeverBlock(kind=kind, text=f"{share:.0%} of the calls {what}", stops=share >= MOST)]
