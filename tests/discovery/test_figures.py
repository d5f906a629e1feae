"""Stage 3 on DuckDB against the same figures worked out in Python: nothing is lost, and nothing counted twice."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.discovery import queries
from lambdas.domain.discovery.calls import call_of
from lambdas.domain.discovery.figures import found_tasks
from lambdas.domain.discovery.masking import feature
from lambdas.domain.evaluation.confidence_bounds import percentile
from tests.discovery.duck import (
    DATABASE,
    DESTINATION,
    SALT,
    add_lines,
    connection,
    entry,
    line,
    select_of,
    translated,
)

if TYPE_CHECKING:
    import duckdb

    from lambdas.domain.discovery.found_task import FoundTask

FIRST, LAST = date(2026, 8, 31), date(2026, 9, 2)
SORT = "You sort support tickets into one of the queues below"
TRANSLATE = "Translate the sentence of the user into German now"
LONG = " ".join(f"Rule {number} of the house applies to every answer" for number in "abcdef")


def call(number: int, system: str, user: str, **more: Any) -> dict[str, Any]:
    body = {"system": [{"text": system}], "messages": [{"role": "user", "content": [{"text": user}]}]}
    answer = {"output": {"message": {"content": [{"text": '{"a": 1}'}]}}, "stopReason": "end_turn"}
    at = f"2026-09-01T{7 + number % 3:02d}:{number % 60:02d}:00Z"
    return entry(body, answer, requestId=f"r{number}", timestamp=at, **more)


def rule(name: str, place: int, text: str, *, tools: str = "") -> str:
    found = {"principal": "app", "tools": tools, "rule": name, "order": place, "part": 0, "need": 1}
    return json.dumps({**found, "feature": feature(f"s|{text}", SALT)})


RULES = [rule("t-0000000001", 0, SORT), rule("t-0000000002", 1, TRANSLATE)]


def measured(lines: list[str], rules: list[str], bodies: list[str] = []) -> dict[str, FoundTask]:  # noqa: B006
    database = connection()
    add_lines(database, lines or [""])
    stage_one = queries.stage_one(DATABASE, 0, "us-east-1", date(2026, 9, 1), DESTINATION, "task")
    day = "SELECT *, 0 AS source, '2026-09-01' AS day FROM"
    database.execute(f"CREATE TABLE {DATABASE}.calls AS {day} ({for_duckdb(select_of(stage_one))})")
    table(database, "bodies", "line VARCHAR, source INT, day VARCHAR", [(one, 0, "2026-09-01") for one in bodies])
    table(database, "rules", "line VARCHAR, generation VARCHAR", [(one, "g") for one in rules])
    result = database.execute(for_duckdb(queries.figures(DATABASE, [0], FIRST, LAST, "g")))
    names = [column[0] for column in result.description or []]
    found = [as_csv(dict(zip(names, row, strict=True))) for row in result.fetchall()]
    return {task.task: task for task in found_tasks(found)}


@cache
def for_duckdb(query: str) -> str:
    """Translate once: parsing takes longer than running."""
    return translated(query)


def table(database: duckdb.DuckDBPyConnection, name: str, columns: str, values: list[tuple[Any, ...]]) -> None:
    database.execute(f"CREATE TABLE {DATABASE}.{name} ({columns})")
    if values:
        places = ", ".join("?" for _ in values[0])
        database.executemany(f"INSERT INTO {DATABASE}.{name} VALUES ({places})", values)


def as_csv(row: dict[str, Any]) -> dict[str, str]:
    """Write a row as Athena's CSV has it: NULL is an empty text."""
    return {name: "" if value is None else str(value) for name, value in row.items()}


def test_what_is_no_call_is_counted_and_costs_no_task_a_figure() -> None:
    failed = call(1, SORT, "a", errorCode="ThrottlingException")
    foreign = entry({"inputText": "old form"}, requestId="f")
    found = measured(["{damaged", "[]", line(failed), line(foreign), line(call(2, SORT, "b"))], RULES)
    assert found["t-0000000001"].calls == 1
    assert found["t-0000000001"].failed_calls == 1
    assert (found["unassigned"].calls, found["unassigned"].unread_calls, found["unassigned"].damaged_lines) == (1, 1, 2)


