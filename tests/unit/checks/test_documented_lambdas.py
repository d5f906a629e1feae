"""A reader finds every Lambda where it is looked for: in the README's overview and as a heading of the architecture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
LAMBDAS = sorted(
    "".join(word.capitalize() for word in path.parent.name.split("_"))
    for path in (REPOSITORY / "lambdas").glob("*/*/handler.py")
)


@pytest.mark.parametrize("name", LAMBDAS)
def test_each_lambda_is_in_the_overview_and_has_a_heading(name: str) -> None:
    # Given
    overview = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    architecture = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
    # When
    headings = re.findall(r"^##+ (.+)$", architecture, flags=re.MULTILINE)
    # Then
    assert re.search(rf"\b{name}\b", overview), "README.md, 'How it works'"
    assert any(name in heading for heading in headings), "docs/architecture.md"
