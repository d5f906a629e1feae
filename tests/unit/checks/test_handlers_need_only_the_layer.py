"""Nothing that a Lambda imports is missing in the cloud: each is imported by a Python that has the layer alone."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tests.benchmarks.layer import HANDLERS, REPOSITORY, LambdaLike, locked_packages

LAMBDAS = REPOSITORY / "lambdas"
IMPORT_ALL = """
import importlib, json
problems = {}
for name in NAMES:
    try:
        importlib.import_module(name)
    except Exception as problem:
        problems[name] = f"{type(problem).__name__}: {problem}"
print(json.dumps(problems))
"""


def problems(lambda_like: LambdaLike, names: list[str]) -> dict[str, str]:
    """Import modules in one fresh process; what went wrong, by module."""
    done = lambda_like.run(f"NAMES = {names!r}\n{IMPORT_ALL}")
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def handler_modules() -> list[str]:
    return list(HANDLERS.values())


def imports_at_run_time(source: str) -> set[str]:
    """Modules that a file imports anywhere, inside functions too, except for the type checker alone."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        waiting += ast.iter_child_nodes(node)
    return found


def imported_anywhere() -> set[str]:
    return {name for file in LAMBDAS.rglob("*.py") for name in imports_at_run_time(file.read_text())}


@pytest.mark.parametrize("package", ["aws-lambda-powertools", "boto3", "fastjsonschema", "jinja2"])
def test_a_package_that_the_layer_lacks_is_missed(tmp_path: Path, package: str) -> None:
    # Given
    assert package in locked_packages()
    # When
    missed = problems(LambdaLike(tmp_path, leave_out=[package]), [*handler_modules(), *imported_anywhere()])
    # Then
    module = package.replace("-", "_")
    assert any(f"No module named '{module}'" in problem for problem in missed.values()), missed


def test_a_package_of_the_developer_alone_is_missed(tmp_path: Path) -> None:
    # Given a handler that imports what only requirements-dev.txt brings
    code = tmp_path / "code"
    (code / "careless").mkdir(parents=True)
    (code / "careless" / "handler.py").write_text("import click\n")
    # When
    missed = problems(LambdaLike(tmp_path / "lambda", code), ["lambdas.careless.handler"])
    # Then
    assert missed == {"lambdas.careless.handler": "ModuleNotFoundError: No module named 'click'"}


@pytest.mark.parametrize("folder", ["cli", "local", "stacks", "tests"])
def test_the_rest_of_the_repository_is_not_there(tmp_path: Path, folder: str) -> None:
    assert problems(LambdaLike(tmp_path), [folder]) == {folder: f"ModuleNotFoundError: No module named '{folder}'"}


def test_every_handler_imports_with_the_layer_alone(tmp_path: Path) -> None:
    assert len(HANDLERS) >= 15
    assert problems(LambdaLike(tmp_path), handler_modules()) == {}


def test_so_does_whatever_is_imported_later(tmp_path: Path) -> None:
    # Given every module of the Lambdas, and every import statement in them, those inside functions included
    files = list(LAMBDAS.rglob("*.py"))
    own = {".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__") for file in files}
    named = imported_anywhere()
    assert {"boto3", "json", "jinja2", "lambdas.domain.errors"} <= named
    assert not any(name.startswith("mypy_boto3") for name in named)
    # When, Then
    assert problems(LambdaLike(tmp_path), sorted(own | named)) == {}


def test_every_handler_is_a_function_that_lambda_can_call(tmp_path: Path) -> None:
    # When
    code = "\n".join(f"from {module} import handler; assert callable(handler)" for module in handler_modules())
    done = LambdaLike(tmp_path).run(code)
    # Then
    assert done.returncode == 0, done.stderr


READ = """
import hashlib, io, pathlib
from lambdas.domain.dataset.builder import build_dataset
from lambdas.domain.dataset.records import to_json_lines
from lambdas.domain.errors import InvalidUpload
from lambdas.domain.dataset.line_reader import read_lines
found = hashlib.sha256()
for path in sorted(pathlib.Path(CORPUS).glob("*")):
    try:
        rejected = []
        dataset = build_dataset(read_lines(io.BytesIO(path.read_bytes())), rejected.append)
        found.update(repr((dataset.summary(), rejected)).encode())
        found.update(to_json_lines(dataset.train) + to_json_lines(dataset.holdout))
    except InvalidUpload as refused:
        found.update(str(refused).encode())
print(found.hexdigest(), "orjson" in __import__("sys").modules)
"""


def test_a_layer_without_the_compiled_reader_gives_the_same_datasets(tmp_path: Path) -> None:
    # Given
    corpus = REPOSITORY / "tests" / "corpus"
    code = f"CORPUS = {str(corpus)!r}\n{READ}"
    # When
    without = LambdaLike(tmp_path / "without", leave_out=["orjson"]).run(code)
    whole = LambdaLike(tmp_path / "whole").run(code)
    # Then
    assert without.returncode == whole.returncode == 0, without.stderr + whole.stderr
    digest, compiled = whole.stdout.split()
    assert (compiled, without.stdout.split()) == ("True", [digest, "False"])
