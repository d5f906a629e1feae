"""Turn uploaded lines into training set, holdout and rejected lines: the same for the same prompts in any order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from lambdas.domain.choice import CHOICE_RULE, Choice
from lambdas.domain.line_errors import DamagedLine, RejectedLine
from lambdas.domain.records import MISSPELT_VERSION, PARTITIONS, SCHEMA_VERSION, Record, RecordParser
from lambdas.domain.task_definition import TaskDefinition

HOLDOUT_SHARE = 0.2
"""Share of the prompts that is kept apart. Part of the split rule: changing it needs a new ``SPLIT_RULE`` version."""

SPLIT_RULE = "v1: SHA-256 of the normalised text, holdout below 0.2"

MAX_TRAINING_RECORDS = 15_000
"""Most prompts that a Nova distillation takes (Nova user guide, prepare data for distillation)."""

MAX_HOLDOUT_RECORDS = 1_000
"""Most records that an evaluation pays for; far beyond what the default margin needs."""

RECORDS_A_SHARD = {"teacher": 250, "holdout": 60}
"""Records that one Lambda answers: each stays far from the fifteen minutes that a Lambda may run."""


@dataclass(slots=True)
class DatasetCounts:
    """What became of the lines: ``lines`` = train + holdout + rejected + duplicates + not_chosen.

    ``damaged`` of the rejected lines are no text or no JSON; ``first_damage`` says where and why. ``misspelt_versions``
    of the usable ones had the ``schemaVersion`` that a page of the Bedrock user guide misspells.
    """

    lines: int = 0
    rejected: int = 0
    damaged: int = 0
    first_damage: str = ""
    duplicates: int = 0
    not_chosen: int = 0
    misspelt_versions: int = 0


@dataclass(slots=True)
class Dataset:
    """Records in the order of their ids, which is independent of the order in the file.

    ``sha256`` names what was read and written, for example ``{"train.jsonl": "9f86…"}``. ``logs`` counts what became of
    the entries, and ``logged_answers`` are the lines of that file, where the prompts come from invocation logs.
    """

    train: list[Record]
    holdout: list[Record]
    counts: DatasetCounts
    own_holdout: bool = False
    sha256: dict[str, str] = field(default_factory=dict)
    logs: dict[str, Any] | None = None
    logged_answers: bytes | None = None

    def summary(self) -> dict[str, Any]:
        """Give ``dataset.json``: counts, hashes, and the rules by which it was made."""
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
            "choice_rule": CHOICE_RULE,
            "warnings": self.warnings(),
            "sha256": self.sha256,
            **({} if self.logs is None else {"logs": self.logs}),
        }

    def warnings(self) -> list[str]:
        """Say what was accepted and should still be mended."""
        misspelt = self.counts.misspelt_versions
        if not misspelt:
            return []
        return [f'{misspelt} usable lines have the schemaVersion "{MISSPELT_VERSION}"; it is "{SCHEMA_VERSION}"']


def build_dataset(
    lines: Iterable[bytes],
    reject: Callable[[dict[str, Any]], None],
    *,
    own_holdout: Iterable[bytes] | None = None,
    task: TaskDefinition | None = None,
) -> Dataset:
    """Validate, merge duplicates and split, in one pass.

    Parameters
    ----------
    lines : iterable of bytes
        What :func:`~lambdas.domain.line_reader.read_lines` yields.
    reject : callable
        Called with ``{"line", "reason"}`` (and ``"file"`` for the holdout file) for every line that is not used.
    own_holdout : iterable of bytes, optional
        The user's ``holdout.jsonl`` with trusted answers: it replaces the split.
    task : TaskDefinition, optional
        Its schema and the student's prompt decide on golden answers and on length.

    Returns
    -------
    Dataset
    """
    builder = _Builder(reject, _parser(task))
    if own_holdout is not None:
        builder.take_trusted(own_holdout)
    builder.take(lines, HOLDOUT_SHARE if own_holdout is None else 0.0)
    return builder.dataset(own_holdout=own_holdout is not None)


def _parser(task: TaskDefinition | None) -> RecordParser:
    if task is None:
        return RecordParser()
    return RecordParser(task.output_schema, task.student_system_prompt)


class _Builder:
    def __init__(self, reject: Callable[[dict[str, Any]], None], parser: RecordParser) -> None:
        self._reject, self._parser = reject, parser
        self._counts = DatasetCounts()
        self._train, self._holdout = Choice(MAX_TRAINING_RECORDS), Choice(MAX_HOLDOUT_RECORDS)
        # A whole number of eight bytes takes half the memory of the id as text.
        self._seen: set[int] = set()

    def take(self, lines: Iterable[bytes], holdout_share: float) -> None:
        below = int(holdout_share * 2**64)
        parse, seen, remember = self._parser.parse, self._seen, self._seen.add
        train, hold_out = self._train.add, self._holdout.add
        lines_read = duplicates = 0
        for number, raw in enumerate(lines, start=1):
            if not raw or raw.isspace():
                continue
            lines_read += 1
            try:
                record = parse(raw)
            except RejectedLine as problem:
                self._rejected(number, problem)
                continue
            identity = int(record.id, 16)
            if identity in seen:
                duplicates += 1
                continue
            remember(identity)
            if identity < below:
                hold_out(record)
            else:
                train(record)
        self._counts.lines, self._counts.duplicates = lines_read, duplicates

    def take_trusted(self, lines: Iterable[bytes]) -> None:
        for number, raw in enumerate(lines, start=1):
            if not raw or raw.isspace():
                continue
            try:
                record = self._parser.parse(raw)
                if record.golden is None:
                    raise RejectedLine("a line of holdout.jsonl must end with the trusted answer as assistant message")
            except RejectedLine as problem:
                self._reject({"file": "holdout.jsonl", "line": number, "reason": str(problem)})
                continue
            identity = int(record.id, 16)
            if identity not in self._seen:
                self._seen.add(identity)
                self._holdout.add(record)

    def dataset(self, *, own_holdout: bool) -> Dataset:
        train, holdout = self._train.in_order(), self._holdout.in_order()
        self._counts.not_chosen = self._train.offered - len(train)
        if not own_holdout:
            self._counts.not_chosen += self._holdout.offered - len(holdout)
        self._counts.misspelt_versions = self._parser.misspelt
        return Dataset(train, holdout, self._counts, own_holdout=own_holdout)

    def _rejected(self, number: int, problem: RejectedLine) -> None:
        counts = self._counts
        counts.rejected += 1
        if isinstance(problem, DamagedLine):
            counts.damaged += 1
            counts.first_damage = counts.first_damage or f"line {number}: {problem}"
        self._reject({"line": number, "reason": str(problem)})


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
