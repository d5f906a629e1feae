"""A request costs what serving it would: cached where the model keeps the prompt, however it was answered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.contestant_summary import summarise
from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.evaluation.served_price import (
    CachedPrefix,
    batch_usd,
    cached_prefix,
    read_share,
    request_usd,
)
from lambdas.domain.prices.price_book import PriceBook, PriceLine
from tests.unit.domain.samples import PUBLISHED, measured

MODEL = "amazon.nova-pro-v1:0"
USD = {"input": 1.0, "output": 4.0, "cache_read": 0.1, "cache_write": 1.25, "batch_input": 0.5, "batch_output": 2.0}
"""Per million tokens."""


def book(**usd: float) -> PriceBook:
    lines = [
        PriceLine(model=MODEL, usage=usage, usd=each, unit="million tokens", source="made up", date="2026-11-29")
        for usage, each in usd.items()
    ]
    return PriceBook({(line.model, line.usage): line for line in lines}, "us-east-1")


BOOK = book(**USD)
PLAIN = replace(
    measured("teacher", PUBLISHED["teacher"])[0],
    input_tokens=5_000,
    output_tokens=50,
    cache_read_tokens=0,
    cache_write_tokens=0,
)


def test_without_a_price_of_cached_tokens_nothing_is_made_cheaper() -> None:
    dear = book(input=1.0, output=4.0)
    assert request_usd(PLAIN, MODEL, dear, CachedPrefix(4_000, 1.0)) == request_usd(PLAIN, MODEL, dear)


def test_a_model_that_keeps_nothing_has_no_prefix() -> None:
    assert cached_prefix([PLAIN], None, 1.0) is None


def test_what_the_service_kept_is_taken_before_an_estimate() -> None:
    # Given two of three requests that met the cache
    items = [PLAIN, replace(PLAIN, cache_read_tokens=4_321), replace(PLAIN, cache_write_tokens=4_321)]
    # When / Then
    assert cached_prefix(items, 1_024, 0.5) == CachedPrefix(4_321, 0.5)


@given(st.integers(0, 6_000), st.integers(0, 4_000), st.integers(0, 4_000), st.integers(1, 4_000), st.floats(0.0, 1.0))
def test_batch_and_on_demand_answers_cost_the_same_as_served(
    fresh: int, read: int, written: int, prefix: int, share: float
) -> None:
    # Given the same request, answered by a batch that reports plain input, and on demand with a cache
    by_batch = replace(PLAIN, input_tokens=fresh + read + written, batch=True)
    on_demand = replace(PLAIN, input_tokens=fresh, cache_read_tokens=read, cache_write_tokens=written)
    kept = CachedPrefix(prefix, share)
    # When / Then
    usd = request_usd(by_batch, MODEL, BOOK, kept)
    assert usd == pytest.approx(request_usd(on_demand, MODEL, BOOK, kept))
    # And what is read costs less than what is asked anew, what is written more
    plain = request_usd(by_batch, MODEL, BOOK)
    assert (usd <= plain + 1e-12) == (share * 0.9 >= (1 - share) * 0.25 - 1e-9) or by_batch.input_tokens == 0


def test_a_cached_rival_may_turn_the_verdict() -> None:
    # Given a long prompt whose answers a batch gave, and 2.67 dollars per 1,000 at plain input prices
    item = replace(PLAIN, input_tokens=2_470, output_tokens=50, batch=True)
    # When it is priced as served
    plain = summarise([item], MODEL, BOOK).usd_per_1k_requests
    cached = summarise([item], MODEL, BOOK, prefix=CachedPrefix(2_000, 1.0))
    # Then
    assert plain == pytest.approx(2.67)
    assert cached.usd_per_1k_requests == pytest.approx(0.87)
    assert cached.cached_prompt_tokens == 2_000
    assert cached.to_document()["cached_prompt_tokens"] == 2_000


@pytest.mark.parametrize(
    ("requests", "share"), [(None, 1.0), (1, 0.0), (8_760, 0.632), (87_600, 0.99995), (10**9, 1.0)]
)
def test_seldom_traffic_finds_the_cache_empty(requests: int | None, share: float) -> None:
    # 8,760 requests a month are one in five minutes
    assert read_share(requests) == pytest.approx(share, abs=1e-3)


def test_traffic_that_can_wait_has_the_batch_price_where_there_is_one() -> None:
    assert batch_usd(PLAIN, MODEL, BOOK) == pytest.approx(0.5 * 0.005 + 2.0 * 0.00005)
    assert batch_usd(PLAIN, MODEL, book(input=1.0, output=4.0, batch_input=0.5)) is None
    assert summarise([PLAIN], MODEL, book(input=1.0, output=4.0)).batch_usd_per_1k_requests is None


def unanswered() -> Measurement:
    return replace(PLAIN, answered=False, input_tokens=0, output_tokens=0)


def test_a_request_without_an_answer_makes_no_price_cheaper() -> None:
    assert summarise([PLAIN, unanswered()], MODEL, BOOK).batch_usd_per_1k_requests == pytest.approx(2.6)
