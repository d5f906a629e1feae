"""Pipeline and client judge an answer by the same code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_student.answer_form import AnswerForm
from bedrock_student.answer_repair import repaired as clients_repaired
from lambdas.domain.text.answer_repair import repaired
from lambdas.domain.text.output_schema import OutputChecker

ROOT = Path(__file__).resolve().parents[3]
SHARED = ("answer_form.py", "answer_repair.py")
SCHEMAS: list[dict[str, Any] | None] = [
    None,
    {"type": "object", "properties": {"a": {"type": "number", "minimum": 0}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": "string", "pattern": "^x+$", "default": "x"}}, "required": ["a"]},
    {"type": "object", "x-sum": {"fields": ["a", "b"], "equals": 1.0, "tolerance": 0.01}},
    {"definitions": {"n": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/definitions/n"}},
]
values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-3, 3) | st.text("x{}` ", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
texts = values.map(json.dumps) | st.text('{}"a:1,x` ', max_size=30)
around = st.sampled_from(["", "```json\n", "Here: ", "\n```", " "])


@pytest.mark.parametrize("name", SHARED)
def test_the_client_has_the_pipelines_file(name: str) -> None:
    copy, own = ROOT / "client/bedrock_student" / name, ROOT / "lambdas/domain/text" / name
    assert copy.read_bytes() == own.read_bytes(), f"cp {own.relative_to(ROOT)} {copy.relative_to(ROOT)}"


@given(st.sampled_from(SCHEMAS), around, texts, around)
def test_an_answer_is_valid_for_both_or_for_neither(
    schema: dict[str, Any] | None, before: str, text: str, after: str
) -> None:
    answer = before + text + after
    assert clients_repaired(answer) == repaired(answer)
    assert AnswerForm(schema).problem(answer) == OutputChecker(schema).problem(answer)
