"""The shapes of what is stored: of each kind of item and file its fields, their types, and the words in them.

A field is its path: ``report.json/gate[]/rule``. Which values a field has is kept only where they are words of the
pipeline's own, such as states and outcomes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from tests.stored.snapshot import Document

WORDS = (
    "action", "decision", "evidence", "kind", "lifecycle", "mode", "name", "outcome", "phase", "role", "rule", "stage",
    "state", "state_group", "status", "training", "unit",
)  # fmt: skip
"""Names of fields whose values are words of the pipeline."""

OTHERS = re.compile(r"^uploads/|/task\.json$|/teacher_batch/.*/output/|/distillation/|^team-invocation-logs/")
"""What people uploaded and what Bedrock wrote."""

_WORD = re.compile(r"[A-Za-z][A-Za-z_ #]{0,39}")
_NUMBERED = re.compile(r"\b(\d+)-(\d+)(_[0-9a-f]+)?\b|(?<=attempts/)\d+")
_HEX = re.compile(r"[0-9a-f]{12,}")
_plain = TypeDeserializer().deserialize


def shapes(document: Document) -> set[str]:
    """Give every shape of a snapshot, each as one line of text."""
    found: set[str] = set()
    for table, items in document["tables"].items():
        for item in items:
            plain = {name: _plain(value) for name, value in item.items()}
            found |= set(_walk(f"{table} {_kind(plain)}", plain))
    for bucket, objects in document["buckets"].items():
        for key, _, body in objects:
            if not OTHERS.search(f"{bucket}/{key}"):
                found |= set(_file(f"{bucket} {_anonymous(key, document)}", body))
    for name, value in document["parameters"].items():
        found |= set(_walk(_anonymous(name, document), json.loads(value)))
    for one in document["executions"]:
        found |= set(_walk("execution input", one["given"]))
    for metric in document["metrics"]:
        dimensions = ", ".join(f"{name}={value}" for name, value in sorted(metric["dimensions"].items()))
        found.add(f"metric {metric['namespace']} {metric['Name']} in {metric['Unit']} by {dimensions}")
    return found


def _kind(item: Document) -> str:
    sort_key = str(item.get("sk", "APPROVAL"))
    parts = sort_key.split("#")
    return "#".join(parts[:2]) if parts[0] in ("LEDGER", "RESOURCE") else parts[0]


def _anonymous(key: str, document: Document) -> str:
    """Leave out of a key what is another one in another run."""
    tasks = {one["arn"].rsplit(":", 1)[1].rsplit("-", 2)[0] for one in document["executions"]}
    parts = ["TASK" if part in tasks else part for part in key.split("/")]
    return _NUMBERED.sub("N", _HEX.sub("HEX", re.sub(r"[a-z-]+-[0-9a-f]{12,}", "RUN", "/".join(parts))))


def _file(name: str, body: str | Document) -> Iterator[str]:
    yield name
    if not isinstance(body, str):
        return
    if name.endswith(".json"):
        yield from _walk(name, json.loads(body))
    elif name.endswith((".jsonl", ".jsonl.out")):
        for line in body.splitlines():
            yield from _walk(name, json.loads(line))


def _walk(path: str, value: Any) -> Iterator[str]:
    """Give the path and the type of everything under a value."""
    if isinstance(value, dict):
        yield f"{path}: map"
        for name, inner in value.items():
            yield from _walk(f"{path}/{_HEX.sub('HEX', str(name))}", inner)
    elif isinstance(value, list):
        yield f"{path}: list"
        for inner in value:
            yield from _walk(f"{path}[]", inner)
    else:
        yield f"{path}: {_type(value)}"
        if path.rpartition("/")[2] in WORDS and isinstance(value, str) and _WORD.fullmatch(value):
            yield f"{path} = {value}"


def _type(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, set):
        return "set"
    return "number"
