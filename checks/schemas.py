"""The JSON Schemas are schemas, the examples keep them, and an editor can say what each property is for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from checks.files import REPOSITORY

SCHEMAS = REPOSITORY / "lambdas" / "domain" / "schemas"


def undescribed(schema: dict[str, Any]) -> list[str]:
    """Name the properties of a schema, at any depth, that have no description."""
    return sorted(path for path, found in _properties(schema) if not str(found.get("description", "")).strip())


def _properties(schema: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, list):
        for item in schema:
            yield from _properties(item, path)
    if not isinstance(schema, dict):
        return
    for name, found in schema.get("properties", {}).items():
        yield f"{path}{name}", found
        yield from _properties(found, f"{path}{name}.")
    for keyword, inner in schema.items():
        if keyword not in ("properties", "default", "enum", "const", "examples"):
            yield from _properties(inner, path)


def not_kept(schema: Path, documents: list[Path]) -> list[str]:
    """Say what in a schema is against the schema of schemas, and what in some documents is against the schema."""
    tool = str(Path(sys.executable).parent / "check-jsonschema")
    lines: list[str] = []
    for arguments in (["--check-metaschema", str(schema)], ["--schemafile", str(schema), *map(str, documents)]):
        if arguments[0] == "--schemafile" and not documents:
            continue
        done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - locked
        lines += (done.stdout + done.stderr).splitlines() if done.returncode else []
    return [line for line in lines if line.strip()]


def check() -> list[str]:
    """Say what is wrong with the schemas of this repository."""
    found = []
    for path in sorted(SCHEMAS.glob("*.schema.json")):
        missing = undescribed(json.loads(path.read_text(encoding="utf-8")))
        found += [f"{path.name}: property '{name}' has no description: editors show nothing" for name in missing]
        kind = path.name.removesuffix(".schema.json")
        found += not_kept(path, sorted((REPOSITORY / "examples").glob(f"*/{kind}.json")))
    return found
