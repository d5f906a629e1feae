"""Read a text file that a person names; another encoding than UTF-8 is named with what helps."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

from cli.errors import USAGE_ERROR, CliError
from lambdas.domain.dataset.line_reader import SIGNS

MOST_BYTES = 200_000_000
"""A file that is read whole; the records of a run are far less."""

_GZIP = b"\x1f\x8b"
_EVERY_SECOND = 0.3
"""Share of NULs from which a text without a mark is taken for UTF-16: ASCII in it has one half."""


def read_text(path: Path, encoding: str | None = None) -> str:
    """Read a whole file as text, without its byte order mark.

    Parameters
    ----------
    path : Path
    encoding : str, optional
        What the person says that it is; UTF-8 otherwise.

    Raises
    ------
    CliError
        When it cannot be read, is too large, of another kind or in another encoding; the message names it.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise CliError(f"{path} has over {MOST_BYTES // 1_000_000} MB. Take a part of it.", USAGE_ERROR)
        content = path.read_bytes()
    except OSError as problem:
        raise CliError(f"{path} cannot be read: {problem.strerror}.", USAGE_ERROR) from None
    if content.startswith(_GZIP):
        content = _unpacked(path, content)
    if encoding is not None:
        return _decoded(path, content, encoding)
    _refuse_other_kinds(path, content)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        byte = content[problem.start]
        guess = _guess(content)
        raise CliError(
            f"{path} is not UTF-8: line {line} has the byte {byte:#04x}. It looks like {guess}: "
            f"add --encoding {guess}, or save it as UTF-8.",
            USAGE_ERROR,
        ) from None


def _unpacked(path: Path, content: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            found = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise CliError(f"{path}: the gzip data are damaged: {problem}.", USAGE_ERROR) from None
    if len(found) > MOST_BYTES:
        raise CliError(f"{path} has over {MOST_BYTES // 1_000_000} MB. Take a part of it.", USAGE_ERROR)
    return found


def _decoded(path: Path, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise CliError(
            f"--encoding {encoding} is not known. Python's names count: cp1252, utf-16.", USAGE_ERROR
        ) from None
    except UnicodeError as problem:
        raise CliError(f"{path} is not {encoding}: {problem}.", USAGE_ERROR) from None


def _refuse_other_kinds(path: Path, content: bytes) -> None:
    for sign, (kind, cure) in SIGNS.items():
        if content.startswith(sign):
            hint = f"add --encoding {kind.split()[0].lower()}, or: {cure}" if kind.startswith("UTF") else cure
            raise CliError(f"{path} is {kind}: {hint}.", USAGE_ERROR)
    head = content[:4_096]
    if head and head.count(0) > _EVERY_SECOND * len(head):
        kind = "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
        raise CliError(f"{path} looks like {kind}: add --encoding {kind}, or save it as UTF-8.", USAGE_ERROR)
    if b"\0" in head:
        raise CliError(f"{path} is no text: it has NUL bytes.", USAGE_ERROR)


def _guess(content: bytes) -> str:
    """Guess among the encodings that people still have; every byte string is some text in each of them."""
    high = [byte for byte in content if byte > 0x7F]  # noqa: PLR2004 - what ASCII has not
    if any(0x81 <= byte <= 0x9F for byte in high):  # noqa: PLR2004 - controls in ISO 8859, letters in Windows' pages
        return "cp1252"
    return "iso-8859-1"
