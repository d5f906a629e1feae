"""A wrong setting ends synthesis in one clear line, whichever way it was begun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stacks.node import bundled_node
from tests.stacks.templates import REPOSITORY

WRONG = {"dev": {"max_runing": 1}}
SAID = "Nothing was synthesized, a setting is wrong: environment 'dev': unknown key 'max_runing'; allowed in"


def python_app(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own file
        [sys.executable, str(REPOSITORY / "app.py")], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({"context": {"environments": WRONG}}), SAID),
        ('{"context": {"environments": {"dev": {}, "dev": {}}}}', 'cdk.json is not JSON: the key "dev" stands twice'),
    ],
)
def test_python_app_says_it_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    # Given
    (tmp_path / "cdk.json").write_text(text)
    # When
    ended = python_app(tmp_path)
    # Then
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    assert ended.returncode == 1
    assert len(lines) == 1, ended.stderr
    assert said in lines[0]
    assert ended.stdout == ""


def test_make_synth_is_cdk_synth() -> None:
    shown = subprocess.run(["make", "--dry-run", "synth"], cwd=REPOSITORY, capture_output=True, text=True, check=True)  # noqa: S607
    assert "node_modules/.bin/cdk synth" in shown.stdout


def test_cdk_synth_says_the_same_line(tmp_path: Path) -> None:
    # Given
    node = bundled_node()
    assert node is not None
    path = f"{node.parent}{os.pathsep}{os.environ['PATH']}"
    words = ["node_modules/.bin/cdk", "synth", "--no-notices", "--quiet", "--output", str(tmp_path)]
    # When
    ended = subprocess.run(  # noqa: S603
        [*words, "-c", f"environments={json.dumps(WRONG)}"],
        cwd=REPOSITORY,
        env={**os.environ, "PATH": path, "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    # Then
    said = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert said.count(SAID) == 1, said
    assert "Traceback" not in said
