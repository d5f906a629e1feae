"""One line as JSON, without what readers let through: NaN, and keys that stand twice.

Two readers: :data:`quickly_decoded` for the lines that can be used, which are nearly all, and :func:`decoded` for those
that cannot, because it knows columns and reads numbers exactly, whatever their length.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

from lambdas.domain.dataset.line_errors import DamagedLine, RejectedLine


def _no_constant(name: str) -> None:
    raise DamagedLine(f"{name} is not a JSON value; a record holds texts, objects and lists")


# Made once: json.loads makes a new decoder for every call that has an option.
_DECODER = json.JSONDecoder(parse_constant=_no_constant)

_TOO_DEEP = "nested too deeply; a record has at most five levels"


_INVISIBLE = {
    "\ufeff": "a byte order mark (invisible, U+FEFF), as where files were joined; remove it",
    "\0": "a NUL byte, as where a file was padded; remove it (tr -d '\\000')",
    "\x1a": "the end mark of old DOS files (Ctrl-Z); remove it (tr -d '\\032')",
    "\u200b": "a space of no width (invisible, U+200B); remove it",
    "\xa0": "a no-break space (U+00A0), which only looks like a space; write an ordinary one",
}
"""Characters that nobody sees in an editor, with what to do where one is why a line cannot be read."""

_LONE_RETURN = "a carriage return without a line feed, which ends no line; end lines with a line feed (tr '\\r' '\\n')"


def lone_return(raw: bytes) -> str | None:
    """Name the first carriage return within a line, where it is and what to do; ``None`` without one."""
    at = raw.find(b"\r")
    return None if at < 0 else f"byte {at + 1} is {_LONE_RETURN}"


def _invisible(text: str, at: int) -> str | None:
    """Name what stands where a line cannot be read on, if nobody sees it."""
    if at < len(text) and text[at] in _INVISIBLE:
        return f"column {at + 1} has {_INVISIBLE[text[at]]}"
    before = text[:at].rstrip(" \t")
    return f"column {len(before)} has {_LONE_RETURN}" if before.endswith("\r") else None


def decoded(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Read a line.

    Parameters
    ----------
    raw : bytes
        The line without its line end.

    Returns
    -------
    any JSON value
        Of a key that stands twice, the last; see :func:`refuse_repeated_keys`.

    Raises
    ------
    DamagedLine
        When it is not valid UTF-8 or JSON.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as problem:
        if b"\0" in raw:
            said = "it has NUL bytes and is not UTF-8, as where a part of the file is UTF-16; save all of it as UTF-8"
            raise DamagedLine(said) from None
        raise DamagedLine(f"byte {problem.start + 1} is not UTF-8 ({raw[problem.start]:#04x}); save as UTF-8") from None
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as problem:
        unseen = _invisible(text, problem.pos)
        if unseen is not None:
            raise DamagedLine(f"not JSON: {unseen}") from None
        found = f"{problem.msg.removesuffix(' at')} at column {problem.colno}"
        raise DamagedLine(f"not JSON: {found}; each line must be one whole JSON object") from None
    except RecursionError:
        raise DamagedLine(_TOO_DEEP) from None
    except DamagedLine:
        raise
    except ValueError:  # Python's own bound on the digits of a whole number
        raise DamagedLine("a number has thousands of digits; a record needs none") from None


try:
    quickly_decoded: Callable[[bytes], Any] = importlib.import_module("orjson").loads
except ImportError:  # compiled for other machines than this one: Python's reader does the same, in more time
    quickly_decoded = decoded
"""Reads bytes in a fifth of the time. Raises ``ValueError`` at what is not valid UTF-8 or JSON; NaN is neither.

What it takes, :func:`decoded` takes too, and finds the same texts, lists and objects in it; numbers may differ.
"""


def refuse_repeated_keys(raw: bytes) -> None:
    """Refuse an object in which a key stands twice: which of the values was meant cannot be known.

    Raises
    ------
    RejectedLine
        Names the key.
    """
    try:
        json.loads(raw.decode(), object_pairs_hook=_different_keys)
    except RecursionError:  # the hook needs more of the stack than the reader alone
        raise DamagedLine(_TOO_DEEP) from None


def _different_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise RejectedLine(f"the key {json.dumps(repeated)[:40]} stands twice in one object; each may stand once")
    return found
