"""A logged call is the same row in SQL and in Python."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.domain.discovery.calls import COLUMNS, LoggedCall, call_of_line
from lambdas.domain.discovery.queries import stage_one
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
)

QUERY = select_of(stage_one(DATABASE, 0, REGION, date(2026, 9, 1), DESTINATION, "task"))


@pytest.fixture(scope="module")
def duck() -> Any:
    return connection()


def in_sql(duck: Any, lines: list[str]) -> list[LoggedCall]:
    add_lines(duck, lines)
    return [LoggedCall.from_mapping(row) for row in rows(duck, QUERY)]


def in_python(lines: list[str], path: str | None) -> list[LoggedCall]:
    return [call_of_line(text, lambda _path: None, SALT, "task", path) for text in lines]


def same(duck: Any, lines: list[str]) -> list[LoggedCall]:
    found = in_sql(duck, lines)
    expected = in_python(lines, found[0].object if found else None)
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    return found


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=120)
SENTENCES = st.lists(
    st.sampled_from(
        [
            "You answer questions of customers about invoices.",
            '<rules>Never say "I do not know what this is".</rules>\n',
            "- Write to anna.b@example.com or https://example.com/a/b?c=1 by 2026-09-01.",
            "請用繁體中文回答問題。不要使用英文。",
            "Отвечай только на русском языке. ",
            '{"task": "classify the message", "labels": ["a", "b"], "n": 12}',
            "0123456789abcdef0123 and 123e4567-e89b-12d3-a456-426614174000",
            "x" * 700,
        ]
    ),
    max_size=14,
).map(" ".join)
TEXTS = st.one_of(TEXT, SENTENCES)
BLOCK = st.one_of(
    st.builds(lambda t: {"text": t}, TEXTS),
    st.builds(lambda t: {"type": "text", "text": t}, TEXTS),
    st.just({"cachePoint": {"type": "default"}}),
    st.just({"image": {"format": "png"}}),
    st.just({"type": "image", "source": {}}),
    st.just({"toolUse": {"name": "a"}}),
    st.just({"type": "tool_result", "content": "x"}),
    st.just({"text": 5}),
    st.just("loose"),
    st.none(),
)
CONTENT = st.one_of(TEXTS, st.lists(BLOCK, max_size=3), st.none(), st.just({"a": 1}), st.just(7))
MESSAGE = st.one_of(
    st.builds(lambda r, c: {"role": r, "content": c}, st.sampled_from(["user", "assistant"]), CONTENT),
    st.just({"role": "user"}),
    st.just("user: hello"),
)
TOOLS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.just({"tools": [{"name": "b"}, {"name": "a"}, {"name": "a"}]}),
    st.just({"toolConfig": {"tools": [{"toolSpec": {"name": "z"}}, {"odd": 1}]}}),
    st.just({"tools": "none"}),
)
BODY = st.one_of(
    st.builds(
        lambda s, m, t: {**({} if s is None else {"system": s}), "messages": m, **t},
        st.one_of(st.none(), CONTENT),
        st.one_of(st.lists(MESSAGE, max_size=4), st.just("no list"), st.none()),
        TOOLS,
    ),
    st.just({"inputText": "embed this"}),
    st.none(),
)
STOP = st.sampled_from(["end_turn", "tool_use", "max_tokens", "guardrail_intervened"])
ANSWER = st.one_of(
    st.none(),
    st.builds(
        lambda b, s: {"output": {"message": {"content": b}}, "stopReason": s, "usage": {}},
        st.lists(BLOCK, max_size=2),
        STOP,
    ),
    st.builds(lambda b, s: {"content": b, "stop_reason": s}, st.lists(BLOCK, max_size=2), STOP),
    st.builds(
        lambda a, b, s: [
            {"type": "message_start", "message": {}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": a}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": b}},
            {"type": "message_delta", "delta": {"stop_reason": s}},
        ],
        TEXT,
        TEXT,
        STOP,
    ),
    st.builds(
        lambda a, s: [{"contentBlockDelta": {"delta": {"text": a}}}, {"messageStop": {"stopReason": s}}],
        st.sampled_from(['{"a": 1}', "```json\n[1]", " \n[", "no"]),
        STOP,
    ),
)
METADATA = st.one_of(
    st.none(),
    st.builds(lambda v: {"task": v}, st.one_of(TEXT, st.sampled_from([" ", "billing", 3, None, ["a"]]))),
    st.just({"other": "x"}),
)
COUNT = st.one_of(st.integers(0, 10**14), st.sampled_from([None, "12", "1.5", "x", -3, True, 2.5, [1]]))


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    made = entry(draw(BODY), draw(ANSWER))
    made["operation"] = draw(
        st.sampled_from(["Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream", "Other", None])
    )
    made["requestMetadata"] = draw(METADATA)
    made["input"]["inputTokenCount"] = draw(COUNT)
    made["input"]["cacheReadInputTokenCount"] = draw(COUNT)
    made["output"]["outputTokenCount"] = draw(COUNT)
    made["identity"] = draw(
        st.sampled_from(
            [
                {"arn": "arn:aws:sts::1:assumed-role/app/session"},
                {"arn": "arn:aws:iam::1:user/path/anna"},
                {"arn": "arn:aws:iam::1:root"},
                {"arn": "odd"},
                {},
                None,
            ]
        )
    )
    if draw(st.booleans()):
        made["input"]["inputBodyS3Path"] = "s3://logs/x/data/a_input.json.gz"
    if draw(st.integers(0, 9)) == 0:
        made["errorCode"] = "ThrottlingException"
    if draw(st.integers(0, 9)) == 0:
        made["schemaType"] = draw(st.sampled_from(["Other", None, 1]))
    return made


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(entries(), min_size=1, max_size=40))
def test_sql_and_python_make_the_same_row(duck: Any, made: list[dict[str, Any]]) -> None:
    assert len(same(duck, [line(value) for value in made])) == len(made)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries(), st.data())
def test_a_line_cut_anywhere_is_damaged_and_counted(duck: Any, made: dict[str, Any], data: st.DataObject) -> None:
    text = line(made)
    [call] = same(duck, [text[: data.draw(st.integers(1, len(text) - 1))]])
    assert call.status == "damaged"


@pytest.mark.parametrize("text", ["null", "[]", "1", '"a"', "{}", '{"schemaType": "Other"}', "NaN", "{,}", "\\N"])
def test_what_is_no_entry_is_damaged(duck: Any, text: str) -> None:
    assert [call.status for call in same(duck, [text])] == ["damaged"]


def test_lines_of_offloaded_bodies_and_empty_lines_are_no_calls(duck: Any) -> None:
    # Given
    add_lines(duck, ["", "   ", line(entry({"messages": []}))])
    duck.execute(
        f"INSERT INTO {DATABASE}.lines_0 "
        f"SELECT line, region, hour, replace(\"$path\", '07/', '07/data/') FROM {DATABASE}.lines_0"
    )
    # When
    found = rows(duck, QUERY)
    # Then
    assert [row["status"] for row in found] == ["answered"]


def test_no_text_is_in_a_row_and_another_salt_makes_other_digests(duck: Any) -> None:
    # Given
    canary = "canary-7f3a"
    body = {
        "system": [{"text": f"You are {canary} of the house."}],
        "messages": [{"role": "user", "content": [{"text": f"{canary} {canary} what is the matter with you"}]}],
    }
    text = line(entry(body, {"output": {"message": {"content": [{"text": canary}]}}, "stopReason": "end_turn"}))
    # When
    [call] = same(duck, [text])
    other = call_of_line(text, lambda _path: None, "b" * 64, "task")
    # Then
    assert canary not in call.to_line()
    assert "house" not in call.to_line()
    assert set(call.features or ()).isdisjoint(other.features or ())
    assert set(call.prefix_digests or ()).isdisjoint(other.prefix_digests or ())
    assert call.request_digest != other.request_digest


def test_a_row_is_read_back_from_its_line(duck: Any) -> None:
    [call] = same(duck, [line(entry({"messages": [{"role": "user", "content": "What is that in the sky?"}]}))])
    assert LoggedCall.from_mapping(json.loads(call.to_line())) == call
    assert set(COLUMNS) == set(json.loads(call.to_line()))
