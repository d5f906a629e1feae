"""Text that people or models wrote is data at every border: terminal, message, log, key and page.

A border that this module does not guard lets a ``task.json`` set a window's title, paint a green PROMOTED on somebody
else's screen, or add a line of its own to a message.
"""

from __future__ import annotations

import re
import unicodedata

from lambdas.domain.errors import ReasonTooLong

LONGEST_REASON = 500
"""Characters of a reason that a person gives: it is kept in the registry, whose items have an end (400 KB)."""

NO_CHARACTER = "\ufffd"
"""What stands where a page had a character that it must not show."""

_COMMANDS = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: what a terminal obeys
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, overrides and isolates of writing direction
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff\ufffe\uffff]"  # halves of characters, which cannot be written as UTF-8
)
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def without_controls(text: str, *, keep: str = "", put: str = " ") -> str:
    """Replace each character that commands a screen or turns a text around; the text keeps its length.

    A terminal takes C0 and C1 controls for commands (ECMA-48), and Unicode's bidirectional controls make a text read
    as another one (Unicode Technical Report 36).

    Parameters
    ----------
    text : str
    keep : str
        Characters of them that may stay, for example line ends.
    put : str
        One character to put in place of each.

    Returns
    -------
    str
    """
    return _COMMANDS.sub(lambda found: found[0] if found[0] in keep else put, text)


def escaped_controls(json_text: str) -> str:
    r"""Write the same characters in a JSON text as ``\u`` and four digits, which means the same to a program."""
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


def one_line(text: str) -> str:
    """Replace what is not a visible character, invisible marks included; for sentences within a line.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        One line without any of them; runs of white space are one space.
    """
    kept = (" " if unicodedata.category(one) in _UNSEEN else one for one in without_controls(text))
    return " ".join("".join(kept).split())


def stated_reason(given: object) -> str:
    """Check what a person says as the reason of a decision.

    Parameters
    ----------
    given : str or None

    Returns
    -------
    str
        On one line; empty where nothing was said.

    Raises
    ------
    ReasonTooLong
        Nothing is cut in silence.
    """
    reason = one_line(str(given or ""))
    if len(reason) > LONGEST_REASON:
        raise ReasonTooLong(
            f"the reason has {len(reason):,} characters and at most {LONGEST_REASON} are kept; write a shorter one"
        )
    return reason
