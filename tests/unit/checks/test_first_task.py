"""docs/first-task.md explains every field of task.json and shows the default rubric as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lambdas.domain.documents import load_schema
from lambdas.domain.task.task_definition import DEFAULT_RUBRIC

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "first-task.md").read_text(encoding="utf-8")
FIELDS = PAGE.partition("## The fields of task.json")[2]
PROPERTIES = load_schema("task.schema.json")["properties"]
NESTED = [
    (name, inner) for name, rule in PROPERTIES.items() for inner in rule.get("properties", {}) if name != "cascade"
]


@pytest.mark.parametrize("name", PROPERTIES)
def test_each_field_is_explained(name: str) -> None:
    assert f"`{name}`" in FIELDS or f"`{name}." in FIELDS


@pytest.mark.parametrize(("name", "inner"), NESTED)
def test_each_field_inside_of_one_is_explained(name: str, inner: str) -> None:
    paragraph = next(part for part in FIELDS.split("\n- ") if part.startswith((f"**`{name}`", f"**`{name}.")))
    assert f"`{inner}`" in paragraph or f"`{name}.{inner}`" in paragraph


def test_the_default_rubric_is_shown_as_it_is() -> None:
    quoted = "\n".join(re.findall(r"^  > (.+)$", FIELDS, re.MULTILINE))
    assert quoted == DEFAULT_RUBRIC


def test_the_readme_s_table_lists_every_document() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (\[docs/[^|]+) \|", readme, re.MULTILINE)
    listed = list(dict.fromkeys(name for cell in cells for name in re.findall(r"\(docs/([\w-]+\.md)\)", cell)))
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    assert listed[:2] == ["first-task.md", "data.md"]
