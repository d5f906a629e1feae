"""Lines for a terminal: broken between words, never inside an id, an ARN, a path or a command that is to be pasted."""

from __future__ import annotations

import re

from rich.cells import cell_len

_UNBREAKABLE = re.compile(
    r"""
    '(?:python|npx|cdk|make|aws)\ [^'\n]*'\S*          # a command in quotes
    | (?:python\ -m|npx\ cdk|git\ diff|aws\ (?:s3|bedrock|cloudformation))
      \ (?:(?!\.\ )[^'\n])*\.?                         # a command to the end of its sentence
    | [^\ \n]+                                         # a word
    """,
    re.VERBOSE,
)


def wrapped(text: str, width: int, hang: int = 0) -> list[str]:
    """Break a text into lines of at most ``width`` terminal cells.

    Parameters
    ----------
    text : str
        Its own line ends stay. Spaces inside a line stay where the line is not broken.
    width : int
        Cells of the terminal. What has no place to be broken, as an ARN, may be longer: the terminal breaks it then,
        and what is copied from there is whole.
    hang : int
        Spaces before each line that goes on.

    Returns
    -------
    list of str
        At least one line.
    """
    return [line for given in text.split("\n") for line in _one(given, width, hang)]


def _one(text: str, width: int, hang: int) -> list[str]:
    lines: list[str] = []
    line, end = "", 0
    for word in _UNBREAKABLE.finditer(text):
        space, shown = text[end : word.start()], word[0].rstrip()
        end = word.start() + len(shown)
        if line.strip() and cell_len(line) + cell_len(space) + cell_len(shown) > width:
            lines.append(line.rstrip())
            line = " " * hang + shown
        else:
            line += space + shown
    return [*lines, line]
