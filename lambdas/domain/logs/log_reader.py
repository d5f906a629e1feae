"""Read one object of an invocation log: entries become prompts, in bounded memory, whatever bytes lie there."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from lambdas.domain.dataset.line_errors import RejectedLine
from lambdas.domain.dataset.line_reader import CHUNK_BYTES
from lambdas.domain.dataset.records import MAX_LINE_BYTES
from lambdas.domain.logs.log_entry import answer_of, check_entry, conversation_of, is_error, prompt_of

if TYPE_CHECKING:
    from lambdas.domain.task.log_request import LogRequest

MAX_ENTRY_BYTES = 1024 * 1024
"""Longest entry, and longest offloaded body, that is looked at. Bedrock keeps bodies of up to 100 KB in the entry."""

_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)
_BROKEN = (ValueError, RecursionError)
_MISSING = "the object was deleted before it was read, or the policy of its bucket or key refuses to have it read"

FetchBody = Callable[[str], IO[bytes] | None]
"""Opens the object of ``inputBodyS3Path`` or ``outputBodyS3Path``; ``None`` where it may not be read or is missing."""

Belongs = Callable[[dict[str, Any], object], bool]
"""Tells of an entry and the body of its request whether the call is of the task that is asked for."""


@dataclass(slots=True)
class LogCounts:
    """What became of the entries: ``entries`` = filtered + errors + rejected + prompts."""

    entries: int = 0
    filtered: int = 0
    errors: int = 0
    rejected: int = 0
    prompts: int = 0

    def to_document(self) -> dict[str, int]:
        """Give the counts as JSON has them."""
        return asdict(self)

    def add(self, other: dict[str, int]) -> None:
        """Add the counts of another shard."""
        for name, value in other.items():
            setattr(self, name, getattr(self, name) + value)


class LogReader:
    """Reads objects of one request.

    Parameters
    ----------
    request : LogRequest
        Range and filters.
    fetch : callable
        Opens an offloaded body.
    belongs : callable, optional
        Takes the calls of one found task; the others count as filtered.
    """

    def __init__(self, request: LogRequest, fetch: FetchBody, belongs: Belongs | None = None) -> None:
        self._request, self._fetch, self._belongs = request, fetch, belongs
        self.counts = LogCounts()

    def read(self, key: str, stream: IO[bytes] | io.RawIOBase) -> Iterator[dict[str, Any]]:
        """Read one object.

        Parameters
        ----------
        key : str
            Its key, which names the source of each prompt.
        stream : binary file
            Plain or gzip.

        Yields
        ------
        dict
            ``object`` and ``line``; and ``reason`` of a rejected entry, or ``record`` and, where the answer is text and
            the record says exactly what the model saw, ``answer``.
        """
        lines, number = bounded_lines(stream), 0
        while True:
            number += 1
            found: dict[str, Any] | None
            try:
                raw = next(lines, None)
                if raw is None:
                    return
                found = self._entry(raw) if raw.strip() else None
            except _DAMAGE as problem:
                yield {"object": key, "line": number, **self._rejected(f"the gzip data are damaged here: {problem}")}
                return
            except RejectedLine as problem:
                found = self._rejected(str(problem))
            if found is not None:
                yield {"object": key, "line": number, **found}

    def missing(self, key: str) -> dict[str, Any]:
        """Give what stands for an object that was deleted after it was listed."""
        return {"object": key, "line": 0, **self._rejected(_MISSING)}

    def _entry(self, raw: bytes) -> dict[str, Any] | None:
        entry = parsed_entry(raw)
        if not self._request.takes(entry):
            self.counts.entries += 1
            self.counts.filtered += 1
            return None
        if is_error(entry):
            self.counts.entries += 1
            self.counts.errors += 1
            return None
        body = self._body(entry, "input")
        if self._belongs is not None and not self._belongs(entry, body):
            self.counts.entries += 1
            self.counts.filtered += 1
            return None
        record, exact = prompt_of(body)
        record["group"] = conversation_of(record, entry, self._request.conversation)
        if len(written(record)) > MAX_LINE_BYTES:
            raise RejectedLine(f"the prompt is too long: at most {MAX_LINE_BYTES} bytes are allowed in a record")
        self.counts.entries += 1
        self.counts.prompts += 1
        answer = self._answer(entry) if exact else None
        return {"record": record} if answer is None else {"record": record, "answer": answer}

    def _answer(self, entry: dict[str, Any]) -> dict[str, Any] | None:
        try:
            found = answer_of(str(entry.get("modelId", "")), self._body(entry, "output"))
        except RejectedLine:
            return None
        if found is None:
            return None
        return {**found.to_document(), "timestamp": entry["timestamp"], "request_id": str(entry.get("requestId", ""))}

    def _body(self, entry: dict[str, Any], side: str) -> Any:  # noqa: ANN401 - any JSON value
        part = entry.get(side)
        if not isinstance(part, dict):
            raise RejectedLine(f"the entry has no '{side}'")
        inline, path = part.get(f"{side}BodyJson"), part.get(f"{side}BodyS3Path")
        if inline is not None:
            return inline
        if not isinstance(path, str):
            raise RejectedLine(
                f"the log has no body of the {side}: switch on the delivery of text in Bedrock's settings"
            )
        stream = self._fetch(path)
        if stream is None:
            raise RejectedLine(
                f"the {side} lies in an object that is missing, may not be read, or is not in the log source"
            )
        return _parsed(_whole(stream), f"the {side} in its own object")

    def _rejected(self, reason: str) -> dict[str, str]:
        self.counts.entries += 1
        self.counts.rejected += 1
        return {"reason": reason}


def parsed_entry(raw: bytes) -> dict[str, Any]:
    """Parse a line of the log.

    Raises
    ------
    RejectedLine
        It is not an entry; with the reason.
    """
    return check_entry(_parsed(raw, "the entry"))


def readable_entries(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Give the entries of a log object that can be read, up to where its data are damaged."""
    lines = bounded_lines(stream)
    while True:
        try:
            raw = next(lines, None)
            if raw is None:
                return
            yield parsed_entry(raw)
        except RejectedLine:
            continue
        except _DAMAGE:
            return


