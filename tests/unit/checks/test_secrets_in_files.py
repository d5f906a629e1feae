"""What looks like a secret stops ``make check``, and is not repeated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checks import secrets
from checks.files import REPOSITORY

KEY = "AKIA" + "IOSFODNN7TRYING1"
"""Looks like an access key; written in two parts, so that this file does not."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in (".gitignore", secrets.BASELINE):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    return tmp_path


def test_an_access_key_in_a_file_not_yet_added_is_found_by_line(copy: Path) -> None:
    (copy / "notes").mkdir()
    (copy / "notes" / "todo.md").write_text(f"# To do\n\nkey {KEY}\n")
    assert secrets.new_secrets(copy) == [secrets.Finding("notes/todo.md", 3, "AWS Access Key")]


def test_the_message_names_the_place_and_what_to_do_but_not_the_secret(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    (copy / "settings.py").write_text(f'KEY = "{KEY}"\n')
    found = secrets.new_secrets(copy)
    monkeypatch.setattr(secrets, "new_secrets", lambda: found)
    # When
    [line] = secrets.check()
    # Then
    assert line.startswith("settings.py:1: ")
    assert "revoke" in line
    assert KEY not in line


def test_what_a_person_has_allowed_and_what_is_ignored_is_no_finding(copy: Path) -> None:
    (copy / "example.py").write_text(f'KEY = "{KEY}"  # pragma: allowlist secret\n')
    (copy / "cdk.out").mkdir()
    (copy / "cdk.out" / "template.json").write_text(KEY)
    assert secrets.new_secrets(copy) == []


def test_everything_in_the_baseline_was_looked_at() -> None:
    looked_at = [
        known["is_secret"]
        for findings in json.loads((REPOSITORY / secrets.BASELINE).read_text())["results"].values()
        for known in findings
    ]
    assert looked_at
    assert not any(looked_at)
