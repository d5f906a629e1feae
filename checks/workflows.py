"""The workflow keeps GitHub's schema, and zizmor finds no weakness in it; both are asked without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from checks.files import REPOSITORY

WORKFLOWS = ".github/workflows"


def schema_problems(files: list[Path]) -> list[str]:
    """Say what in workflow files is not in GitHub's schema, as check-jsonschema brings it along."""
    return _said("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, files))


def weaknesses(files: list[Path]) -> list[str]:
    """Say what zizmor finds in workflow files: injection, unpinned actions, credentials that are kept, and the like."""
    return _said("zizmor", "--offline", "--no-progress", "--quiet", "--color=never", "--format=plain", *map(str, files))


def _said(tool: str, *arguments: str) -> list[str]:
    command = [str(Path(sys.executable).parent / tool), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a locked package
    return [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] if done.returncode else []


def check() -> list[str]:
    """Say what is wrong with the workflows of this repository."""
    files = sorted((REPOSITORY / WORKFLOWS).glob("*.yml"))
    return schema_problems(files) + weaknesses(files)
