"""A found task's rule takes the same calls with and without the salt, and a run's reader takes no others."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.discovery.masking import feature, names_of
from lambdas.domain.discovery.task_rule import TaskRule, call_with
from lambdas.domain.errors import InvalidUpload
from lambdas.domain.logs.log_reader import LogReader
from lambdas.domain.task.log_request import LogRequest

SALT = "5a17" * 16
ROUTE = "You route tickets of our customers.\nAnswer with one of billing, login, delivery."
SHORTEN = "You shorten articles of our magazine.\nAnswer in two sentences, with no heading."
RANGE = {"bucket": "the-logs", "from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z"}


def entry(system: str, user: str, role: str = "gateway", **changes: Any) -> dict[str, Any]:
    body = {"system": [{"text": system}], "messages": [{"role": "user", "content": [{"text": user}]}]}
    return {
        "schemaType": "ModelInvocationLog",
        "timestamp": "2026-11-01T10:00:00Z",
        "operation": "Converse",
        "modelId": "amazon.nova-pro-v1:0",
        "identity": {"arn": f"arn:aws:sts::111122223333:assumed-role/{role}/session"},
        "input": {"inputBodyJson": body},
        "output": {},
        **changes,
    }


def rule_lines(system: str, task: str, need: int = 2, role: str = "gateway", order: int = 3) -> list[dict[str, Any]]:
    """Give the lines of a rule by the two lines of a system text, as stage 2 writes them."""
    names = [name for name in names_of(system, "") if name.startswith("s|")]
    return [
        {"principal": role, "tools": "", "rule": task, "order": order, "part": 0, "feature": feature(name, SALT),
         "need": need, "names": False}
        for name in names
    ]  # fmt: skip


LINES = [*rule_lines(ROUTE, "t-0000000001"), *rule_lines(SHORTEN, "t-0000000002")]
CALLS = [
    entry(system, f"{said} number {number}, please, by the end of the day", role)
    for system, said in ((ROUTE, "My parcel"), (SHORTEN, "An article"), ("Say hello to the people.", "Hello"))
    for role in ("gateway", "other")
    for number in range(3)
]


def unsalted(task: str = "t-0000000001") -> TaskRule:
    salted = TaskRule.salted(task, LINES)
    seen = [
        (call, call["input"]["inputBodyJson"])
        for call in CALLS
        if salted.takes_call(call_with(call, call["input"]["inputBodyJson"], SALT))
    ]
    assert len(seen) == 3
    return salted.without_salt(SALT, seen)


def read(rule: dict[str, Any] | None, entries: list[dict[str, Any]]) -> tuple[list[str], dict[str, int]]:
    request = LogRequest.from_document({**RANGE, **({} if rule is None else {"rule": rule})})
    taken = None if request.rule is None else TaskRule.from_document(request.rule).takes
    reader = LogReader(request, lambda _path: None, taken)
    body = b"\n".join(json.dumps(one).encode() for one in entries)
    found = [one["record"] for one in reader.read("key", io.BytesIO(body)) if "record" in one]
    return [one["messages"][0]["content"][0]["text"] for one in found], reader.counts.to_document()


@pytest.mark.parametrize(
    "rule",
    [
        {"task": "t-1", "ways": []},
        {"task": "t-1", "ways": [{"callers": [["a"]], "parts": [{"need": 1, "features": [1]}]}]},
        {"task": "t-1", "ways": [{"callers": [["a", ""]], "parts": []}]},
        {"task": "t-1", "ways": [{"callers": [["a", ""]], "parts": [{"need": 0, "features": [1]}]}]},
        {"task": "t-1", "ways": [{"callers": [["a", ""]], "parts": [{"need": 1, "features": ["x"]}]}]},
    ],
)
def test_a_rule_that_takes_everything_or_nothing_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(InvalidUpload, match="rule"):
        LogRequest.from_document({**RANGE, "rule": rule})


def test_a_run_reads_the_calls_of_the_found_task_and_no_others() -> None:
    # Given two tasks and chat of two roles in one log, and the rule of the first as it is uploaded
    document = json.loads(json.dumps(unsalted().to_document()))

    # When a run reads it
    prompts, counts = read(document, CALLS)

    # Then it has the three calls of that task and role, the others are filtered, and the counts add up
    assert prompts == [f"My parcel number {number}, please, by the end of the day" for number in range(3)]
    assert counts == {"entries": 18, "filtered": 15, "errors": 0, "rejected": 0, "prompts": 3}
    assert len(read(None, CALLS)[0]) == 18


def test_a_damaged_body_is_rejected_and_not_filtered() -> None:
    broken = entry(ROUTE, "x", input={})
    _, counts = read(unsalted().to_document(), [broken])
    assert counts["rejected"] == 1


def test_the_rule_that_is_uploaded_says_neither_text_nor_salt() -> None:
    text = json.dumps(unsalted().to_document())
    assert SALT not in text
    assert "ticket" not in text
    salted = {line["feature"] for line in LINES}
    assert not salted & {one for way in unsalted().ways for part in way.parts for one in part.features}


def test_a_request_keeps_its_rule() -> None:
    request = LogRequest.from_document({**RANGE, "rule": unsalted().to_document()})
    again = LogRequest.from_document(request.to_document())
    assert again == request
    assert again.end == datetime(2026, 11, 2, tzinfo=UTC)


WORDS = st.lists(st.sampled_from(["ticket", "of", "customers", "answer", "briefly", "1234", "\n", ". "]), max_size=30)


@settings(max_examples=40)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6), st.integers(1, 3))
def test_with_and_without_salt_the_same_of_the_seen_calls_are_taken(
    texts: list[tuple[list[str], list[str]]], need: int
) -> None:
    # Given a rule by the lines of the first call, and calls of which it takes some
    calls = [entry(" ".join(system), " ".join(user)) for system, user in texts]
    names = names_of(" ".join(texts[0][0]), " ".join(texts[0][1]))[: 2 * need]
    lines = [
        {"principal": "gateway", "tools": "", "rule": "t-1", "order": 0, "part": 0, "need": need, "names": False,
         "feature": feature(name, SALT)}
        for name in names
    ]  # fmt: skip
    rule = TaskRule.salted("t-1", lines)
    bodies = [(call, call["input"]["inputBodyJson"]) for call in calls]
    taken = [rule.takes_call(call_with(*one, SALT)) for one in bodies]

    # When it is written without a salt of those it takes
    plain = rule.without_salt(SALT, [one for one, yes in zip(bodies, taken, strict=True) if yes])

    # Then it takes the same
    assert [plain.takes(*one) for one in bodies] == taken


HOUSE = "You help people of our house.\nBe brief and polite in what you say."
COMPLAIN = f"{HOUSE}\nThis is a complaint, so say that you are sorry."


def ordered(first: int, second: int) -> tuple[TaskRule, list[dict[str, Any]], list[bool]]:
    """Give the rule of a general task without its salt, calls of it and of a special one, and which it must take."""
    shared = {feature(name, SALT) for name in names_of(HOUSE, "")}
    special = [line for line in rule_lines(COMPLAIN, "t-special", 1, order=first) if line["feature"] not in shared]
    lines = [*special, *rule_lines(HOUSE, "t-general", order=second)]
    rule = TaskRule.salted("t-general", lines, "task")
    calls = [entry(system, f"question {number} of today") for system in (HOUSE, COMPLAIN) for number in range(4)]
    bodies = [(call, call["input"]["inputBodyJson"]) for call in calls]
    rows = [call_with(*one, SALT) for one in bodies]
    taken = [rule.takes_call(row) for row in rows]
    left = [one for one, row in zip(bodies, rows, strict=True) if any(rule.left_to(row)) and not rule.takes_call(row)]
    plain = rule.without_salt(SALT, [one for one, yes in zip(bodies, taken, strict=True) if yes], left)
    return TaskRule.from_document(json.loads(json.dumps(plain.to_document()))), calls, taken


def test_what_a_rule_that_comes_first_takes_is_left_to_it() -> None:
    rule, calls, taken = ordered(0, 1)
    assert taken == [True] * 4 + [False] * 4
    assert [rule.takes(call, call["input"]["inputBodyJson"]) for call in calls] == taken


def test_a_rule_that_comes_later_takes_nothing_from_it() -> None:
    rule, calls, taken = ordered(1, 0)
    assert taken == [True] * 8
    assert [rule.takes(call, call["input"]["inputBodyJson"]) for call in calls] == taken
    assert "unless" not in json.dumps(rule.to_document())


def test_of_a_rule_that_comes_first_and_that_no_call_met_nothing_is_said() -> None:
    rule, calls, _ = ordered(0, 1)
    lines = [*rule_lines("Never said by anybody at all.", "t-x", 1, order=0), *rule_lines(HOUSE, "t-general")]
    salted = TaskRule.salted("t-general", lines)
    plain = salted.without_salt(SALT, [(calls[0], calls[0]["input"]["inputBodyJson"])])
    assert plain.ways[0].unless == ()
    assert plain.takes(calls[0], calls[0]["input"]["inputBodyJson"])
    assert rule.ways[0].unless != ()


def test_a_call_whose_metadata_names_its_task_is_left_to_its_name() -> None:
    rule, calls, _ = ordered(0, 1)
    named = {**calls[0], "requestMetadata": {"task": "another"}}
    other = {**calls[0], "requestMetadata": {"team": "shop"}}
    assert not rule.takes(named, named["input"]["inputBodyJson"])
    assert rule.takes(other, other["input"]["inputBodyJson"])
    _, counts = read(rule.to_document(), [named, other])
    assert (counts["filtered"], counts["prompts"]) == (1, 1)
