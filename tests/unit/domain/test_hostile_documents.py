"""Documents changed at random, with a fixed seed: each is read or refused with a message, in less than two seconds."""

from __future__ import annotations

import copy
import gzip
import io
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.dataset.builder import build_dataset
from lambdas.domain.dataset.line_reader import read_lines
from lambdas.domain.documents import load_schema
from lambdas.domain.errors import InvalidSettings, InvalidTaskDefinition, PipelineError
from lambdas.domain.evaluation.judge_calibration import read_calibration
from lambdas.domain.evaluation.task_metric import field_differences, measure_task
from lambdas.domain.task.log_request import LogRequest
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.text.answer_repair import repaired
from lambdas.domain.text.output_schema import OutputChecker
from lambdas.workflow.serving.smoke_test import same_answer
from stacks.context import read_environments

SEED = 20_261_129
LONGEST_SECONDS = 2.0
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "video-search-intent"

PARTS: list[Any] = [
    None, True, False, 0, -1, 1e308, 1e-320, 10**400, -0.0, float("nan"), float("inf"), "", "x", "\x00", "\ud800",
    "a" * 100_001, [], {}, [[]], {"": {}}, {"$ref": "#"}, {"$ref": "#/definitions/x"}, {"$ref": "http://127.0.0.1:1/x"},
    {"$ref": "file:///etc/passwd"}, {"type": "object", "properties": {"a": {"$ref": "#"}}}, {"pattern": "("},
    {"type": "string", "pattern": "^(a+)+$"}, {"type": "string", "pattern": "^(a|aa)+$"}, {"pattern": "a{1,99999}" * 9},
    {"type": ["object", "null"]}, {"type": "unknown"}, {"enum": []}, {"enum": [None, 1.0]}, {"multipleOf": 0},
    {"multipleOf": 1e-320}, {"minimum": "x"}, {"properties": []}, {"properties": {"a": True}}, {"required": "a"},
    {"required": [1]}, {"additionalProperties": 3}, {"items": 3}, {"items": [{"type": "string"}]}, {"allOf": []},
    {"anyOf": [{}]}, {"oneOf": "x"}, {"not": 1}, {"if": {}, "then": 1}, {"format": "regex"}, {"format": "date-time"},
    {"const": {"a": [1]}}, {"x-sum": {"fields": ["a"], "equals": 1e308, "tolerance": 0}}, {"x-sum": 1},
    {"x-sum": {"fields": ["a", "b"], "equals": 1, "tolerance": 0.01}, "properties": {"a": {"type": "number"}}},
    {"default": 1}, {"$id": "http://x/y"}, {"$schema": "http://json-schema.org/draft-04/schema#"},
    {"dependencies": {"a": ["b"]}}, {"propertyNames": False}, {"contains": {}}, {"uniqueItems": True},
    {"minLength": 10**30}, {"maxLength": -1}, {"minProperties": 1.5}, {"patternProperties": {"^(a|a)*$": {}}},
    {"patternProperties": {"(": {}}}, {"properties": {"a": {"pattern": 7}}},
]  # fmt: skip
ANSWERS = [
    "", "{}", "[]", "null", "NaN", '{"a": 1e999}', '{"a": 1, "b": 2}', "a" * 40 + "!", '"' + "a" * 40 + '!"',
    '{"a": "' + "a" * 60 + '!"}', "[" * 5_000, '{"a":' * 3_000, "1" * 5_000, '{"visual": 1, "audio": 0}', '"\\ud800"',
    '{"a": 123456789012345678901234567890}', '{"a": true, "b": null}', json.dumps(["x"] * 50), "\ufeff{}",
]  # fmt: skip
RAW = [
    b"null", b"NaN", b"Infinity", b"-0", b"1e999", b"1" * 5_000, b'"\\ud800"', b'"\\u0000"', b"[]", b"{}", b'""',
    b"true",
    b"[" * 600 + b"]" * 600, b'{"a":' * 300 + b"1" + b"}" * 300, b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\x00",
    b"\r", b"\n", b'"prompt"', b'"messages"', b'"content"', b'"text"', b'"role"', b'"assistant"', b'"slices"',
    b'"expected_score"', b"0", b"6", b"3.5", b'"x"',
]  # fmt: skip


def chance() -> random.Random:
    return random.Random(SEED)  # noqa: S311 - the same every time


def in_time(call: Callable[[], object]) -> None:
    """Call in at most two seconds of processor time: the machine may be busy with other tests."""
    begun = time.process_time()
    call()
    assert time.process_time() - begun < LONGEST_SECONDS


