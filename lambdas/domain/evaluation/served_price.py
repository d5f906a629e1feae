"""What one request costs as it would be served, however its answer was obtained for the evaluation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.domain.prices.price_book import MINUTES_A_MONTH, PriceBook

if TYPE_CHECKING:
    from lambdas.domain.evaluation.measurements import Measurement

CACHE_MINUTES = 5
"""How long a prompt is kept after its last use (Amazon Bedrock user guide, prompt caching: 5 minutes, begun anew)."""


@dataclass(frozen=True, slots=True)
class CachedPrefix:
    """The beginning that all requests of a contestant share, where its model would keep it.

    Attributes
    ----------
    tokens : float
        Of the beginning.
    read_share : float
        Share of requests that find it kept, 0 to 1; the others write it.
    """

    tokens: float
    read_share: float


def read_share(requests_per_month: int | None) -> float:
    """Give the share of requests that come within five minutes of another, in even traffic (Poisson arrivals).

    Without a volume all of them do: what a rival costs is never said to be more than it may be.
    """
    if requests_per_month is None:
        return 1.0
    return -math.expm1(-requests_per_month / MINUTES_A_MONTH * CACHE_MINUTES)


def cached_prefix(items: Sequence[Measurement], estimated_tokens: int | None, share: float) -> CachedPrefix | None:
    """Find out what a contestant's model would keep of each request.

    Parameters
    ----------
    items : sequence of Measurement
        Of the contestant. What the service says that it kept is taken before any estimate.
    estimated_tokens : int, optional
        Fewest tokens of the shared beginning; ``None`` where the model keeps nothing.
    share : float
        See :func:`read_share`.
    """
    kept = [item.cache_read_tokens + item.cache_write_tokens for item in items]
    reported = [tokens for tokens in kept if tokens]
    if not reported and estimated_tokens is None:
        return None
    return CachedPrefix(statistics.median(reported) if reported else float(estimated_tokens or 0), share)


def request_usd(item: Measurement, model: str, prices: PriceBook, prefix: CachedPrefix | None = None) -> float:
    """Price one request as serving would: on demand, with its shared beginning cached where the model keeps it.

    Parameters
    ----------
    item : Measurement
        Also one that a batch answered, or that came before the prompt was kept.
    model : str
        Model whose price holds.
    prices : PriceBook
    prefix : CachedPrefix, optional
        Without it the tokens count as they were billed.
    """
    read, written, fresh = float(item.cache_read_tokens), float(item.cache_write_tokens), float(item.input_tokens)
    if prefix is not None and prices.find(model, "cache_read"):
        total = fresh + read + written
        kept = min(prefix.tokens, total)
        read, written, fresh = kept * prefix.read_share, kept * (1 - prefix.read_share), total - kept
    usd = prices.call_usd(model, fresh, item.output_tokens)
    for usage, tokens in (("cache_read", read), ("cache_write", written)):
        if tokens:
            # As in the ledger: some models cache unasked, and a price that nobody looked for before must not end a run
            # whose training is paid. Without one such tokens cost what other input tokens cost.
            usd += prices.usd(model, usage if prices.find(model, usage) else "input", tokens)
    return usd


def batch_usd(item: Measurement, model: str, prices: PriceBook) -> float | None:
    """Price one request as batch inference would, for traffic that can wait a day; ``None`` where it has no price."""
    if not (prices.find(model, "batch_input") and prices.find(model, "batch_output")):
        return None
    tokens = item.input_tokens + item.cache_read_tokens + item.cache_write_tokens
    return prices.usd(model, "batch_input", tokens) + prices.usd(model, "batch_output", item.output_tokens)
