"""A ledger adds up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.costs.ledger import LedgerEntry, summed, total_usd

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
