"""A file that a verb writes at its end: what cannot be written is refused before anything is read for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


class FileToWrite(click.Path):
    """The path of a file in a folder that is there."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - as click has it
        """Give the path; a folder that is missing is a usage error."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"There is no folder '{path.parent}'.", param, ctx)
        return path
