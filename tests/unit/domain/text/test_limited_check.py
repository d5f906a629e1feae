"""A check of an answer ends, whatever schema and answer are; a pattern without end is refused before it is paid."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.errors import InvalidTaskDefinition
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.text import limited_check
from lambdas.domain.text.limited_check import is_slow, limited
from lambdas.domain.text.output_schema import OutputChecker

SLOW = ["^(a|a)*$", "^(a|aa)+$", "(.*,){20}P"]
GUARDED = ["^(a+)+$", r"^(\w+\s?)*$", "^([a-zA-Z0-9]+)*x$", "(.*)*=", r"^(\d+|\d+-)*Q$", "^(a?){50}a{50}$"]
"""These take the standard library minutes, and this engine no time."""
QUICK = [
    "^[a-z0-9-]+$", r"^\d{4}-\d{2}-\d{2}$", "(yes|no)", "^.{1,200}$", r"\S", r"^\s*\S.*\S\s*$",
    r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$", "^(?!.*bad).*$", "^(one|two|three)(, (one|two|three))*$",
]  # fmt: skip


@pytest.mark.parametrize("pattern", SLOW)
def test_a_pattern_without_end_is_refused_by_name_before_anything_is_paid(pattern: str) -> None:
    document = {"output_schema": {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}}
    with pytest.raises(InvalidTaskDefinition, match="repetition inside of a repetition") as refused:
        TaskDefinition.from_document(document)
    assert json.dumps(pattern) in str(refused.value)


def test_it_is_found_wherever_patterns_stand() -> None:
    with pytest.raises(InvalidTaskDefinition, match="repetition"):
        TaskDefinition.from_document({"output_schema": {"patternProperties": {SLOW[0]: {"type": "string"}}}})


@pytest.mark.parametrize("pattern", GUARDED)
def test_a_nested_repetition_ends(pattern: str) -> None:
    # Given
    checker, started = OutputChecker({"pattern": pattern}), time.monotonic()
    # When
    for unit in ("a", "0", "word ", "=,"):
        checker.problem(json.dumps(unit * 500 + "!"))
    # Then
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("pattern", QUICK)
def test_an_ordinary_pattern_is_taken(pattern: str) -> None:
    assert not is_slow(pattern)


@given(st.sampled_from(QUICK), st.text(max_size=40))
def test_the_verdict_is_that_of_the_standard_library(pattern: str, text: str) -> None:
    checker = OutputChecker({"type": "string", "pattern": pattern})
    expected = re.search(pattern.replace("$", r"\Z"), text) is None
    assert (checker.problem(json.dumps(text)) is not None) == expected


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"pattern": SLOW[0]}, "a" * 200 + "!"),
        ({"patternProperties": {SLOW[0]: True}}, {"a" * 200 + "!": 1}),
        ({"propertyNames": {"pattern": SLOW[0]}}, {"a" * 200 + "!": 1}),
        ({"items": {"pattern": SLOW[0]}}, ["a" * 200 + "!"] * 1_000),
        (
            # Each definition asks the next one twice: two to the thirtieth power of questions.
            {
                "definitions": {
                    "d30": {"type": "number"},
                    **{f"d{n}": {"anyOf": [{"$ref": f"#/definitions/d{n + 1}"}] * 2} for n in range(30)},
                },
                "anyOf": [{"$ref": "#/definitions/d0"}],
            },
            "x",
        ),
    ],
    ids=["pattern", "pattern of properties", "names", "many items", "references"],
)
def test_a_check_ends_and_says_why(schema: dict[str, Any], answer: object, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(limited_check.limited, "__defaults__", (0.1,))
    checker = OutputChecker(schema)
    # When
    started = time.monotonic()
    problem = checker.problem(json.dumps(answer))
    # Then
    assert problem is not None
    assert "took longer" in problem
    assert time.monotonic() - started < 2


def test_after_a_slow_answer_the_next_one_has_its_own_time() -> None:
    checker = OutputChecker({"pattern": "^[a-z]+$"})
    assert checker.problem('"abc"') is None
    assert checker.problem('"ABC"') == "the answer breaks 'pattern'"


def test_a_compiled_schema_is_of_the_form_that_is_bounded() -> None:
    """Without these names in it nothing would be bounded: an upgrade of fastjsonschema must not change that unseen."""

    def validate(_value: object) -> None: ...

    with pytest.raises(KeyError):
        limited(validate)


def test_a_file_of_slow_answers_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(limited_check.limited, "__defaults__", (0.02,))
    checker = OutputChecker({"pattern": SLOW[0]})
    # When
    started = time.monotonic()
    said = {checker.problem(json.dumps("a" * 200 + "!")) for _ in range(500)}
    # Then: the first use their time up, and the others are not waited for
    assert said == {f"the check against the schema took longer than {limited_check.SECONDS_A_CHECK:g} s"}
    assert time.monotonic() - started < 8
    assert checker.problem('"aaa"') is None
