"""Turn uploaded lines into training set, holdout and rejected lines: the same for the same prompts in any order."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lambdas.domain.dataset.line_errors import DamagedLine, RejectedLine, SecretLine
from lambdas.domain.dataset.near_duplicates import count_groups, independent_groups, keep_apart
from lambdas.domain.dataset.records import MISSPELT_VERSION, SCHEMA_VERSION, Record, RecordParser
from lambdas.domain.dataset.sampling import CHOICE_RULE, Choice, FirstGroups
from lambdas.domain.task.sample_bounds import MOST_DISTILLED, MOST_HELD_OUT
from lambdas.domain.task.task_definition import TaskDefinition

SPLIT_RULE = (
    "v4: SHA-256 of the record's group (its own, of logs the conversation, else the normalised text that the student "
    "sees); the first groups, as many as the gate's power asks for, below a third; near-duplicates of held-out records "
    "leave the training"
)

MAX_HOLDOUT_RECORDS = 10_000
"""Most records that an evaluation pays for; far beyond what the default margin needs."""

CURATED_ANSWERS = 10
"""Golden answers that are enough to steer a distillation (Nova user guide, prepare data for distillation)."""

ROOM_FOR_NEAR_DUPLICATES = 2
"""So many times the planned groups are held out at most, where some of them are near-duplicates of each other."""

FEW_GROUPS = 0.9
"""Groups for each held-out record below which a person is told of it."""

LARGE_GROUP = 0.2
"""Share of the records in one group above which a person is told of it: as much as the holdout is."""

SHOWN_SECRETS = 20
"""Most lines with a secret that a message names; ``rejected.jsonl`` names all of them."""


@dataclass(slots=True)
class DatasetCounts:
    """What became of a file's lines.

    ``lines`` = records + rejected + duplicates + leaked + near_duplicates + not_chosen.

    Attributes
    ----------
    damaged : int
        Rejected lines that are not valid UTF-8 or JSON; ``first_damage`` says where and why, ``first_rejected`` does of
        any rejected line.
    secrets : int
        Rejected lines that hold what looks like a secret; ``first_secrets`` says of some where and of what kind.
    secrets_allowed : int
        Usable lines that hold what looks like a secret, because the task allows it.
    leaked : int
        Lines whose question, or whose group, is in the task's own holdout: they are kept out of the training.
    near_duplicates : int
        Records that leave the training because a held-out one differs from them in numbers, ids or days alone, or is of
        the same conversation.
    misspelt_versions : int
        Usable lines with the ``schemaVersion`` that a page of the Bedrock user guide misspells.
    other_case : int
        Usable lines with a reserved word but for the case of its letters; ``other_case_word`` is the first.
    """

    lines: int = 0
    rejected: int = 0
    damaged: int = 0
    first_damage: str = ""
    first_rejected: str = ""
    secrets: int = 0
    first_secrets: list[str] = field(default_factory=list)
    secrets_allowed: int = 0
    duplicates: int = 0
    leaked: int = 0
    near_duplicates: int = 0
    not_chosen: int = 0
    misspelt_versions: int = 0
    other_case: int = 0
    other_case_word: str = ""

    def reject(self, where: str, problem: RejectedLine) -> None:
        """Count a line that is not used."""
        self.rejected += 1
        self.first_rejected = self.first_rejected or f"{where}: {problem}"
        if isinstance(problem, DamagedLine):
            self.damaged += 1
            self.first_damage = self.first_damage or f"{where}: {problem}"
        elif isinstance(problem, SecretLine):
            self.secrets += 1
            if len(self.first_secrets) < SHOWN_SECRETS:
                self.first_secrets.append(f"{where} ({', '.join(problem.kinds)})")


@dataclass(slots=True)
class Dataset:
    """Records in the order of their ids, which is independent of the order in the file.

    ``counts`` are those of the prompts, ``holdout_counts`` those of the task's own ``holdout.jsonl``, if there is one.
    ``sha256`` names what was read and written, for example ``{"train.jsonl": "9f86…"}``. ``logs`` counts what became of
    the entries, and ``logged_answers`` are the lines of that file, where the prompts come from invocation logs.
    """

    train: list[Record]
    holdout: list[Record]
    counts: DatasetCounts
    holdout_counts: DatasetCounts | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    logs: dict[str, Any] | None = None
    logged_answers: bytes | None = None

    @property
    def own_holdout(self) -> bool:
        """Whether the task's own holdout.jsonl takes the place of the split."""
        return self.holdout_counts is not None

    def total(self, count: str) -> int:
        """Add up a count of the prompts and of the task's own holdout."""
        found: int = sum(getattr(counts, count) for counts in (self.counts, self.holdout_counts) if counts)
        return found

    @property
    def golden(self) -> int:
        """Training records that came with an answer."""
        return sum(record.golden is not None for record in self.train)

    def summary(self) -> dict[str, Any]:
        """Give ``dataset.json``: counts, hashes, and the rules by which it was made."""
        return {
            "lines": self.counts.lines,
            "rejected": self.counts.rejected,
            "damaged": self.counts.damaged,
            "duplicates": self.counts.duplicates,
            "leaked": self.counts.leaked,
            "near_duplicates": self.counts.near_duplicates,
            "secrets": self.counts.secrets,
            "secrets_allowed": self.counts.secrets_allowed,
            "not_chosen": self.counts.not_chosen,
            "train": len(self.train),
            "golden": self.golden,
            "holdout": len(self.holdout),
            "train_groups": count_groups(self.train),
            "holdout_groups": count_groups(self.holdout),
            "own_holdout": self.own_holdout,
            "holdout_file": self._holdout_file(),
            "split_rule": "the task's own holdout.jsonl" if self.own_holdout else SPLIT_RULE,
            "choice_rule": CHOICE_RULE,
            "warnings": self.warnings(),
            "advice": self.advice(),
            "sha256": self.sha256,
            **({} if self.logs is None else {"logs": self.logs}),
        }

    def warnings(self) -> list[str]:
        """Say what was accepted and should still be mended, and what was left out without being wrong."""
        counts, found = self.counts, []
        if counts.misspelt_versions:
            found.append(
                f'{counts.misspelt_versions} usable lines have the schemaVersion "{MISSPELT_VERSION}"; '
                f'it is "{SCHEMA_VERSION}"'
            )
        if self.total("other_case"):
            word = counts.other_case_word or (self.holdout_counts or counts).other_case_word
            found.append(
                f"{self.total('other_case')} usable lines hold a reserved word in another case, first '{word}'; "
                "Bedrock names these words in one case, and nobody says whether it compares case: write them "
                "otherwise, for example with a space before the colon, to be sure"
            )
        if counts.leaked:
            found.append(
                f"{counts.leaked} lines ask what holdout.jsonl asks, or are in a group with it; they are kept out "
                "of the training, because a student that has seen the question proves nothing"
            )
        if counts.near_duplicates:
            found.append(
                f"{counts.near_duplicates} records are kept out of the training because a held-out record differs from "
                "them in numbers, ids or days alone, or continues the same conversation: the student would be asked "
                "what it was taught"
            )
        found += self._group_warnings()
        groups = count_groups(self.holdout)
        if groups < FEW_GROUPS * len(self.holdout):
            found.append(
                f"{len(self.holdout)} held-out records are {groups} groups of records that are not independent of each "
                "other; they prove about as much as so many records"
            )
        if self.holdout_counts is not None:
            found += self._holdout_warnings(self.holdout_counts)
        if self.total("secrets"):
            found.append(f"{self.total('secrets')} lines are left out because they hold what looks like a secret")
        if self.total("secrets_allowed"):
            found.append(
                f"{self.total('secrets_allowed')} usable lines hold what looks like a secret; 'secrets' of task.json "
                "allows it, so models, answers and the report may repeat it"
            )
        return found

    def advice(self) -> list[str]:
        """Say what the golden answers are good for, as Bedrock's guides advise (see docs/data.md)."""
        train, golden = len(self.train), self.golden
        if not train:
            return []
        if golden:
            said = (
                f"{golden} of {train} training records bring a golden answer, which goes before the teacher's. Keep "
                "those that are right or nearly so; take poor ones out, and the teacher answers instead"
            )
        else:
            said = (
                f"none of the {train} training records brings a golden answer; about {CURATED_ANSWERS} that a person "
                "has checked are enough to steer the teacher"
            )
        return [said]

    def _group_warnings(self) -> list[str]:
        """Say where one group is so large that the side on which it lies decides about the whole split."""
        sizes = Counter(record.place for record in (*self.train, *self.holdout) if record.group is not None)
        (_, largest), *_ = sizes.most_common(1) or [(0, 0)]
        records = len(self.train) + len(self.holdout)
        if largest <= LARGE_GROUP * records:
            return []
        cure = (
            "calls whose first turns are equal, such as greetings, are one conversation unless --conversation names "
            "the request metadata that tells them apart"
            if self.logs is not None
            else "give 'group' to what really belongs together, such as one conversation or one customer"
        )
        return [f"{largest} of {records} records are one group, which lies on one side of the split: {cure}"]

    @staticmethod
    def _holdout_warnings(counts: DatasetCounts) -> list[str]:
        left_out = {
            "rejected": counts.rejected,
            "merged as duplicates": counts.duplicates,
            f"beyond the {MAX_HOLDOUT_RECORDS} that an evaluation pays for": counts.not_chosen,
        }
        named = ", ".join(f"{number} {what}" for what, number in left_out.items() if number)
        return [f"{counts.lines} lines of holdout.jsonl: {named}"] if named else []

    def _holdout_file(self) -> dict[str, int] | None:
        counts = self.holdout_counts
        if counts is None:
            return None
        names = ("lines", "rejected", "damaged", "secrets", "secrets_allowed", "duplicates", "not_chosen")
        return {name: getattr(counts, name) for name in names}