def paths(document: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(document, dict):
        for key, member in document.items():
            yield from paths(member, (*path, key))
    elif isinstance(document, list):
        for at, member in enumerate(document):
            yield from paths(member, (*path, at))


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    document = copy.deepcopy(document)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return document


def changed(document: Any, schema: dict[str, Any], dice: random.Random) -> Any:
    """Put hostile parts into a document, under keys that its schema knows and elsewhere."""
    for _ in range(dice.randint(1, 4)):
        part, throw = copy.deepcopy(dice.choice(PARTS)), dice.random()
        if throw < 0.5 or not isinstance(document, dict):
            document = put(document, dice.choice(list(paths(document))), part)
        elif throw < 0.85:
            document = put(document, (dice.choice(list(schema["properties"])),), part)
        elif document:
            document = {key: value for key, value in document.items() if key != dice.choice(list(document))}
    return document


def written(document: object, dice: random.Random) -> bytes:
    text = json.dumps(document, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")
    if dice.random() < 0.05:
        text = text[: dice.randint(0, len(text))]
    return text.replace(b"1", b"NaN", 1) if dice.random() < 0.03 else text


def use(text: bytes) -> None:
    """Read a task definition and check every answer with it, as the pipeline does."""
    try:
        task = TaskDefinition.from_text(text)
    except InvalidTaskDefinition as refused:
        assert str(refused).startswith("task.json")  # noqa: PT017 - either way is right
        return
    checker = OutputChecker(task.output_schema)
    for answer in ANSWERS:
        problem = checker.problem(answer)
        assert problem is None or len(problem) < 300
        repaired(answer)
        same_answer(answer, ANSWERS[6])
        measure_task(task.output_schema, [(answer, ANSWERS[6]), (ANSWERS[6], answer)])
        list(field_differences(task.output_schema, answer, ANSWERS[6]) or ())


def test_every_task_definition_is_used_or_refused() -> None:
    dice, base = chance(), json.loads((EXAMPLE / "task.json").read_text())
    schema = load_schema("task.schema.json")
    for _ in range(250):
        document = changed(base, schema, dice)
        text = written(document, dice)
        in_time(lambda: use(text))  # noqa: B023 - called at once


def test_every_context_is_used_or_refused() -> None:
    dice, schema = chance(), load_schema("settings.schema.json")
    line = {"model": "m", "usage": "input", "usd": 1, "unit": "million tokens", "source": "page", "date": "2026-01-01"}
    for _ in range(250):
        settings = changed({"prices": [line], "max_hourly_usd": 9, "log_sources": [{"bucket": "b-1"}]}, schema, dice)
        text = written({"dev": settings}, dice).decode("utf-8", "replace")

        def read(text: str = text) -> None:
            try:
                read_environments(text)["dev"].price_book()
            except InvalidSettings as refused:
                assert str(refused)  # noqa: PT017 - either way is right

        in_time(read)


def mutated(data: bytes, dice: random.Random) -> bytes:
    for _ in range(dice.randint(1, 6)):
        throw, at = dice.random(), dice.randrange(len(data) + 1)
        end = min(len(data), at + dice.randint(0, 40))
        if throw < 0.3:
            data = data[:at] + dice.choice(RAW) + data[end:]
        elif throw < 0.45:
            data = data[:at] + data[end:]
        elif throw < 0.6:
            data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
        elif throw < 0.7:
            data = data[:at] + data[at:end] * dice.randint(2, 50) + data[end:]
        elif colons := [at for at in range(len(data)) if data[at : at + 1] == b":"]:
            begin = dice.choice(colons) + 1
            ends = [found for found in (data.find(b",", begin), data.find(b"}", begin)) if found > 0]
            data = data[:begin] + dice.choice(RAW) + data[min(ends or [begin]) :]
    return data


def turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"text": text}]}


PROMPTS = (EXAMPLE / "prompts.jsonl").read_bytes().splitlines()[:200]
TRUSTED = [
    json.dumps(
        {
            "schemaVersion": "bedrock-conversation-2024",
            "messages": [turn("user", f"q{number}"), turn("assistant", '{"visual": 1, "audio": 0}')],
        }
    ).encode()
    for number in range(60)
]
REQUEST = b'{"bucket": "team-logs", "from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z", "metadata": {}}'
TASK = TaskDefinition.default()


def dataset(data: bytes, own_holdout: bytes | None = None) -> None:
    held = None if own_holdout is None else read_lines(io.BytesIO(own_holdout))
    build_dataset(read_lines(io.BytesIO(data)), lambda _line: None, own_holdout=held, task=TASK)


READERS: dict[str, tuple[list[bytes], Callable[[bytes], object]]] = {
    "prompts": (PROMPTS, dataset),
    "conversations": (TRUSTED, dataset),
    "holdout": (TRUSTED, lambda data: dataset(b"\n".join(PROMPTS), data)),
    "calibration": ((EXAMPLE / "calibration.jsonl").read_bytes().splitlines(), read_calibration),
    "logs": ([REQUEST], LogRequest.from_text),
}


@pytest.mark.parametrize("kind", [*READERS, "compressed"])
def test_every_file_is_read_or_refused(kind: str) -> None:
    dice = chance()
    lines, read = READERS.get(kind, (PROMPTS, dataset))
    for _ in range(80):
        data = mutated(b"\n".join(dice.sample(lines, min(len(lines), dice.randint(1, 30)))), dice)
        if kind == "compressed":
            data = gzip.compress(data)
            data = mutated(data, dice) if dice.random() < 0.7 else data

        def read_it(data: bytes = data) -> None:
            try:
                read(data)
            except PipelineError as refused:
                assert str(refused)  # noqa: PT017 - either way is right

        in_time(read_it)
