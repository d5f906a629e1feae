"""Files that are made of the templates and committed, so that a pull request shows what changes in the account."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parent.parent
RENEW = "make snapshots"
"""The one command that writes all of them anew."""


def differing(made: Mapping[str, str], root: Path = REPOSITORY) -> list[str]:
    """Say which committed files are not what the templates give now.

    Parameters
    ----------
    made : mapping
        Text by path, relative to ``root``.

    Returns
    -------
    list of str
        Paths that are missing or different.
    """
    return [path for path, text in made.items() if not (root / path).is_file() or (root / path).read_text() != text]


def write(made: Mapping[str, str], root: Path = REPOSITORY) -> list[str]:
    """Write the files that differ, and say which."""
    changed = differing(made, root)
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(made[path])
    return changed
