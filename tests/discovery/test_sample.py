"""The sample of which rules are made: repeatable, and not of the largest caller alone."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest

from lambdas.domain.discovery.queries import CALLERS_LEAST, sample
from tests.discovery import duck

DAY = date(2026, 9, 1)
SIZE = 1_000


@pytest.fixture(scope="module")
def logged() -> Any:
    """A gateway that makes 97 of 100 calls, two smaller applications, and one with forty calls."""
    connection = duck.connection(1)
    connection.execute(
        f"CREATE TABLE {duck.DATABASE}.calls AS SELECT '2026-09-01T00:00:00Z' AS called_at, "
        "CASE WHEN n < 19400 THEN 'gateway' WHEN n < 19680 THEN 'first' WHEN n < 19960 THEN 'second' ELSE 'least' END "
        "AS principal, NULL AS named_task, CASE WHEN n % 2 = 0 THEN NULL ELSE 'tools' END AS tools_digest, "
        "9 AS prompt_characters, 'm' AS model, 'Converse' AS operation, false AS json_answer, 1 AS output_tokens, "
        "CAST([n] AS BIGINT[]) AS features, 'r' || n AS request_id, 0 AS source, '2026-09-01' AS day "
        "FROM range(20000) AS t(n)"
    )
    return connection


def drawn(logged: Any, generation: str, calls: int = SIZE) -> list[dict[str, Any]]:
    return duck.rows(logged, sample(duck.DATABASE, [0], DAY, DAY, calls, generation))


def test_each_caller_is_in_the_sample_with_enough_calls_or_with_all(logged: Any) -> None:
    # When
    callers = Counter((row["principal"], row["tools_digest"]) for row in drawn(logged, "g-1"))
    # Then a small one has about as many as a template needs, and who made few calls has nearly all
    assert callers.total() == SIZE
    assert len(callers) == 8
    for caller, calls in callers.items():
        assert calls >= (15 if caller[0] == "least" else CALLERS_LEAST / 2), caller
    # And the rest is the largest one's
    assert sum(calls for (principal, _), calls in callers.items() if principal == "gateway") >= SIZE / 2


def test_a_repetition_draws_the_same_calls_and_another_run_draws_others(logged: Any) -> None:
    assert drawn(logged, "g-1") == drawn(logged, "g-1")
    assert drawn(logged, "g-1") != drawn(logged, "g-2")


def test_where_all_calls_fit_all_are_there(logged: Any) -> None:
    assert len({row["features"] for row in drawn(logged, "g-1", 100_000)}) == 20_000
