"""Texts that other people or models wrote, made fit for a page: they are hostile data until shown.

Escaping is the template engine's; here it is about what escaping leaves: characters that no page may hold, length, and
answers in JSON that are easier to compare when indented.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from markupsafe import escape

from lambdas.domain.text.plain_text import NO_CHARACTER, without_controls

MAX_CHARACTERS = 1_200
"""Longest question or answer shown; the whole text is in the run's files."""

MAX_LINES = 60
"""Most lines of one text: what has a line for each character would fill a page with white."""

MAX_BYTES = 2_000
"""Largest escaped size of one text, so that ten worst answers cannot make the page larger than 150 KB."""

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+')


@dataclass(frozen=True, slots=True)
class ShownText:
    """A text as shown, with how many characters were left out and whether white space was changed."""

    text: str
    omitted: int = 0
    indented: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see."""
        return not self.text.strip()


def clean(value: object) -> str:
    """Replace what a page must not hold: control characters, lone surrogates, direction overrides.

    Direction overrides are replaced because they make a text read differently from what it is; letters that run from
    right to left need none.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return without_controls(text.replace("\r\n", "\n").replace("\r", "\n"), keep="\n\t", put=NO_CHARACTER)


def shown(value: object, characters: int = MAX_CHARACTERS, size: int = MAX_BYTES) -> ShownText | None:
    """Prepare a long text.

    Parameters
    ----------
    value : object
        Text; another JSON value is written as JSON.
    characters, size : int
        Limits in characters and in bytes of escaped UTF-8.

    Returns
    -------
    ShownText or None
        ``None`` where there is no text at all, which is not the same as an empty one.
    """
    if value is None:
        return None
    text = clean(value)
    indented = _indented_json(text) if len(text) <= characters else None
    if indented is not None and _fits(indented, characters, size) and indented.count("\n") < MAX_LINES:
        return ShownText(indented, indented=indented != text)
    cut = _cut("\n".join(text.split("\n", MAX_LINES)[:MAX_LINES]), characters, size)
    return ShownText(cut, omitted=len(text) - len(cut))


def short(value: object, characters: int = 300) -> str:
    """Prepare a label or a sentence: one line, cut with an ellipsis."""
    text = " ".join(clean(value).split())
    cut = _cut(text, characters, characters * 3)
    return text if cut == text else f"{cut.rstrip()}\N{HORIZONTAL ELLIPSIS}"


def _fits(text: str, characters: int, size: int) -> bool:
    return len(text) <= characters and len(str(escape(text)).encode()) <= size


def _cut(text: str, characters: int, size: int) -> str:
    """Find the longest beginning within both limits."""
    if _fits(text, characters, size):
        return text
    low, high = 0, min(len(text), characters)
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(text[:middle], characters, size):
            low = middle
        else:
            high = middle - 1
    return text[:low]


def sentence(text: str, end: str = "") -> str:
    """Begin with a capital, unless a name of the program stands there, and add ``end`` where the text has no end."""
    closed = text if not text or text[-1] in ".!?:\N{HORIZONTAL ELLIPSIS}" else text + end
    return closed if "_" in closed.split(" ", maxsplit=1)[0] else closed[:1].upper() + closed[1:]


def _indented_json(text: str) -> str | None:
    """Indent a JSON object or array without touching a single token; ``None`` for other text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    lines, depth, previous = [""], 0, ""
    for part in _JSON_TOKEN.findall(text):
        opens, closes = part in ("{", "["), part in ("}", "]")
        depth -= closes
        after_opening = previous in ("{", "[")
        if (closes and not after_opening) or (not closes and (after_opening or previous == ",")):
            lines.append("  " * depth)
        lines[-1] += ": " if part == ":" else part
        depth += opens
        previous = part
    return "\n".join(lines)
