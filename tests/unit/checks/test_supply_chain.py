"""What is installed is what was locked, and nothing else is downloaded."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from checks.files import REPOSITORY

LOCKS = ["requirements.lock", "requirements-dev.lock", "lambdas/requirements.lock", "requirements-focus.lock"]
AT_SYNTH = [
    REPOSITORY / "app.py",
    *(REPOSITORY / "stacks").rglob("*.py"),
    *(REPOSITORY / "lambdas/domain").rglob("*.py"),
]
NETWORK = {"aiohttp", "boto3", "botocore", "ftplib", "http", "httpx", "requests", "socket", "ssl", "urllib3"}


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_of_a_lock_file_has_a_version_and_a_hash(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    packages = [
        part for part in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE) if part.strip() and part[0] != "#"
    ]
    assert len(packages) > 5
    for package in packages:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==[^\s;]+", package), package.splitlines()[0]
        assert "--hash=sha256:" in package, package.splitlines()[0]


def test_every_node_package_has_a_hash_and_no_address_of_a_registry() -> None:
    packages = json.loads((REPOSITORY / "package-lock.json").read_text())["packages"]
    for path, package in packages.items():
        assert not path or package["integrity"].startswith("sha512-"), path
        assert "resolved" not in package, path


def test_every_requirement_is_pinned_to_one_version() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "lambdas/requirements.txt", "requirements-focus.txt"):
        lines = [line.split("#")[0].strip() for line in (REPOSITORY / name).read_text().splitlines()]
        assert not [line for line in lines if line and not line.startswith("-r ") and "==" not in line], name
    declared = json.loads((REPOSITORY / "package.json").read_text())["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in declared.values())


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def test_nothing_that_runs_at_synth_can_reach_a_network() -> None:
    assert len(AT_SYNTH) > 40
    for path in AT_SYNTH:
        reached = {name for name in imported(path) if name.split(".")[0] in NETWORK or name == "urllib.request"}
        assert not reached, f"{path}: {reached}"


def test_the_only_child_of_a_synthesis_is_pip_with_hashes() -> None:
    [layer] = [path for path in AT_SYNTH if "subprocess" in imported(path)]
    assert layer.name == "dependency_layer.py"
    assert {"--require-hashes", "--only-binary"} <= set(re.findall(r"--[a-z-]+", layer.read_text()))


def test_the_workflow_runs_the_two_commands_that_everybody_runs() -> None:
    # Given
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())
    [job] = workflow["jobs"].values()
    # Then
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make check", "make test"]
    assert [step.get("env") for step in job["steps"] if step.get("run") == "make check"] == [{"AUDIT": "enforce"}]
    assert workflow["permissions"] == {"contents": "read"}


def test_actions_are_pinned_to_commits_and_may_not_use_the_checkout_s_token() -> None:
    text = (REPOSITORY / ".github/workflows/ci.yml").read_text()
    used = re.findall(r"uses: (.+)", text)
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in used)
    assert text.count("persist-credentials: false") == sum("checkout" in action for action in used)


def test_the_hooks_are_local_and_run_what_make_check_runs() -> None:
    # Given
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())
    makefile = (REPOSITORY / "Makefile").read_text()
    # Then
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
    for hook in hooks["repos"][0]["hooks"]:
        tool = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert hook["language"] == "system"
        assert tool == "detect-secrets-hook" or f"$(BIN)/{tool}" in makefile, hook["id"]
