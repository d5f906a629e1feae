r"""Masked lines and their salted digests: what is known of a prompt once its text is gone.

The same rules are written in ``stage_one.sql``; a test holds both equal. They use nothing in which Trino's regular
expressions (Joni or RE2J), DuckDB's (RE2) and Python's differ: ASCII classes, ``\A`` in place of ``^``, bounded
repetitions, and no lower case, whose rules for letters beyond ASCII differ between the three.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

SYSTEM_CHARACTERS = (8000, 5000, 3000)
"""Longest system text that is looked at whole, and how much of the beginning and of the end of a longer one is."""

USER_CHARACTERS = (4000, 2500, 1500)
"""The same for the first turn of the user."""

PREFIX_CHARACTERS = (256, 512, 1024, 2048, 3072, 4096, 6144, 8192, 12288, 16384)
"""Lengths of the beginnings whose digests are compared, in characters."""

MIN_LINE_BYTES, MIN_SPLIT_CHARACTERS, SPLIT_CHARACTERS = 12, 40, 20
MAX_WORDS_OF_CHARACTERS, MAX_WORDS, MIN_WORD_CHARACTERS = 600, 40, 3

USER_BIT, PART_BIT, WEIGHT_MASK = 1024, 2048, 1023
"""A feature is 48 bits of digest, one bit for a part of a line, one for what the user wrote, and ten for its length."""

_ADDRESSES = re.compile(r"https?://[^ \n]+|[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]+")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}")
_NUMBERS = re.compile(r"[0-9]+")
# Sentences, items, quotations, tags, JSON and Markdown; the full-width marks end sentences of Chinese and Japanese.
_ENDS_OF_LINES = re.compile(r"[.!?;:]{1,3} +|[-*] +|[.!?;: ]{0,8}[\n\t\r\"<>{}\[\]|`。！？；：「」『』]+ {0,8}")  # noqa: RUF001


def masked(text: str) -> str:
    """Put marks in place of addresses, long hexadecimal numbers and numbers."""
    return _NUMBERS.sub("#", _HEXADECIMAL.sub("#", _ADDRESSES.sub("@", text)))


def shortened(text: str, limits: tuple[int, int, int]) -> str:
    """Give the text, or beginning and end of one that is longer than the first limit, in characters."""
    whole, head, tail = limits
    return text if len(text) <= whole else f"{text[:head]}\n{text[len(text) - tail :]}"


def lines_of(text: str) -> list[str]:
    """Part a masked text at the ends of sentences, items, tags and quotations; short pieces are left out."""
    pieces = _ENDS_OF_LINES.sub("\n", text + "\n").split("\n")
    return [piece for piece in pieces if len(piece.encode("utf-8", "surrogatepass")) >= MIN_LINE_BYTES]


def salted(salt: str, text: str) -> str:
    """Give the digest of a text under the deployment's salt: 64 hexadecimal digits (SHA-256)."""
    return hashlib.sha256((salt + text).encode("utf-8", "replace")).hexdigest()


def features_of(system: str, user: str, salt: str) -> list[int]:
    """Give the sorted features of a prompt: its lines, beginnings and ends of long ones, and words of short prompts.

    Parameters
    ----------
    system, user : str
        System text and first turn of the user; empty where there is none.
    salt : str
        The deployment's secret.
    """
    return sorted({feature(name, salt) for name in names_of(system, user)})


def names_of(system: str, user: str) -> list[str]:
    """Give what the features of a prompt are digests of: masked text, which is never kept."""
    system_text, user_text = masked(shortened(system, SYSTEM_CHARACTERS)), masked(shortened(user, USER_CHARACTERS))
    names = [*_named(lines_of(system_text), "s", "t"), *_named(lines_of(user_text), "u", "v")]
    names += ["t|b" + _words(system_text, 4)] if system else []
    names += ["v|b" + _words(user_text, 4), "v|c" + _words(user_text, 8)] if user else []
    if not system and len(user) <= MAX_WORDS_OF_CHARACTERS:
        names += ["v|w" + word for word in user_text.split(" ")[:MAX_WORDS] if len(word) >= MIN_WORD_CHARACTERS]
    return names


def feature(name: str, salt: str) -> int:
    """Give the number that stands for a named line or part of one."""
    user = USER_BIT if name[0] in "uv" else 0
    part = PART_BIT if name[0] in "tv" else 0
    return int(salted(salt, name)[:12], 16) * 4096 + part + user + min(len(name) - 2, WEIGHT_MASK)


def prefixes_of(beginning: str, salt: str) -> list[int]:
    """Give digests of the beginnings of :data:`PREFIX_CHARACTERS` that the text is long enough for."""
    return [int(salted(salt, beginning[:n])[:12], 16) for n in PREFIX_CHARACTERS if n <= len(beginning)]


def _named(lines: Iterable[str], whole: str, part: str) -> Iterator[str]:
    for line in lines:
        yield f"{whole}|{line}"
        if len(line) >= MIN_SPLIT_CHARACTERS:
            yield f"{part}|h{line[:SPLIT_CHARACTERS]}"
            yield f"{part}|e{line[len(line) - SPLIT_CHARACTERS :]}"


def _words(text: str, count: int) -> str:
    return " ".join(text.split(" ")[:count])
