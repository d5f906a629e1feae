"""The fields that docs/report.md documents, by the section that a field of ``report.json`` belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[1] / "docs" / "report.md"
SECTIONS = {
    "left_out": "contestants",
    "needs_explicit_approval": "gate",
    "answer_until": "gate",
    "explicit_reasons": "gate",
    "submitter": "approval",
    "champion_before": "endpoint",
    "limits": "limits",
    **dict.fromkeys(
        ("ledger", "total_usd", "estimate_usd", "estimate_low_usd", "estimate_high_usd", "reconciliation"), "Money"
    ),
    **dict.fromkeys(("budget_usd", "break_even"), "Money"),
}
"""Field to section, where the section has not the field's own name and is not the first one, about the run."""

FREE = {"sha256", "drop_reasons", "distribution", "numbers", "choices", "files"}
"""Objects whose keys are data: file names, reasons, scores, fields of the task's schema."""


@dataclass(frozen=True, slots=True)
class Documented:
    """What one section says: the names in the first column of its tables, and every name in its text."""

    fields: frozenset[str]
    names: frozenset[str]


def documented() -> dict[str, Documented]:
    """Read the sections of the document."""
    found = {}
    for part in DOCUMENT.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
        found[title] = Documented(
            fields=frozenset(path[-1] for path in _paths("".join(rows))),
            names=frozenset(name for path in _paths(text) for name in path),
        )
    return found


def section_of(field: str) -> str:
    """Name the section of a field of the report."""
    return SECTIONS.get(field, field if field in documented() else "The run")


def names_in(value: Any) -> Iterator[str]:
    """Give the names of all fields under a value, without those that are data."""
    if isinstance(value, list):
        for item in value:
            yield from names_in(item)
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            if name not in FREE:
                yield from names_in(item)


def _paths(text: str) -> Iterator[list[str]]:
    """Give the paths between backquotes: ``learnt.curve`` is ``learnt`` and ``curve``."""
    for path in re.findall(r"`([A-Za-z0-9_.\[\]]+)`", text):
        yield path.replace("[]", "").strip(".").split(".")
