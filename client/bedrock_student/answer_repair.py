"""The one repair that a tolerant caller makes before it gives an answer up; counted apart from strict validity.

The rule: a Markdown code fence around the answer goes, then the text from the first ``{`` to the JSON object's own end
is taken. Nothing inside the object is changed. Libraries that mend more (missing quotes, cut objects) guess what the
model meant, and a figure "after repair" would then say more about the library than about the model.
"""

from __future__ import annotations

import json
from typing import Any

_DECODER = json.JSONDecoder()


def repaired(text: str) -> str:
    """Take the outermost JSON object out of fences and prose; a text without one is given back as it is.

    Parameters
    ----------
    text : str
        The answer as the model gave it.
    """
    start = text.find("{")
    if start < 0:
        return text
    try:
        _, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return text
    return text[start:end]


def read_object(text: str) -> dict[str, Any] | None:
    """Read the JSON object of an answer after repair; ``None`` where there is none."""
    try:
        value = json.loads(repaired(text))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
