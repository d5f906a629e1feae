"""Turn uploaded lines into training set, holdout and rejected lines: the same for the same prompts in any order."""

from __future__ import annotations

import gzip
import heapq
import io
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, cast

from lambdas.domain.errors import InvalidUpload
from lambdas.domain.records import MAX_LINE_BYTES, PARTITIONS, DamagedLine, Record, RejectedLine, parse_line

HOLDOUT_SHARE = 0.2
"""Share of the prompts that is kept apart. Part of the split rule: changing it needs a new ``SPLIT_RULE`` version."""

SPLIT_RULE = "v1: SHA-256 of the normalised text, holdout below 0.2"

MAX_TRAINING_RECORDS = 15_000
"""Most prompts that a Nova distillation takes (Nova user guide, prepare data for distillation)."""

MAX_HOLDOUT_RECORDS = 1_000
"""Most records that an evaluation pays for; far beyond what the default margin needs."""

RECORDS_A_SHARD = {"teacher": 250, "holdout": 60}
"""Records that one Lambda answers: each stays far from the fifteen minutes that a Lambda may run."""

BINARY_SIGNS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PK\x03\x04": "a zip archive", b"\x89PNG": "an image"}


@dataclass(slots=True)
class DatasetCounts:
    """What became of the lines: ``lines`` = train + holdout + rejected + duplicates + not_chosen.

    ``damaged`` of the rejected lines are no text or no JSON; ``first_damage`` says where and why.
    """

    lines: int = 0
    rejected: int = 0
    damaged: int = 0
    first_damage: str = ""
    duplicates: int = 0
    not_chosen: int = 0


@dataclass(slots=True)
class Dataset:
    """Records in the order of their ids, which is independent of the order in the file."""

    train: list[Record]
    holdout: list[Record]
    counts: DatasetCounts
    own_holdout: bool = False

    def summary(self) -> dict[str, Any]:
        """Give ``dataset.json``: counts and the split rule."""
        return {
            "lines": self.counts.lines,
            "rejected": self.counts.rejected,
            "damaged": self.counts.damaged,
            "duplicates": self.counts.duplicates,
            "not_chosen": self.counts.not_chosen,
            "train": len(self.train),
            "holdout": len(self.holdout),
            "own_holdout": self.own_holdout,
            "split_rule": "the task's own holdout.jsonl" if self.own_holdout else SPLIT_RULE,
        }


def read_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Split a stream into lines without ever holding more than one line's limit.

    Parameters
    ----------
    stream : binary file
        Plain or gzip; a UTF-8 byte order mark is skipped.

    Yields
    ------
    bytes
        Lines without line end. A longer line than allowed is yielded cut, still over the limit, so that it is rejected.

    Raises
    ------
    InvalidUpload
        When the first bytes are those of another kind of file, or gzip data are damaged.
    """
    head = stream.read(4)
    plain: IO[bytes] = io.BufferedReader(_Prefixed(head, stream))
    source = cast("IO[bytes]", gzip.GzipFile(fileobj=plain)) if head[:2] == b"\x1f\x8b" else plain
    try:
        first = True
        while line := source.readline(MAX_LINE_BYTES + 2):
            if not line.endswith(b"\n") and len(line) > MAX_LINE_BYTES:
                _skip_to_line_end(source)
            if first:
                _refuse_binary(line)
            stripped = line.rstrip(b"\r\n")
            yield stripped.removeprefix(b"\xef\xbb\xbf") if first else stripped
            first = False
    except (OSError, EOFError, zlib.error) as problem:
        raise InvalidUpload(f"the gzip data are damaged: {problem}; compress the file again") from None


def _refuse_binary(beginning: bytes) -> None:
    for sign, kind in BINARY_SIGNS.items():
        if beginning.startswith(sign):
            raise InvalidUpload(f"the file is {kind}; upload JSON Lines in UTF-8, plain or gzip")


def _skip_to_line_end(source: IO[bytes]) -> None:
    while (rest := source.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
        pass


class _Prefixed(io.RawIOBase):
    """A stream that begins with bytes already read."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - the buffer protocol has no type in Python 3.11
        data = self._head or self._stream.read(len(buffer))
        self._head = data[len(buffer) :] if self._head else b""
        count = min(len(data), len(buffer))
        buffer[:count] = data[:count]
        return count


