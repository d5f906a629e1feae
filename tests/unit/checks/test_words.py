"""The glossary of CONTRIBUTING.md holds: words that it avoids stay out, and every file that a recipe names is there."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CODE = ("lambdas", "stacks", "cli", "review", "client")
PAGES = (ROOT / "CONTRIBUTING.md", ROOT / "docs/architecture.md", *sorted((ROOT / "docs/decisions").glob("*.md")))
AVOIDED = {
    "is not a": re.compile(
        r"(?<!there )(?<!There )\b(?:is|are|was|were) no (?!longer\b|more\b|other\b|better\b|help\b)"
    ),
    "is in, is written to": re.compile(r"\b(?:stands?|stood) in\b", re.IGNORECASE),
    "in progress": re.compile(r"\bunder\s+way\b", re.IGNORECASE),
    "paid for": re.compile(r"\bbought\b", re.IGNORECASE),
    "who handles the error": re.compile(r"\bleads? on\b", re.IGNORECASE),
}
"""By what to write instead."""

_CODE_SPAN = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|“[^”]*”|\"[^\"\n]*\"", re.DOTALL)
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+/?|[\w-]+\.(?:py|json|md|toml|txt|lock)")


def prose(source: str) -> Iterator[tuple[int, str]]:
    """Give docstrings, texts that document a constant, and comments, each with its line."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def found_in(text: str) -> list[str]:
    """Name what to write instead of each avoided word of a text."""
    return [instead for instead, pattern in AVOIDED.items() if pattern.search(text)]


def named_paths(page: str) -> set[str]:
    """Give the paths between backticks that stand for themselves."""
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL))
    return {span for span in spans if _PATH.fullmatch(span) and "<" not in span}


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("A slow shard is no failure.", ["is not a"]),
        ("There is no price, and there are no units any more.", []),
        ("The line stands in the report.", ["is in, is written to"]),
        ("Jobs under\n    way are stopped.", ["in progress"]),
        ("What was bought is kept.", ["paid for"]),
        ("The student is no longer served.", []),
    ],
    ids=["negation", "absence", "stands in", "under way", "bought", "no longer"],
)
def test_an_avoided_word_is_found(text: str, instead: list[str]) -> None:
    assert found_in(text) == instead


def test_comments_and_docstrings_are_prose_and_messages_are_not() -> None:
    source = 'X = 1\n"""Of X."""\ndef f() -> str:\n    """Of f."""\n    return "a message"  # said\n'
    assert sorted(prose(source)) == [(2, "Of X."), (4, "Of f."), (5, "# said")]


@pytest.mark.parametrize("package", CODE)
def test_comments_and_docstrings_use_the_words_of_the_glossary(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    said = [
        f"{path.relative_to(ROOT)}:{line}: write '{instead}'"
        for path in files
        for line, text in prose(path.read_text(encoding="utf-8"))
        for instead in found_in(text)
    ]
    assert said == []


def test_pages_for_maintainers_use_the_words_of_the_glossary() -> None:
    said = []
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        if path.name == "CONTRIBUTING.md":  # its glossary has to name what it avoids
            text = re.sub(r"^\|.*\|$", "", text, flags=re.MULTILINE)
        said += [f"{path.relative_to(ROOT)}: write '{instead}'" for instead in found_in(_CODE_SPAN.sub("", text))]
    assert said == []


def test_every_file_that_the_recipes_name_is_there() -> None:
    # Given
    paths = named_paths((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert {"lambdas/domain/evaluation/judge.py", "stacks/pipeline_stack.py", "docs/templates"} <= paths
    # Then a maintainer who follows a recipe finds each of them
    alone = {"__init__.py", "handler.py", "stage.py", "walks.py", "report.json", "task.json"}
    assert sorted(path for path in paths - alone if not (ROOT / path).exists()) == []
