"""From the bytes of an upload to its lines: plain or gzip, any line end, in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from typing import IO, Any, cast

from lambdas.domain.dataset.records import MAX_LINE_BYTES
from lambdas.domain.errors import InvalidUpload

CHUNK_BYTES = 256 * 1024
"""Bytes that are read at once. No more than this and one line is held."""

BINARY_SIGNS = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"{\0": "UTF-16 without byte order mark",
    b"\0{": "UTF-16 without byte order mark",
    b"PK\x03\x04": "a zip archive",
    b"\x89PNG": "an image",
}

_MARK = b"\xef\xbb\xbf"
_LONGEST = MAX_LINE_BYTES + 2
_RETURN = b"\r"[0]


class HashedStream(io.RawIOBase):
    """A binary stream that hashes what is read from it, to name the input in ``dataset.json``.

    Parameters
    ----------
    stream : binary file
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._hash = stream, hashlib.sha256()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - the buffer protocol has no type in Python 3.11
        """Read into a buffer."""
        data = self._stream.read(len(buffer))
        self._hash.update(data)
        buffer[: len(data)] = data
        return len(data)

    def sha256(self) -> str:
        """Read what is left, and give the SHA-256 of the whole stream in hexadecimal."""
        while data := self._stream.read(CHUNK_BYTES):
            self._hash.update(data)
        return self._hash.hexdigest()


def read_lines(stream: IO[bytes] | io.RawIOBase) -> Iterator[bytes]:
    """Split a stream into lines without ever holding more than a chunk and one line.

    Parameters
    ----------
    stream : binary file
        Plain or gzip; a UTF-8 byte order mark is skipped.

    Yields
    ------
    bytes
        Lines without line end. A line far over the limit is yielded cut, still over the limit, so that it is rejected.

    Raises
    ------
    InvalidUpload
        When the first bytes are those of another kind of file, or gzip data are damaged.
    """
    plain = io.BufferedReader(cast("io.RawIOBase", stream), CHUNK_BYTES)
    try:
        zipped = plain.peek(2)[:2] == b"\x1f\x8b"
        source = cast("IO[bytes]", gzip.GzipFile(fileobj=plain)) if zipped else plain
        chunk = source.read(CHUNK_BYTES)
        _refuse_binary(chunk)
        rest = b""
        chunk = chunk.removeprefix(_MARK)
        while chunk:
            pieces = (rest + chunk).split(b"\n")
            rest = pieces.pop()[:_LONGEST]
            yield from [piece.removesuffix(b"\r") for piece in pieces] if _RETURN in chunk else pieces
            chunk = source.read(CHUNK_BYTES)
    except (OSError, EOFError, zlib.error) as problem:
        raise InvalidUpload(f"the gzip data are damaged: {problem}; compress the file again") from None
    finally:
        plain.detach()  # the caller's stream stays open
    if rest:
        yield rest.removesuffix(b"\r")


def _refuse_binary(beginning: bytes) -> None:
    for sign, kind in BINARY_SIGNS.items():
        if beginning.startswith(sign):
            raise InvalidUpload(f"the file is {kind}; upload JSON Lines in UTF-8, plain or gzip")
