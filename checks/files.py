"""Which files belong to the repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parent.parent


def own_files(root: Path = REPOSITORY) -> list[str]:
    """List the files that ``.gitignore`` does not leave out, those not yet added included.

    It works in a copy without ``.git`` too, such as a downloaded archive.

    Parameters
    ----------
    root : Path
        Folder with the ``.gitignore``.

    Returns
    -------
    list of str
        Paths relative to ``root``, in order.
    """
    ignored = GitIgnoreSpec.from_lines((root / ".gitignore").read_text().splitlines())
    return sorted(_walk(root, ignored))


def _walk(root: Path, ignored: GitIgnoreSpec) -> Iterator[str]:
    for folder, subfolders, names in os.walk(root):
        here = Path(folder).relative_to(root)
        subfolders[:] = [
            name for name in subfolders if name != ".git" and not ignored.match_file(f"{(here / name).as_posix()}/")
        ]
        for name in names:
            path = (here / name).as_posix()
            # In a worktree .git is a file.
            if path != ".git" and not ignored.match_file(path):
                yield path