def parsed_body(stream: IO[bytes]) -> Any:  # noqa: ANN401 - any JSON value
    """Parse a body that lies in an object of its own.

    Raises
    ------
    RejectedLine
        It is damaged, too long or not JSON; with the reason.
    """
    return _parsed(_whole(stream), "the offloaded body")


def bounded_lines(stream: IO[bytes] | io.RawIOBase) -> Iterator[bytes]:
    """Split plain or gzip bytes into lines; of a line over the limit only its beginning is kept, still over the limit.

    Raises
    ------
    EOFError, zlib.error, gzip.BadGzipFile
        When gzip data are damaged.
    """
    source, limit = _unzipped(stream), MAX_ENTRY_BYTES + 1
    while line := source.readline(limit):
        rest = line
        while len(rest) == limit and not rest.endswith(b"\n"):
            rest = source.readline(limit)
        yield line.removesuffix(b"\n") if len(line) < limit else line


def shard_line(found: dict[str, Any]) -> bytes:
    """Write one line of a shard's file."""
    return written(found) + b"\n"


def written(document: object) -> bytes:
    """Write JSON in UTF-8 on one line; half of a surrogate pair stays an escape, for the checks of records to find."""
    try:
        return json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(document).encode()


def _whole(stream: IO[bytes]) -> bytes:
    try:
        return _unzipped(stream).read(MAX_ENTRY_BYTES + 1)
    except _DAMAGE as problem:
        raise RejectedLine(f"the offloaded body is damaged: {problem}") from None


def _unzipped(stream: IO[bytes] | io.RawIOBase) -> io.BufferedReader:
    plain = io.BufferedReader(cast("io.RawIOBase", stream), CHUNK_BYTES)
    zipped = plain.peek(2)[:2] == b"\x1f\x8b"
    source = gzip.GzipFile(fileobj=plain) if zipped else plain
    return io.BufferedReader(cast("io.RawIOBase", source), CHUNK_BYTES)


def _parsed(raw: bytes, what: str) -> Any:  # noqa: ANN401 - any JSON value
    if len(raw) > MAX_ENTRY_BYTES:
        raise RejectedLine(f"{what} is too long: at most {MAX_ENTRY_BYTES} bytes are read")
    try:
        return json.loads(raw)
    except _BROKEN as problem:
        raise RejectedLine(f"{what} is not JSON in UTF-8: {problem}") from None
