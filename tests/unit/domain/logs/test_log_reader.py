"""From invocation logs to prompts: what is refused and why, the formats, the filters, and any bytes at all."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.dataset.records import parse_line
from lambdas.domain.errors import InvalidSettings, InvalidUpload
from lambdas.domain.logs.log_reader import MAX_ENTRY_BYTES, LogReader, shard_line
from lambdas.domain.logs.logged_answers import LoggedAnswers
from lambdas.domain.model_ids import model_behind
from lambdas.domain.questions.prompts import teacher_question
from lambdas.domain.task.log_request import LogRequest
from lambdas.domain.task.settings import Settings
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.domain.logs.log_samples import (
    CLAUDE,
    NOVA,
    Json,
    claude,
    claude_stream,
    converse,
    entry,
    log_object,
    nova_stream,
)

RANGE = {"bucket": "logs", "prefix": "app", "from": "2026-11-02T09:00:00Z", "to": "2026-11-02T10:00:00Z"}


def request(**changes: object) -> LogRequest:
    return LogRequest.from_document({**RANGE, **changes})


def read(
    content: bytes, bodies: dict[str, bytes] | None = None, **filters: object
) -> tuple[list[Json], dict[str, int]]:
    held = bodies or {}
    reader = LogReader(request(**filters), lambda path: io.BytesIO(held[path]) if path in held else None)
    found = list(reader.read("object", io.BytesIO(content)))
    return found, reader.counts.to_document()


def one(item: object, bodies: dict[str, bytes] | None = None) -> Json:
    [found] = read(log_object(item), bodies)[0]
    return found


def with_content(block: object) -> Json:
    made = converse()
    made["input"]["inputBodyJson"]["messages"][0]["content"] = [block]
    return made


def with_input(**changes: object) -> Json:
    made = converse()
    made["input"]["inputBodyJson"] |= changes
    return made


def offloaded(side: str, path: str) -> Json:
    made = converse()
    del made[side][f"{side}BodyJson"]
    made[side][f"{side}BodyS3Path"] = path
    return made


# What is refused


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"schemaType": "Other"}, "schemaType"),
        ([1, 2], "schemaType"),
        (converse(operation="StartAsyncInvoke"), "operation"),
        (converse(input={}), "no body of the input"),
        (converse(input=None), "no 'input'"),
        (with_input(messages=None), "no list 'messages'"),
        (entry("InvokeModel", "meta.llama3", {"prompt": "<|begin|>hello"}, {}), "no list 'messages'"),
        (with_input(messages=[{"content": []}]), "no role"),
        (with_content({"image": {"format": "png"}}), "image"),
        (with_content({"document": {"format": "pdf"}}), "document"),
        (with_content({"type": "image", "source": {}}), "image"),
        (with_content({"toolResult": {}}), "uses a tool"),
        (with_content({"type": "tool_use", "name": "f"}), "uses a tool"),
        (with_content("bare"), "no object"),
        (with_input(toolConfig={"tools": [{}]}), "offers tools"),
        (with_input(tools=[{"name": "f"}]), "offers tools"),
        (with_input(messages=[{"role": "assistant", "content": [{"text": "{"}]}]), "prefilled"),
        (converse(prompt="x" * 70_000), "too long"),
        (offloaded("input", "s3://elsewhere/body"), "is not in the log source"),
    ],
)
def test_what_is_no_text_prompt_is_rejected_with_a_reason(item: object, reason: str) -> None:
    found = one(item)
    assert reason in found["reason"]
    assert (found["object"], found["line"]) == ("object", 1)


def test_a_truncated_object_keeps_what_came_before_and_says_where_it_broke() -> None:
    # Given
    words = [f"prompt number {number} {'%x' % (number * 7919**5)}" for number in range(4000)]
    whole = log_object(*map(converse, words))
    # When
    found, counts = read(whole[: len(whole) // 2])
    # Then
    assert "damaged" in found[-1]["reason"]
    assert counts["rejected"] == 1
    assert 0 < counts["prompts"] == len(found) - 1 < len(words)


def test_a_broken_line_is_rejected_and_the_next_one_read() -> None:
    lines = [json.dumps(converse()).encode(), b"{cut", b"\xff\xfe", b"", b"[" * 100_000, json.dumps(claude()).encode()]
    found, counts = read(gzip.compress(b"\n".join(lines)))
    assert [item["line"] for item in found] == [1, 2, 3, 5, 6]
    assert (counts["prompts"], counts["rejected"]) == (2, 3)


def test_an_entry_far_over_the_limit_is_rejected_in_bounded_memory_and_the_next_one_read() -> None:
    found, counts = read(gzip.compress(b"x" * (5 * MAX_ENTRY_BYTES) + b"\n" + json.dumps(converse()).encode()))
    assert "too long" in found[0]["reason"]
    assert counts["prompts"] == 1


def test_errors_and_what_the_filters_leave_out_are_counted_and_not_rejected() -> None:
    _, counts = read(
        log_object(
            converse(errorCode="ThrottlingException"),
            converse(timestamp="2026-11-02T10:00:00Z"),
            converse(timestamp="no time"),
            converse(),
        )
    )
    assert counts == {"entries": 4, "filtered": 2, "errors": 1, "rejected": 0, "prompts": 1}


def test_half_a_surrogate_pair_reaches_the_checks_of_records_as_such() -> None:
    found = one(converse(prompt="half \ud83d pair"))
    line = json.loads(shard_line(found))["record"]
    with pytest.raises(Exception, match="surrogate"):
        parse_line(json.dumps(line).encode())


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=400), st.binary(max_size=200).map(gzip.compress)))
def test_any_bytes_give_rejected_lines_and_never_an_exception(content: bytes) -> None:
    found, counts = read(content)
    assert counts["entries"] == counts["rejected"] == len(found)


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "role",
                    "content",
                    "text",
                    "type",
                    "system",
                    "output",
                    "message",
                    "usage",
                    "metrics",
                    "delta",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(_json, _json, _json)
def test_any_bodies_add_up_and_a_prompt_can_be_written(body: Any, output: Any, metadata: Any) -> None:
    # When
    found, counts = read(log_object(entry("Converse", NOVA, body, output, requestMetadata=metadata)))
    # Then
    assert counts["entries"] == 1 == len(found)
    assert all(json.loads(shard_line(item)) for item in found)


# The formats


@pytest.mark.parametrize(
    ("item", "prompt", "answer", "tokens"),
    [
        (converse(), "red cats running", "visual", (12, 7)),
        (converse(operation="ConverseStream"), "red cats running", "visual", (12, 7)),
        (nova_stream(), "blue dogs", "visual", (9, 3)),
        (claude(), "and their song?", "audio", (30, 4)),
        (claude_stream(), "and their song?", "audio", (30, 4)),
    ],
    ids=["converse", "converse stream", "nova stream", "claude", "claude stream"],
)
def test_each_format_gives_prompt_system_and_answer(
    item: Json, prompt: str, answer: str, tokens: tuple[int, int]
) -> None:
    # When
    found = one(item)
    record = parse_line(json.dumps(found["record"]).encode())
    # Then
    assert (record.turns[-1].text, record.system, record.golden) == (prompt, "Sort the search.", None)
    said = found["answer"]
    assert (said["text"], said["stop_reason"]) == (answer, "end_turn")
    assert (said["input_tokens"], said["output_tokens"]) == tokens


def test_offloaded_bodies_are_read_plain_or_compressed() -> None:
    # Given
    item, other = offloaded("input", "s3://logs/in"), offloaded("output", "s3://logs/out")
    body = json.dumps(converse(prompt="far away")["input"]["inputBodyJson"]).encode()
    answer = json.dumps(converse(answer="from afar")["output"]["outputBodyJson"]).encode()
    # When, Then
    assert one(item, {"s3://logs/in": gzip.compress(body)})["record"]["messages"][0]["content"][0]["text"] == "far away"
    assert one(other, {"s3://logs/out": answer})["answer"]["text"] == "from afar"
    assert "answer" not in one(other, {})
    assert "damaged" in one(item, {"s3://logs/in": gzip.compress(body)[:-9]})["reason"]


def test_joined_blocks_are_a_prompt_but_no_answer_is_reused_for_them() -> None:
    made = converse()
    made["input"]["inputBodyJson"]["messages"][0]["content"] = [{"text": "red"}, {"text": "cats"}, {"cachePoint": {}}]
    found = one(made)
    assert found["record"]["messages"][0]["content"] == [{"text": "red\ncats"}]
    assert "answer" not in found


def test_an_answer_that_calls_a_tool_is_no_answer() -> None:
    made = converse()
    made["output"]["outputBodyJson"]["output"]["message"]["content"] = [{"toolUse": {"name": "f", "input": {}}}]
    assert "answer" not in one(made)


# Range and filters


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"form": 1}, "unknown key 'form'"),
        ({"from": "2026-11-02T09:00:00"}, "no time zone"),
        ({"from": "yesterday noon"}, "no ISO time"),
        ({"to": "2026-11-02T09:00:00Z"}, "'to' must be after 'from'"),
        ({"to": "2027-11-02T09:00:00Z"}, "at most 92 days"),
        ({"operations": ["CountTokens"]}, "operations"),
        ({"metadata": {str(number): "x" for number in range(17)}}, "metadata"),
    ],
)
def test_a_request_that_says_something_else_is_refused_with_the_key(changes: Json, words: str) -> None:
    with pytest.raises(InvalidUpload, match=words):
        request(**changes)


@pytest.mark.parametrize("text", [b"", b"\xff", b"[" * 100_000, b"[]", b'"x"', b"{}"])
def test_any_other_file_is_refused_as_a_request(text: bytes) -> None:
    with pytest.raises(InvalidUpload):
        LogRequest.from_text(text)


def test_a_range_that_is_still_written_is_refused() -> None:
    with pytest.raises(InvalidUpload, match="still to come"):
        request().check_over(datetime(2026, 11, 2, 9, 59, tzinfo=UTC))


def test_a_location_outside_the_settings_is_refused_with_those_that_are_allowed() -> None:
    allowed = Settings.from_mapping({"log_sources": [{"bucket": "logs", "prefix": "/other/"}]}).allowed_logs()
    with pytest.raises(InvalidUpload, match=r"s3://logs/app is no log source.*allowed: s3://logs/other"):
        request().source(allowed)
    with pytest.raises(InvalidUpload, match="allowed: none"):
        request().source([])


def test_a_log_source_with_an_unknown_key_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="unknown key"):
        Settings.from_mapping({"log_sources": [{"bucket": "logs", "path": "x"}]})


def test_the_hours_of_a_range_reach_one_beyond_it_for_late_deliveries() -> None:
    assert list(request(to="2026-11-02T10:30:00Z").hours()) == [
        "2026/11/02/09/",
        "2026/11/02/10/",
        "2026/11/02/11/",
    ]


PROFILE_ARN = f"arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.{NOVA}"


@pytest.mark.parametrize(
    ("filters", "taken"),
    [
        ({}, ["converse", "profile", "claude"]),
        ({"models": [NOVA]}, ["converse", "profile"]),
        ({"models": [f"us.{NOVA}"]}, ["converse", "profile"]),
        ({"models": [f"arn:aws:bedrock:us-east-1::foundation-model/{CLAUDE}"]}, ["claude"]),
        ({"operations": ["InvokeModel"]}, ["claude"]),
        ({"metadata": {"app": "search"}}, ["profile"]),
        ({"metadata": {"app": "search", "stage": "test"}}, []),
        ({"from": "2026-11-02T09:45:00Z"}, []),
    ],
)
def test_filters_take_what_they_say(filters: Json, taken: list[str]) -> None:
    # Given
    entries = {
        "converse": converse(),
        "profile": converse(modelId=PROFILE_ARN, requestMetadata={"app": "search", "stage": "live"}),
        "claude": claude(),
    }
    # When
    found, _ = read(log_object(*entries.values()), **filters)
    # Then
    assert [list(entries)[item["line"] - 1] for item in found] == taken


def test_an_application_inference_profile_stays_its_arn() -> None:
    arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123"
    assert model_behind(arn) == arn


# Logged answers


def answers_for(item: Json, task: TaskDefinition, teacher: str) -> object:
    found = one(item)
    record = parse_line(json.dumps(found["record"]).encode())
    logged = LoggedAnswers()
    logged.add(record.id, found["answer"])
    again = LoggedAnswers.from_json_lines(logged.to_json_lines())
    return again.answer(teacher_question(record, task), teacher, record.system)


def test_an_answer_is_the_teacher_s_only_if_the_teacher_saw_what_it_would_be_asked() -> None:
    # Given
    plain, same = TaskDefinition.default(), TaskDefinition.from_document({"teacher_system_prompt": "Sort the search."})
    other = TaskDefinition.from_document({"teacher_system_prompt": "Sort it differently."})
    # When, Then
    assert answers_for(converse(modelId=PROFILE_ARN), plain, NOVA)
    assert answers_for(converse(), same, f"us.{NOVA}")
    assert answers_for(converse(), other, NOVA) is None
    assert answers_for(converse(), plain, CLAUDE) is None


def test_an_answer_that_was_cut_is_asked_for_again() -> None:
    cut = converse()
    cut["output"]["outputBodyJson"]["stopReason"] = "max_tokens"
    assert answers_for(cut, TaskDefinition.default(), NOVA) is None


@pytest.mark.parametrize("made", [converse, claude, claude_stream, nova_stream])
def test_what_a_guardrail_said_is_no_answer_of_the_model(made: Any) -> None:
    # Given a call that ended as usual, whose body or one of whose events says that a guardrail spoke
    item = made()
    body = item["output"]["outputBodyJson"]
    marked = {"amazon-bedrock-guardrailAction": "INTERVENED"}
    if isinstance(body, list):
        body[-1].update(marked)
    else:
        body.update(marked)

    # When
    found = one(item)

    # Then
    record = parse_line(json.dumps(found["record"]).encode())
    logged = LoggedAnswers()
    logged.add(record.id, found["answer"])
    again = LoggedAnswers.from_json_lines(logged.to_json_lines())
    assert found["answer"]["stop_reason"] == "guardrail_intervened"
    assert len(again) == 0
    assert again.problem(record.id, found["answer"]["model"]) == "guardrail intervened"
    # And the first whole answer to the same prompt is taken all the same
    logged.add(record.id, {**found["answer"], "stop_reason": "end_turn"})
    assert len(LoggedAnswers.from_json_lines(logged.to_json_lines())) == 1


# Conversations


def group_of(item: Json, **filters: object) -> int | None:
    found, _ = read(log_object(item), None, **filters)
    return parse_line(json.dumps(found[0]["record"]).encode()).group


def test_the_calls_of_a_conversation_are_a_group_by_their_first_turn() -> None:
    # Given four calls that repeat each other's turns, and another conversation
    def call(*texts: str) -> Json:
        item = converse()
        item["input"]["inputBodyJson"]["messages"] = [
            {"role": ("user", "assistant")[index % 2], "content": [{"text": text}]} for index, text in enumerate(texts)
        ]
        return item

    turns = ("My printer jams", "Which?", "The red one", "Restart it", "Done", "Good", "Thanks")
    calls = [call(*turns[: 2 * number + 1]) for number in range(4)]

    # When / Then
    assert len({group_of(item) for item in calls}) == 1
    assert group_of(call("my printer  JAMS!")) == group_of(calls[0])
    assert group_of(call("My invoice is wrong")) != group_of(calls[0])


def test_the_metadata_that_a_request_names_goes_before_the_first_turn() -> None:
    # Given calls of two sessions
    one = converse("cats", requestMetadata={"session": "s1", "app": "search"})
    same = converse("dogs", requestMetadata={"session": "s1", "app": "search"})
    other = converse("cats", requestMetadata={"session": "s2"})

    # When / Then
    assert group_of(one, conversation="session") == group_of(same, conversation="session")
    assert group_of(one, conversation="session") != group_of(other, conversation="session")
    # And without it, or where a call has none, the first turn says
    assert group_of(one) == group_of(other)
    assert group_of(converse("cats"), conversation="session") == group_of(one)
    assert request(conversation="session").to_document()["conversation"] == "session"
    assert "conversation" not in request().to_document()
