"""A ledger adds up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.costs.ledger import LedgerEntry, entry_for_answers, exact_usd, summed, total_usd, usd_by_stage
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.prices.priced_parts import PricedPart
from lambdas.domain.questions.answers import Answer

ENTRIES = st.lists(
    st.builds(
        LedgerEntry,
        id=st.uuids().map(str),
        stage=st.sampled_from(["GenerateTeacherData", "EvaluateStudent"]),
        model=st.sampled_from(["a", "b"]),
        kind=st.sampled_from(["actual", "derived", "at most"]),
        usage=st.dictionaries(st.sampled_from(["calls", "input_tokens"]), st.integers(0, 10**6).map(float)),
        usd=st.integers(0, 10**6).map(lambda millionths: millionths / 1_000_000),
    ),
    max_size=30,
)


@given(ENTRIES)
def test_a_summed_ledger_has_the_same_total_and_one_line_a_stage_model_and_kind(entries: list[LedgerEntry]) -> None:
    # Given any entries / When
    lines = summed(entries)

    # Then
    assert total_usd(lines) == pytest.approx(total_usd(entries))
    assert total_usd(entries) == pytest.approx(sum(entry.usd for entry in entries))
    assert len({(line.stage, line.model, line.kind) for line in lines}) == len(lines)
    for name in ("calls", "input_tokens"):
        assert sum(line.usage.get(name, 0) for line in lines) == sum(entry.usage.get(name, 0) for entry in entries)


NOVA, CLAUDE = "us.amazon.nova-pro-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0"
TOKENS = st.integers(0, 10**6)
ANSWERS = st.lists(
    st.builds(
        Answer,
        key=st.just("k"), record_id=st.just("r"), model=st.just(NOVA), text=st.just("yes"),
        stop_reason=st.just("end_turn"), input_tokens=TOKENS, output_tokens=TOKENS, latency_ms=st.just(5),
        client_ms=st.just(6), cache_read_tokens=TOKENS, cache_write_tokens=TOKENS,
    ),
    max_size=20,
)  # fmt: skip


@given(ANSWERS, ANSWERS, st.sampled_from([NOVA, CLAUDE]))
def test_the_parts_of_a_line_are_its_dollars_to_the_last_digit(
    good: list[Answer], wasted: list[Answer], model: str
) -> None:
    # Given
    prices = PriceBook.shipped()
    # When
    entry = entry_for_answers("id", "GenerateTeacherData", model, good, prices, wasted=wasted)
    # Then each part is its quantity at its price, and together they are the line
    assert sum((part.usd for part in entry.priced), Decimal()) == exact_usd(entry)
    tokens = [
        answer.input_tokens + answer.output_tokens + answer.cache_read_tokens + answer.cache_write_tokens
        for answer in (*good, *wasted)
    ]
    assert sum(part.quantity for part in entry.priced) == sum(tokens)
    # And what was stored is read as it was
    assert LedgerEntry.from_document(entry.to_document()) == entry


def test_a_line_from_before_has_no_parts_and_no_time() -> None:
    old = {"id": "a", "stage": "CheckRun", "model": NOVA, "kind": "actual", "usage": {"calls": 1}, "usd": 0.5}
    entry = LedgerEntry.from_document(old)
    assert (entry.priced, entry.at, entry.usd) == ([], "", 0.5)


def test_a_line_with_a_usage_that_only_a_later_version_knows_is_read_as_one_amount() -> None:
    part = {"usage": "input", "quantity": 10, "usd_per_unit": 1.0}
    document = {"id": "a", "stage": "s", "model": NOVA, "kind": "actual", "usd": 0.5,
                "priced": [part, {**part, "usage": "thought"}]}  # fmt: skip
    assert LedgerEntry.from_document(document).priced == []


@given(ENTRIES)
def test_the_dollars_of_stages_are_exact(entries: list[LedgerEntry]) -> None:
    sums = usd_by_stage(entries)
    assert sum(sums.values(), Decimal()) == sum((Decimal(str(entry.usd)) for entry in entries), Decimal())


def test_summed_lines_keep_quantities_at_their_prices() -> None:
    cheap, dear = (PricedPart(usage="input", quantity=10, usd_per_unit=price) for price in (1.0, 2.0))
    entry = LedgerEntry(id="a", stage="s", model="m", kind="actual", usd=1.0, priced=[cheap, dear])
    (line,) = summed([entry, entry])
    assert [(part.quantity, part.usd_per_unit) for part in line.priced] == [(20, 1.0), (20, 2.0)]
