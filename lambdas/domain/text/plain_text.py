"""Text that people wrote, made safe for one line of a terminal, a message, a log or a page."""

from __future__ import annotations

import unicodedata

from lambdas.domain.errors import ReasonTooLong

LONGEST_REASON = 500
"""Characters of a reason that a person gives: it is kept in the registry, whose items have an end (400 KB)."""


def one_line(text: str) -> str:
    """Replace what is not a visible character: control characters, line ends, direction marks.

    A terminal takes C0 and C1 controls for commands, and Unicode's bidirectional controls (category Cf) make a text
    read as another one (Unicode Technical Report 36).

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        One line without any of them; runs of white space are one space.
    """
    kept = (" " if unicodedata.category(one) in _UNSEEN else one for one in text)
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


_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
