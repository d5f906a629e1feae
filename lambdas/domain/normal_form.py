"""What makes two texts the same prompt: their normal form, and the hash of it that is a record's identity."""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Iterable
from hashlib import sha256

_ASCII = [chr(code) for code in range(128)]
_ASCII_BYTES = bytes(range(128))
_LOWER = bytes(range(256)).lower()
_first_64_bits = struct.Struct(">Q").unpack_from
_REMOVED = "".join(character for character in _ASCII if unicodedata.category(character)[0] in "PZC").encode()


class _Kept(dict[int, str | None]):
    """Table for ``str.translate`` that learns, character by character, which ones the normal form leaves out."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        kept = self[code] = None if unicodedata.category(character)[0] in "PZC" else character
        return kept


_KEPT = _Kept()


def normal_bytes(text: str) -> bytes:
    """Give the normal form in UTF-8: Unicode NFKC, case folded, letters, digits and symbols only.

    ASCII text, on which NFKC does nothing and folding is lower case, takes a path ten times as fast. Of other text
    only the characters that are no ASCII are looked at one by one: no byte of their UTF-8 is an ASCII character. Where
    all of them stay as they are, the rest is lower case again.
    """
    if text.isascii():
        return text.encode().translate(_LOWER, _REMOVED)
    composed = unicodedata.normalize("NFKC", text)
    coded = composed.encode("utf-8", "surrogatepass")
    others = coded.translate(None, _ASCII_BYTES).decode("utf-8", "surrogatepass")
    if others.casefold().translate(_KEPT) == others:
        return coded.translate(_LOWER, _REMOVED)
    return composed.casefold().translate(_KEPT).encode()


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
