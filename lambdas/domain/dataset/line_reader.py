"""From the bytes of an upload to its lines: plain or gzip, any line end, in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from typing import IO, Any, cast

from lambdas.domain.dataset.records import MAX_LINE_BYTES
from lambdas.domain.errors import InvalidUpload

CHUNK_BYTES = 256 * 1024
"""Bytes that are read at once. No more than this and one line is held."""

_GZIP = b"\x1f\x8b"
_BY_ICONV = "iconv -f {} -t UTF-8 makes such of it"
_UNPACK = "unpack it first"

SIGNS = {
    # Of marks that begin alike the longer one comes first.
    b"\xff\xfe\0\0": ("UTF-32", _BY_ICONV.format("UTF-32")),
    b"\0\0\xfe\xff": ("UTF-32", _BY_ICONV.format("UTF-32")),
    b"\xff\xfe": ("UTF-16", _BY_ICONV.format("UTF-16")),
    b"\xfe\xff": ("UTF-16", _BY_ICONV.format("UTF-16")),
    b"{\0\0\0": ("UTF-32 without byte order mark", _BY_ICONV.format("UTF-32LE")),
    b"\0\0\0{": ("UTF-32 without byte order mark", _BY_ICONV.format("UTF-32BE")),
    b"{\0": ("UTF-16 without byte order mark", _BY_ICONV.format("UTF-16LE")),
    b"\0{": ("UTF-16 without byte order mark", _BY_ICONV.format("UTF-16BE")),
    b"BZh": ("bzip2", f"{_UNPACK} (bunzip2)"),
    b"\x28\xb5\x2f\xfd": ("zstd", f"{_UNPACK} (unzstd)"),
    b"\xfd7zXZ\0": ("xz", f"{_UNPACK} (unxz)"),
    b"\x04\x22\x4d\x18": ("lz4", f"{_UNPACK} (unlz4)"),
    _GZIP: ("gzip inside gzip", f"{_UNPACK} once (gunzip)"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"PK\x03\x04": ("a zip archive", f"{_UNPACK}; an Office file, which is one too, must be saved as text"),
    b"PAR1": ("Parquet", "convert it"),
    b"Obj\x01": ("Avro", "convert it"),
    b"\x89PNG": ("an image", "distillation is text to text"),
    b"%PDF": ("a PDF", "write its text as prompts"),
    b"<!DOCTYPE": ("a web page", "what was downloaded is not the data"),
    b"<html": ("a web page", "what was downloaded is not the data"),
    b"version https://git-lfs": ("a Git LFS pointer", "git lfs pull fetches the file itself"),
}
"""First bytes of other kinds of file: what each is, and what makes JSON Lines of it."""

_ARRAY = re.compile(rb"\s*\[\s*\{")

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
        When the file is of another kind, by its first bytes, or gzip data are damaged.
    """
    plain = io.BufferedReader(cast("io.RawIOBase", stream), CHUNK_BYTES)
    try:
        zipped = plain.peek(2)[:2] == _GZIP
        source = cast("IO[bytes]", gzip.GzipFile(fileobj=plain)) if zipped else plain
        chunk = source.read(CHUNK_BYTES)
        _refuse_other_kinds(chunk)
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


def _refuse_other_kinds(beginning: bytes) -> None:
    """Name a file that is not JSON Lines, with what makes such of it: its lines would each be damaged in some way."""
    text = beginning.removeprefix(_MARK)
    for sign, (kind, cure) in SIGNS.items():
        if beginning.startswith(sign) or text.startswith(sign):
            raise InvalidUpload(f"the file is {kind}; upload JSON Lines in UTF-8, plain or gzip: {cure}")
    if _ARRAY.match(text):
        cure = "write each of its objects on a line of its own (jq -c '.[]')"
        raise InvalidUpload(f"the file is one JSON array; upload JSON Lines in UTF-8, plain or gzip: {cure}")
    if _RETURN in text.rstrip(b"\r\n \t") and b"\n" not in text:
        raise InvalidUpload(
            "the lines of the file end with a carriage return alone, as on an old Mac; end them with a line feed "
            "(tr '\\r' '\\n') and upload the file again"
        )
