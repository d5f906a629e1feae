"""One line as JSON, without what Python's reader lets through: NaN, and keys that stand twice."""

from __future__ import annotations

import json
from typing import Any

from lambdas.domain.line_errors import DamagedLine, RejectedLine


def _no_constant(name: str) -> None:
    raise DamagedLine(f"{name} is not a JSON value; a record holds texts, objects and lists")


# Made once: json.loads makes a new decoder for every call that has an option.
_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_raw_decode = _DECODER.raw_decode


def decoded(raw: bytes) -> tuple[str, Any]:
    """Read a line.

    Parameters
    ----------
    raw : bytes
        The line without its line end.

    Returns
    -------
    text : str
    value : any JSON value
        Of a key that stands twice, the last; see :func:`refuse_repeated_keys`.

    Raises
    ------
    DamagedLine
        When it is no UTF-8 or no JSON.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as problem:
        raise DamagedLine(f"byte {problem.start + 1} is not UTF-8 ({raw[problem.start]:#04x}); save as UTF-8") from None
    try:
        if text[:1] != "{":
            return text, _DECODER.decode(text)  # white space in front, or no object
        value, end = _raw_decode(text)
        # More behind it is white space, or a second value that is refused with its column.
        return text, value if end == len(text) else _DECODER.decode(text)
    except json.JSONDecodeError as problem:
        found = f"{problem.msg.removesuffix(' at')} at column {problem.colno}"
        raise DamagedLine(f"not JSON: {found}; each line must be one whole JSON object") from None
    except RecursionError:
        raise DamagedLine("nested too deeply; a record has at most five levels") from None
    except DamagedLine:
        raise
    except ValueError:  # Python's own bound on the digits of a whole number
        raise DamagedLine("a number has thousands of digits; a record needs none") from None


def refuse_repeated_keys(text: str) -> None:
    """Refuse an object in which a key stands twice: which of the values was meant cannot be known.

    Raises
    ------
    RejectedLine
        Names the key.
    """
    json.loads(text, object_pairs_hook=_different_keys)


def _different_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise RejectedLine(f"the key {json.dumps(repeated)[:40]} stands twice in one object; each may stand once")
    return found