def test_a_log_without_a_line_has_no_task() -> None:
    assert measured([], RULES) == {}


def test_metadata_names_a_task_before_any_rule() -> None:
    named = [line(call(n, SORT, f"u{n}", requestMetadata={"task": "queues"})) for n in range(3)]
    found = measured([*named, line(call(9, SORT, "x"))], RULES)
    assert {name: (task.named_by, task.calls) for name, task in found.items()} == {
        "queues": ("metadata", 3), "t-0000000001": ("rule", 1),
    }  # fmt: skip


def test_a_call_that_several_rules_take_is_of_the_first_one_alone() -> None:
    both = line(call(1, f"{SORT}. {TRANSLATE}. That is all.", "x"))
    assert list(measured([both], RULES)) == ["t-0000000001"]
    assert list(measured([both], [rule("t-0000000002", 0, TRANSLATE), rule("t-0000000001", 1, SORT)])) == [
        "t-0000000002"
    ]


def test_a_rule_of_another_tool_list_or_generation_takes_nothing() -> None:
    assert list(measured([line(call(1, SORT, "x"))], [rule("t-0000000001", 0, SORT, tools="abc")])) == ["unassigned"]


def test_offloaded_calls_get_their_figures_from_beside_the_log() -> None:
    whole = [call(n, SORT, f"ticket {n}") for n in range(4)]
    offloaded = []
    for one in whole[:2]:
        moved = {name: value for name, value in one["input"].items() if name != "inputBodyJson"}
        offloaded.append({**one, "input": {**moved, "inputBodyS3Path": f"s3://logs/data/{one['requestId']}.json.gz"}})
    read = call_of(offloaded[0], lambda _path: whole[0]["input"]["inputBodyJson"], SALT, "task").to_line()
    found = measured([line(one) for one in [*offloaded, *whole[2:]]], RULES, [read])
    sorted_, rest = found["t-0000000001"], found["unassigned"]
    assert (sorted_.calls, sorted_.offloaded_calls, sorted_.unread_calls) == (3, 1, 0)
    assert (rest.calls, rest.offloaded_calls, rest.unread_calls) == (1, 1, 1)


def test_the_shares_are_those_of_the_calls() -> None:
    lines = [line(call(n, f"{LONG}. {SORT}.", "the same" if n < 5 else f"ticket {n}")) for n in range(20)]
    [task] = measured(lines, RULES).values()
    assert task.duplicate_share == pytest.approx(4 / 20)
    assert task.prefix_characters == 256
    assert task.shared_characters >= len(LONG) - 20
    assert task.days == 1
    assert (task.calls_a_day_p50, task.calls_a_day_p95) == (0, 20)
    assert task.json_share == 1
    # Three hours have calls; the busiest tenth of them is one.
    assert task.busiest_hours_share == pytest.approx(7 / 20)
    assert task.models[0].input_tokens == 20 * 11


@settings(max_examples=12)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([SORT, TRANSLATE, "Talk to me about whatever comes up"]), st.booleans(), st.booleans()
        ),
        max_size=40,
    )
)
def test_every_line_and_every_token_is_in_one_task(kinds: list[tuple[str, bool, bool]]) -> None:
    lines = [
        line(
            call(
                number,
                system,
                f"question {number}",
                **({"requestMetadata": {"task": "named"}} if tagged else {}),
                **({"errorCode": "ThrottlingException"} if failed else {}),
            )
        )
        for number, (system, tagged, failed) in enumerate(kinds)
    ]
    found = measured([*lines, "{"], RULES)
    truth = Counter(
        "named" if tagged else {SORT: "t-0000000001", TRANSLATE: "t-0000000002"}.get(system, "unassigned")
        for system, tagged, failed in kinds
        if not failed
    )
    assert {name: task.calls for name, task in found.items() if task.calls} == truth
    assert sum(task.failed_calls for task in found.values()) == sum(failed for *_, failed in kinds)
    assert sum(task.damaged_lines for task in found.values()) == 1
    assert sum(use.input_tokens for task in found.values() for use in task.models) == 11 * truth.total()


@given(st.lists(st.integers(0, 99), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(values: list[int], share: float) -> None:
    found = percentile(values, share)
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values) + 1e-9
