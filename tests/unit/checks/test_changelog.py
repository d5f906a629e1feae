"""CHANGELOG.md says in one line what changes for a user, the newest release first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHANGELOG = (Path(__file__).resolve().parents[3] / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
LONGEST = 240


def problems(text: str) -> list[str]:
    """Name the lines below the first release heading that are neither a heading nor an entry of one line."""
    _, _, entries = text.partition("## [Unreleased]\n")
    kind = re.compile(rf"### (?:{'|'.join(KINDS)})(?:: .+)?")
    release = re.compile(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}")
    lines = [line for line in entries.splitlines() if line]
    wrong = [line for line in lines if not (line.startswith("- ") or kind.fullmatch(line) or release.fullmatch(line))]
    return wrong + [line for line in lines if len(line) > LONGEST]


@pytest.mark.parametrize(
    "entry",
    ["- What changes\n  goes on here.", "### Improved", "## 0.2.0", "- " + "long " * 60],
    ids=["two lines", "unknown heading", "release without a date", "too long"],
)
def test_an_entry_in_another_form_is_found(entry: str) -> None:
    assert problems(f"## [Unreleased]\n\n### Added\n\n- What is new.\n{entry}\n") != []


def test_every_entry_is_one_line() -> None:
    assert problems(CHANGELOG) == []


def test_releases_come_newest_first_and_nothing_is_told_twice() -> None:
    versions = [tuple(map(int, found)) for found in re.findall(r"^## \[(\d+)\.(\d+)\.(\d+)\]", CHANGELOG, re.MULTILINE)]
    entries = re.findall(r"^- .+$", CHANGELOG, re.MULTILINE)
    assert versions == sorted(versions, reverse=True) != []
    assert len(entries) == len(set(entries))