@dataclass(slots=True)
class _Chosen:
    """The ``limit`` records with the smallest ids, without holding more."""

    limit: int
    heap: list[tuple[int, Record]] = field(default_factory=list)

    def add(self, record: Record) -> bool:
        """Take a record; false when one had to go."""
        item = (-int(record.id, 16), record)
        if len(self.heap) < self.limit:
            heapq.heappush(self.heap, item)
            return True
        if item[0] > self.heap[0][0]:
            heapq.heapreplace(self.heap, item)
        return False

    def in_order(self) -> list[Record]:
        return [record for _, record in sorted(self.heap, key=lambda item: -item[0])]


def build_dataset(
    lines: Iterable[bytes],
    reject: Callable[[dict[str, Any]], None],
    *,
    own_holdout: Iterable[bytes] | None = None,
) -> Dataset:
    """Validate, merge duplicates and split, in one pass.

    Parameters
    ----------
    lines : iterable of bytes
        What :func:`read_lines` yields.
    reject : callable
        Called with ``{"line", "reason"}`` (and ``"file"`` for the holdout file) for every line that is not used.
    own_holdout : iterable of bytes, optional
        The user's ``holdout.jsonl`` with trusted answers: it replaces the split.

    Returns
    -------
    Dataset
    """
    counts = DatasetCounts()
    train, holdout = _Chosen(MAX_TRAINING_RECORDS), _Chosen(MAX_HOLDOUT_RECORDS)
    seen: set[int] = set()
    if own_holdout is not None:
        for record in _trusted(own_holdout, reject, seen):
            holdout.add(record)
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        counts.lines += 1
        try:
            record = parse_line(raw)
        except RejectedLine as problem:
            counts.rejected += 1
            if isinstance(problem, DamagedLine):
                counts.damaged += 1
                counts.first_damage = counts.first_damage or f"line {number}: {problem}"
            reject({"line": number, "reason": str(problem)})
            continue
        identity = int(record.id, 16)
        if identity in seen:
            counts.duplicates += 1
            continue
        seen.add(identity)
        side = holdout if own_holdout is None and record.split_position < HOLDOUT_SHARE else train
        if not side.add(record):
            counts.not_chosen += 1
    return Dataset(train.in_order(), holdout.in_order(), counts, own_holdout=own_holdout is not None)


def _trusted(lines: Iterable[bytes], reject: Callable[[dict[str, Any]], None], seen: set[int]) -> Iterator[Record]:
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        try:
            record = parse_line(raw)
            if record.golden is None:
                raise RejectedLine("a line of holdout.jsonl must end with the trusted answer as assistant message")
        except RejectedLine as problem:
            reject({"file": "holdout.jsonl", "line": number, "reason": str(problem)})
            continue
        if int(record.id, 16) not in seen:
            seen.add(int(record.id, 16))
            yield record


def shards(records: list[Record], kind: str) -> dict[str, list[Record]]:
    """Group records by ranges of partitions, so that a shard's records are the same in a grown file.

    Parameters
    ----------
    records : list of Record
    kind : {"teacher", "holdout"}
        Decides how many records a shard may have.

    Returns
    -------
    dict of str to list of Record
        ``"<first>-<last partition>"`` (two digits each) to records; empty shards are left out.
    """
    wanted = max(1, -(-len(records) // RECORDS_A_SHARD[kind]))
    width = max(1, PARTITIONS // wanted)
    grouped: dict[str, list[Record]] = {}
    for first in range(0, PARTITIONS, width):
        last = min(first + width, PARTITIONS) - 1
        members = [record for record in records if first <= record.partition <= last]
        if members:
            grouped[f"{first:02d}-{last:02d}"] = members
    return grouped


def to_json_lines(records: Iterable[Record]) -> bytes:
    """Write records as JSON Lines."""
    return "".join(itertools.chain.from_iterable((record.to_json(), "\n") for record in records)).encode()


def from_json_lines(text: bytes) -> list[Record]:
    """Read what :func:`to_json_lines` wrote."""
    return [Record.from_json(line) for line in text.splitlines()]


def rejection_line(rejection: dict[str, Any]) -> bytes:
    """Write one line of ``rejected.jsonl``."""
    return (json.dumps(rejection, ensure_ascii=False, sort_keys=True) + "\n").encode()
