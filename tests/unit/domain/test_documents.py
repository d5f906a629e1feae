"""Every document that people write is read by one strict reader; what it refuses, it refuses in all of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import environment_files
from lambdas.domain.documents import InvalidDocument, parse_document
from lambdas.domain.errors import InvalidSettings, InvalidTaskDefinition, InvalidUpload
from lambdas.domain.evaluation.judge_calibration import read_calibration
from lambdas.domain.task.log_request import LogRequest
from lambdas.domain.task.settings import Settings
from lambdas.domain.task.task_definition import TaskDefinition
from stacks.context import read_context_file, read_environments

LINE = {"model": "m", "usage": "input", "unit": "million tokens", "source": "a page", "date": "2026-09-01"}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_is_json_is_read_as_it_is(document: object) -> None:
    text = json.dumps(document)
    assert parse_document(text, "it is ") == document
    assert parse_document(b"\xef\xbb\xbf" + text.encode(), "it is ") == document


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_by_name(content: bytes) -> None:
    with contextlib.suppress(InvalidDocument):
        parse_document(content, "the file is ")


WRONG = [
    ("NaN", "NaN is not a JSON value"),
    ("-Infinity", "-Infinity is not a JSON value"),
    ("1e400", "too large|maximum|Infinity"),
    ("9" * 400, "too large"),
    ("9" * 5_000, "too large"),
    ('{"a": 1, "a": 2}', 'the key "a" stands twice'),
    ('"\\ud800"', "surrogate"),
    ('{"\\udc00": 1}', "surrogate"),
    ("[" * 100_000, "nested too deeply"),
]

_PAIR = '{{"question": "q", "reference": {}, "answer": "a", "expected_score": 3}}'


def calibration(value: str) -> object:
    return read_calibration((_PAIR.format(f'{{"x": {value}}}') + "\n").encode())


READERS: dict[str, Callable[[str], object]] = {
    "task.json": lambda value: TaskDefinition.from_text(f'{{"output_schema": {{"x": {value}}}}}'.encode()),
    "logs.json": lambda value: LogRequest.from_text(
        f'{{"bucket": "b-1", "from": "2026-11-01", "to": "2026-11-02", "metadata": {{"x": {value}}}}}'.encode()
    ),
    "calibration.jsonl": calibration,
    "context": lambda value: read_environments(f'{{"dev": {{"max_hourly_usd": {value}}}}}'),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("value", "words"), WRONG, ids=range(len(WRONG)))
def test_every_reader_refuses_it(reader: str, value: str, words: str) -> None:
    with pytest.raises((InvalidTaskDefinition, InvalidUpload, InvalidSettings), match=words) as refused:
        READERS[reader](value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_another_reader_let_through_is_refused_by_its_key(number: float) -> None:
    with pytest.raises(InvalidSettings, match=r"'max_hourly_usd' is (nan|Infinity|-Infinity)"):
        Settings.from_mapping({"max_hourly_usd": number})
    with pytest.raises(InvalidSettings, match=r"'prices.0.usd' is (nan|Infinity|-Infinity)"):
        Settings.from_mapping({"prices": [{**LINE, "usd": number}]})


def test_a_cdk_json_with_a_key_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    file = tmp_path / "cdk.json"
    file.write_text('{"context": {"environments": {"dev": {"max_running": 1, "max_running": 100}}}}')
    monkeypatch.setattr(environment_files, "CDK_FILE", file)
    # When / Then
    with pytest.raises(InvalidSettings, match='the key "max_running" stands twice'):
        read_context_file(file)
    with pytest.raises(InvalidSettings, match='the key "max_running" stands twice'):
        environment_files.read_settings("dev")
    read_context_file(tmp_path / "nothing.json")


def test_a_cdk_json_without_a_context_object_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cdk.json"
    for text in ("[]", '{"context": []}'):
        file.write_text(text)
        with pytest.raises(InvalidSettings, match="must be an object whose 'context' is one"):
            read_context_file(file)
    file.write_text("{}")
    assert read_context_file(file) == {}


def test_nan_is_refused_by_its_key() -> None:
    with pytest.raises(InvalidSettings, match=r"NaN is not a JSON value, at 'dev\.prices\.0\.usd'"):
        read_environments('{"dev": {"prices": [{"usd": NaN}]}}')
