"""The texts of the queries: Athena's SQL, no salt, and nothing that a hostile value could add."""

from __future__ import annotations

import string
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp, parse, parse_one

from lambdas.domain.discovery.calls import COLUMNS
from lambdas.domain.discovery.queries import coverage, figures, offloaded, sample, stage_one
from tests.discovery.duck import (
    DATABASE,
    DESTINATION,
    REGION,
    SALT,
    add_lines,
    connection,
    entry,
    line,
    rows,
    select_of,
    translated,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = date(2026, 9, 1)


def stage(**values: Any) -> str:
    given_values = {
        "database": DATABASE,
        "source": 0,
        "region": REGION,
        "day": DAY,
        "destination": DESTINATION,
        "metadata_key": "task",
    }
    return stage_one(**{**given_values, **values})


QUERIES = {
    "stage one": select_of(stage()),
    "sample": sample(DATABASE, [0, 1], DAY, DAY, 100, "g-1"),
    "offloaded": offloaded(DATABASE, 0, DAY, 10),
    "figures": figures(DATABASE, [0, 1], DAY, DAY, "g-1"),
    "coverage": coverage(DATABASE, [0, 1], DAY, DAY),
}
MOST_SCANS, MOST_GROUPINGS = 4, 20

HOSTILE = st.one_of(
    st.text(min_size=1, max_size=40),
    st.sampled_from(
        ["'; DROP TABLE calls; --", "a' OR '1'='1", 'x"y', "a\nb", "lines_0 --", "../..", "a.b", "", "/*", "é"]
    ),
)


@pytest.mark.parametrize("name", QUERIES)
def test_each_text_is_one_statement_of_athena_that_begins_with_its_verb(name: str) -> None:
    [statement] = parse(QUERIES[name], read="athena")
    assert isinstance(statement, exp.Query)
    assert QUERIES[name].split()[0] in ("SELECT", "WITH")
    assert "--" not in QUERIES[name]
    assert len(stage().encode()) < 262_144, "the longest query that Athena takes"


@pytest.mark.parametrize("name", QUERIES)
def test_no_text_has_the_salt_or_a_place_that_was_not_filled(name: str) -> None:
    assert SALT not in QUERIES[name]
    assert "<<" not in QUERIES[name]


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_with_its_parts_written_out_reads_no_table_often_and_groups_seldom(name: str) -> None:
    """Athena keeps no result of a WITH: each reference is planned again, reads its tables again, and is billed again.

    DuckDB keeps them, so no run of a test shows it. Each grouping and each scan is a stage, each window and each join
    another, and Athena refuses a query of more than 150 ("Number of stages in the query exceeds the allowed maximum").
    ``cli/discovery/discover.py`` prices the scans that are allowed here.
    """
    # Given
    statement = parse_one(QUERIES[name], read="athena")
    # When
    found = Counter(written_out(statement, {part.alias: part.this for part in statement.find_all(exp.CTE)}))
    # Then
    scans = {node: count for node, count in found.items() if node != "GROUP BY"}
    assert scans
    assert max(scans.values()) <= MOST_SCANS, scans
    assert found["GROUP BY"] <= MOST_GROUPINGS


def written_out(query: exp.Expr, parts: dict[str, exp.Expr]) -> Iterator[str]:
    """Give the tables and the groupings of a query, those of a part as often as it is referenced."""
    for node in query.walk(prune=lambda node: isinstance(node, exp.With)):
        if isinstance(node, exp.Group):
            yield "GROUP BY"
        elif isinstance(node, exp.Table) and node.name in parts and not node.db:
            yield from written_out(parts[node.name], parts)
        elif isinstance(node, exp.Table):
            yield node.name


@pytest.mark.parametrize("name", QUERIES)
def test_nothing_of_a_query_is_left_out_for_duckdb(name: str, caplog: pytest.LogCaptureFixture) -> None:
    # When
    translated(QUERIES[name])
    # Then
    assert caplog.messages == []


@settings(max_examples=60)
@given(HOSTILE)
def test_names_of_another_form_are_refused(value: str) -> None:
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789_")
    if not value or not set(value) <= allowed:
        with pytest.raises(ValueError, match="'database' must have the form"):
            stage(database=value)
    with pytest.raises(ValueError, match="'region' must have the form"):
        stage(region=value)
    with pytest.raises(ValueError, match="'destination' must have the form"):
        stage(destination=f"s3://bucket/a'{value}/")
    with pytest.raises((ValueError, TypeError)):
        stage(source=value)
    if not value or not set(value) <= allowed | set(string.ascii_letters + "-"):
        with pytest.raises(ValueError, match="generation"):
            sample(DATABASE, [0], DAY, DAY, 10, value)


@pytest.mark.parametrize("source", [-1, 1.5, "0", None])
def test_a_source_is_a_whole_number_from_0(source: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        stage(source=source)


def test_a_range_has_sources_and_does_not_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="no range"):
        sample(DATABASE, [], DAY, DAY, 10, "g-1")
    with pytest.raises(ValueError, match="no range"):
        figures(DATABASE, [0], DAY, date(2026, 8, 31), "g-1")


@pytest.fixture(scope="module")
def duck() -> Any:
    return connection()


@settings(max_examples=20, deadline=None)
@given(key=HOSTILE.filter(lambda text: text.isprintable() and len(text) > 0))
def test_any_key_of_the_metadata_is_only_ever_a_key(duck: Any, key: str) -> None:
    # Given
    add_lines(duck, [line(entry({"messages": []}, requestMetadata={key: "billing", "another": "x"}))])
    # When
    [row] = rows(duck, select_of(stage(metadata_key=key)))
    # Then
    assert row["named_task"] == "billing"


@pytest.mark.parametrize("key", ["", "a" * 257, "a\nb", "\x00"])
def test_a_key_that_no_metadata_can_have_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="'metadata_key' must have"):
        stage(metadata_key=key)


def test_stage_one_gives_the_columns_of_the_table_in_their_types(duck: Any) -> None:
    """Parquet has the types of the query, and the table of the catalog must say the same."""
    add_lines(duck, [])
    found = duck.execute(f"DESCRIBE {translated(select_of(stage()))}").fetchall()
    glue = {"VARCHAR": "string", "BIGINT": "bigint", "BIGINT[]": "array<bigint>"}
    assert {name: glue.get(kind, kind) for name, kind, *_ in found} == COLUMNS
