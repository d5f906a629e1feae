"""No module imports itself through others, and no two classes share a name."""

from __future__ import annotations

import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("lambdas", "stacks", "cli", "review", "local")
OURS = ("lambdas", "stacks", "cli", "review")
"""Without ``local``: its simulator judges the product with classes of its own, ``Verdict`` among them."""


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Give a circle of imports, or nothing."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as found:
        return list(found.args[1])
    return []


def shared_names(sources: dict[str, str]) -> dict[str, list[str]]:
    """Give every name of several public classes with the files that define it."""
    places: dict[str, list[str]] = {}
    for path, source in sources.items():
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(path)
    return {name: found for name, found in places.items() if len(found) > 1}


def different_texts(sources: dict[str, str]) -> dict[str, set[str]]:
    """Give every name of public constants that hold different texts in different modules."""
    texts: dict[str, set[str]] = {}
    for source in sources.values():
        for node in ast.parse(source).body:
            if not isinstance(node, ast.Assign):
                continue
            [target] = node.targets
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for name, value in pairs:
                if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    texts.setdefault(name.id, set()).add(value.value)
    return {name: found for name, found in texts.items() if len(found) > 1 and not name.startswith("_")}


@pytest.mark.parametrize(
    ("imports", "found"),
    [
        ({"a": {"b"}, "b": {"a"}}, {"a", "b"}),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, {"a", "b", "c"}),
        ({"a": {"b", "c"}, "b": {"c"}}, set()),
    ],
    ids=["of two", "of three", "none"],
)
def test_a_circle_is_found(imports: dict[str, set[str]], found: set[str]) -> None:
    assert set(circle(imports)) == found


def test_no_import_leads_back() -> None:
    # Given every import, those for the type checker alone and those inside functions too
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert "lambdas.workflow.stage" in imports["lambdas.states.bake_student.stage"]

    # Then what comes first can be understood first
    assert circle(imports) == []


def test_a_name_of_two_classes_is_found() -> None:
    twice = {
        "a.py": "class Table:\n    pass",
        "b.py": "class Table:\n    pass\nclass _Own: ...",
        "c.py": "class _Own: ...",
    }
    assert shared_names(twice) == {"Table": ["a.py", "b.py"]}


def test_a_constant_of_two_texts_is_found() -> None:
    sources = {
        "a.py": 'GOOD, BAD = "good", "BAD"',
        "b.py": 'BAD = "bad"\n_OWN = "x"',
        "c.py": '_OWN = "y"\nGOOD = "good"',
    }
    assert different_texts(sources) == {"BAD": {"BAD", "bad"}}


def test_one_constant_has_one_text_in_what_is_deployed() -> None:
    files = sorted((ROOT / "lambdas").rglob("*.py"))
    assert different_texts({str(path): path.read_text(encoding="utf-8") for path in files}) == {}


def test_one_class_has_one_name() -> None:
    files = [path for package in OURS for path in sorted((ROOT / package).rglob("*.py"))]
    assert Counter(path.relative_to(ROOT).parts[0] for path in files).keys() == set(OURS)

    assert shared_names({str(path.relative_to(ROOT)): path.read_text() for path in files}) == {}


def test_the_tests_lie_where_what_they_test_lies() -> None:
    # Given the folders of the unit tests that are named like a layer, and what lies in them
    layers = ("domain", "gateways", "operations", "states", "workflow")
    folders = [path for layer in layers for path in (ROOT / "tests/unit" / layer).rglob("*") if path.is_dir()]
    mirrored = {path.relative_to(ROOT / "tests/unit") for path in folders if any(path.glob("test_*.py"))}
    assert Path("domain/prices") in mirrored

    assert sorted(str(path) for path in mirrored if not (ROOT / "lambdas" / path).is_dir()) == []
