"""What an application installs: built as a wheel and a source archive, used where nothing else is."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

CLIENT = Path(__file__).resolve().parents[3] / "client"
SHORT_MODULES = ("breaker", "cached", "client", "metrics", "policy")
ASK = """
import sys
from importlib.util import find_spec
import bedrock_student
from bedrock_student import Student
class Ssm:
    def get_parameters(self, Names):
        champion = '{"endpoint_arn": "arn", "run_id": "r", "output_schema": {"type": "object"}}'
        return {"Parameters": [{"Name": Names[0], "Value": champion}]}
class Runtime:
    def converse(self, **request):
        return {"output": {"message": {"content": [{"text": '{"a": 1}'}]}}, "stopReason": "end_turn",
                "usage": {"inputTokens": 1, "outputTokens": 1}}
answer = Student("video", clients={"ssm": Ssm(), "bedrock-runtime": Runtime()}).ask("red cats")
too_much = [name for name in ("lambdas", "opentelemetry", "regex", "click") if find_spec(name)]
print(answer.json, bedrock_student.__version__, too_much)
"""


def closure(wanted: Iterator[Requirement]) -> dict[str, metadata.Distribution]:
    """Follow requirements to every distribution that pip would install for them."""
    found: dict[str, metadata.Distribution] = {}
    waiting = list(wanted)
    while waiting:
        requirement = waiting.pop()
        if requirement.name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        there = metadata.distribution(requirement.name)
        assert requirement.specifier.contains(there.version), f"{requirement} and {there.version}"
        found[requirement.name] = there
        waiting += [Requirement(text) for text in there.requires or ()]
    return found


def build(kind: str, project: Path, folder: Path) -> None:
    """Ask the backend for a wheel or an sdist, without a network: it is installed."""
    code = f"import sys; from flit_core import buildapi; buildapi.build_{kind}(sys.argv[1])"
    run([sys.executable, "-c", code, str(folder)], cwd=project, check=True)


def run(command: list[str | Path], *, check: bool, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, check=check, capture_output=True, text=True)  # noqa: S603 - of this file


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build("wheel", CLIENT, folder)
    build("sdist", CLIENT, folder)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment that has nothing but what the client's own metadata asks for."""
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder, with_pip=False, symlinks=True)
    project = tomllib.loads((CLIENT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [packages] = folder.glob("lib/python*/site-packages")
    for there in closure(Requirement(text) for text in project["dependencies"]).values():
        for top in {file.parts[0] for file in there.files or () if file.parts[0] != ".."}:
            source = Path(str(there.locate_file(top)))
            if not (packages / top).exists():
                (packages / top).symlink_to(source)
    return folder


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_an_application_installs_it_and_asks(built: Path, alone: Path, kind: str) -> None:
    # Given
    [archive], uv = built.glob(kind), Path(sys.executable).with_name("uv")
    python = alone / "bin/python"
    if kind == "*.tar.gz":
        archive = rebuilt(archive, built)
    command: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--no-deps",
        "--reinstall",
        "--python",
        python,
        archive,
    ]
    # When
    run(command, check=True)
    done = run([python, "-I", "-c", ASK], check=False)
    # Then
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{'a': 1} 0.1.0 []"


def rebuilt(archive: Path, folder: Path) -> Path:
    """Build a wheel of what a source archive holds, as pip does."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "unpacked", filter="data")
    [root] = (folder / "unpacked").iterdir()
    out = folder / "from_source"
    out.mkdir()
    build("wheel", root, out)
    [wheel] = out.glob("*.whl")
    return wheel


def test_the_wheel_holds_the_package_and_its_types(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"bedrock_student/{name}.py" for name in SHORT_MODULES} | {"bedrock_student/py.typed"} <= names
    assert not any(name.startswith(("client/", "lambdas/")) for name in names)


def test_it_needs_two_packages() -> None:
    project = tomllib.loads((CLIENT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {Requirement(text).name for text in project["dependencies"]} == {"boto3", "fastjsonschema"}
    assert project["version"] in (CLIENT / "bedrock_student/__init__.py").read_text(encoding="utf-8")