def build_dataset(
    lines: Iterable[bytes],
    reject: Callable[[dict[str, Any]], None],
    *,
    own_holdout: Iterable[bytes] | None = None,
    task: TaskDefinition | None = None,
    place: Callable[[int], str] = "line {}".format,
    most: int = MOST_DISTILLED,
    holdout_groups: int | None = None,
) -> Dataset:
    """Validate, merge duplicates and split, in one pass.

    Parameters
    ----------
    lines : iterable of bytes
        What :func:`~lambdas.domain.dataset.line_reader.read_lines` yields.
    reject : callable
        Called with ``{"line", "reason"}`` (and ``"file"`` for the holdout file) for every line that is not used.
    own_holdout : iterable of bytes, optional
        The user's ``holdout.jsonl`` with trusted answers: it replaces the split.
    task : TaskDefinition, optional
        Its schema and the student's prompt decide on golden answers and on length, ``secrets`` on lines with one.
    place : callable, optional
        Names the line of a number, which has just been read, for a person.
    most : int
        Most training records; of more a stable choice is taken.
    holdout_groups : int, optional
        Hold out so many groups that are independent of each other, the first ones by their hash; at most
        :data:`MOST_HELD_OUT` of all, which is what is held out without it. As the file grows no record that was trained
        on is held out later.

    Returns
    -------
    Dataset
    """
    builder = _Builder(reject, task or TaskDefinition.default(), place, most)
    with _no_search_for_cycles():
        if own_holdout is not None:
            builder.take_trusted(own_holdout)
        builder.take(lines, MOST_HELD_OUT if own_holdout is None else 0.0, holdout_groups)
        return builder.dataset()


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Keep Python from searching the records for cycles, of which they have none, again and again as they get more."""
    searches = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searches:
            gc.enable()


class _Builder:
    def __init__(
        self, reject: Callable[[dict[str, Any]], None], task: TaskDefinition, place: Callable[[int], str], most: int
    ) -> None:
        self._reject, self._place = reject, place
        self._rules = (task.output_schema, task.student_system_prompt, task.secrets == "allow", task.max_answer_tokens)
        self._own_system = not task.student_system_prompt
        self._counts = DatasetCounts()
        self._holdout_counts: DatasetCounts | None = None
        self._train, self._holdout = Choice(most), Choice(MAX_HOLDOUT_RECORDS)
        self._seen: set[int] = set()
        self._trusted: set[int] = set()
        self._trusted_groups: set[int] = set()

    def take(self, lines: Iterable[bytes], holdout_share: float, groups: int | None = None) -> None:
        if not groups or not holdout_share:
            self._split(lines, int(holdout_share * 2**64), None)
            return
        first = FirstGroups(ROOM_FOR_NEAR_DUPLICATES * groups, MAX_HOLDOUT_RECORDS, self._train.add)
        self._split(lines, int(holdout_share * 2**64), first)
        first.shorten(independent_groups(first.kept(), groups, own_system=self._own_system))
        for record in first.kept():
            self._holdout.add(record)

    def _split(self, lines: Iterable[bytes], limit: int, first: FirstGroups | None) -> None:
        hold_out = first.add if first else self._holdout.add
        parser, counts, trusted = RecordParser(*self._rules), self._counts, self._trusted
        parse, seen, remember = parser.parse, self._seen, self._seen.add
        train, trusted_groups = self._train.add, self._trusted_groups
        lines_read = duplicates = known = 0
        for number, raw in enumerate(lines, start=1):
            if not raw or raw.isspace():
                continue
            lines_read += 1
            try:
                record = parse(raw)
            except RejectedLine as problem:
                counts.reject(self._place(number), problem)
                self._reject({"line": number, "reason": str(problem)})
                continue
            identity, _, _, _, _, group = record
            if trusted and (identity in trusted or group in trusted_groups):
                counts.leaked += 1
                continue
            remember(identity)
            if len(seen) == known:  # asked of its size, the set is searched once instead of twice
                duplicates += 1
                continue
            known += 1
            if (identity if group is None else group) < limit:
                hold_out(record)
                if first and first.below < limit:
                    limit = first.below
            else:
                train(record)
        counts.lines, counts.duplicates = lines_read, duplicates
        counts.misspelt_versions = parser.misspelt
        counts.secrets_allowed = parser.secrets
        counts.other_case, counts.other_case_word = parser.other_case, parser.other_case_word

    def take_trusted(self, lines: Iterable[bytes]) -> None:
        parser, counts = RecordParser(*self._rules), DatasetCounts()
        self._holdout_counts = counts
        for number, raw in enumerate(lines, start=1):
            if not raw or raw.isspace():
                continue
            counts.lines += 1
            try:
                record = parser.parse(raw)
                if record.golden is None:
                    raise RejectedLine("a line of holdout.jsonl must end with the trusted answer as assistant message")
            except RejectedLine as problem:
                counts.reject(f"holdout.jsonl line {number}", problem)
                self._reject({"file": "holdout.jsonl", "line": number, "reason": str(problem)})
                continue
            if record.identity in self._trusted:
                counts.duplicates += 1
                continue
            self._trusted.add(record.identity)
            if record.group is not None:
                self._trusted_groups.add(record.group)
            self._holdout.add(record)
        counts.misspelt_versions = parser.misspelt
        counts.secrets_allowed = parser.secrets
        counts.other_case, counts.other_case_word = parser.other_case, parser.other_case_word

    def dataset(self) -> Dataset:
        train, holdout = self._train.in_order(), self._holdout.in_order()
        if self._holdout_counts is None:
            self._counts.not_chosen = len(self._seen) - len(train) - len(holdout)
        else:
            self._counts.not_chosen = len(self._seen) - len(train)
            self._holdout_counts.not_chosen = len(self._trusted) - len(holdout)
        kept, holdout = keep_apart(train, holdout, own_system=self._own_system)
        self._counts.near_duplicates = len(train) - len(kept)
        return Dataset(kept, holdout, self._counts, self._holdout_counts)


def rejection_line(rejection: dict[str, Any]) -> bytes:
    """Write one line of ``rejected.jsonl``."""
    return (json.dumps(rejection, ensure_ascii=False, sort_keys=True) + "\n").encode()
