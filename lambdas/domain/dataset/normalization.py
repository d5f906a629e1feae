"""What makes two texts the same prompt: their normal form, and the hash of it that is a record's identity."""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterable
from hashlib import sha256

_ASCII = [chr(code) for code in range(128)]
_ASCII_BYTES = bytes(range(128))
_LOWER = bytes(range(256)).lower()
_first_64_bits = struct.Struct(">Q").unpack_from
_REMOVED = "".join(character for character in _ASCII if unicodedata.category(character)[0] in "PZC").encode()

_UNSEEN_RANGES = (
    # Default_Ignorable_Code_Point (Unicode Character Database, DerivedCoreProperties.txt), and U+2800, the Braille
    # pattern without a dot: nobody sees them, whatever their category is.
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
_UNSEEN = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _UNSEEN_RANGES) + "]")

_LEFT_ALONE: set[str] = set()
"""Characters beyond ASCII that are known to stay as they are."""

_LEFT_OUT: dict[str, bytes] = {}
"""Characters beyond ASCII that are known to be left out, and their UTF-8."""


def normal_bytes(text: str) -> bytes:
    """Give the normal form in UTF-8: Unicode NFKC, case folded, letters, digits and symbols that are seen only.

    ASCII text, on which NFKC does nothing and folding is lower case, needs no more than a table of bytes. Of other text
    only the characters that are not ASCII are looked at one by one: no byte of their UTF-8 is an ASCII character. What
    nobody sees goes before NFKC, which else would not join a letter and its accent; it is looked for where some
    character is not known to stay as it is.
    """
    if text.isascii():
        return text.encode().translate(_LOWER, _REMOVED)
    joined = unicodedata.normalize("NFKC", text)
    coded = joined.encode("utf-8", "surrogatepass")
    if not _LEFT_ALONE.issuperset(_others(coded)):
        if _UNSEEN.search(text):
            joined = unicodedata.normalize("NFKC", _UNSEEN.sub("", text))
        coded = joined.casefold().encode("utf-8", "surrogatepass")
        for character in set(_others(coded)) - _LEFT_ALONE:
            coded = coded.replace(_LEFT_OUT.get(character) or _learned(character), b"")
    return coded.translate(_LOWER, _REMOVED)


def _others(coded: bytes) -> str:
    """Give the characters of a text in UTF-8 that are not ASCII."""
    return coded.translate(None, _ASCII_BYTES).decode("utf-8", "surrogatepass")


def _learned(character: str) -> bytes:
    """Remember what becomes of a folded character; give its UTF-8 if it is left out, else a byte that no text has."""
    if unicodedata.category(character)[0] in "PZC" or _UNSEEN.match(character):
        return _LEFT_OUT.setdefault(character, character.encode("utf-8", "surrogatepass"))
    if character.casefold() == character:
        _LEFT_ALONE.add(character)
    return b"\xff"


def without_unseen(text: str) -> str:
    """Leave out the characters that nobody sees: those that Unicode says are ignored by default, and U+2800."""
    return text if text.isascii() else _UNSEEN.sub("", text)


def group_identity(name: str) -> int:
    """Hash the name of a group to 64 bits, as those of texts are."""
    found: int = _first_64_bits(sha256(b"\x1egroup\x1f" + name.encode("utf-8", "surrogatepass")).digest())[0]
    return found


def normalise(text: str) -> str:
    """Give the normal form as text; see :func:`normal_bytes`."""
    return normal_bytes(text).decode()


def content_identity(system: bytes, turns: Iterable[tuple[str, bytes]]) -> int:
    """Hash a conversation in normal form to the first 64 bits of SHA-256.

    Parameters
    ----------
    system : bytes
        Normal form of the system text; empty where there is none.
    turns : iterable of (str, bytes)
        Role and normal form of each turn.
    """
    joined = b"\x1e".join([system, *[role.encode() + b"\x1f" + text for role, text in turns]])
    found: int = _first_64_bits(sha256(joined).digest())[0]
    return found


def prompt_identity(prompt: bytes) -> int:
    """Hash a single question in normal form: :func:`content_identity` without the general case's lists."""
    found: int = _first_64_bits(sha256(b"\x1euser\x1f" + prompt).digest())[0]
    return found
