"""What a person is shown: the conversation, and two answers without names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.domain.dataset.records import Record
from lambdas.domain.evaluation.labels import AnswerPair
from lambdas.domain.run_files import RunFiles
from lambdas.gateways.aws.storage import Bucket


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """One record with its answers, in the order in which they are shown.

    Attributes
    ----------
    pair : AnswerPair
    turns : list of (str, str)
        Who says what, up to the question; a system text of the record's own comes first.
    """

    pair: AnswerPair
    turns: list[tuple[str, str]]

    @property
    def answers(self) -> tuple[str, str]:
        """The first and the second answer."""
        pair = self.pair
        return (pair.student, pair.reference) if pair.student_first else (pair.reference, pair.student)

    def to_document(self) -> dict[str, Any]:
        """Give it as the page takes it."""
        first, second = self.answers
        return {
            "record_id": self.pair.record_id,
            "answers": self.pair.answers,
            "turns": [{"who": who, "text": text} for who, text in self.turns],
            "first": first,
            "second": second,
        }


def questions(runs: Bucket, files: RunFiles, pairs: Sequence[AnswerPair]) -> list[ShownRecord]:
    """Read what was asked.

    Parameters
    ----------
    runs : Bucket
    files : RunFiles
    pairs : sequence of AnswerPair
        In the order of the run.
    """
    wanted = {pair.record_id for pair in pairs}
    found: dict[str, list[tuple[str, str]]] = {}
    for line in runs.lines(files.dataset("holdout.jsonl")):
        record = Record.from_json(line)
        if record.id in wanted:
            system = [("system", record.system)] if record.system else []
            found[record.id] = [*system, *((turn.role, turn.text) for turn in record.turns)]
    return [ShownRecord(pair, found.get(pair.record_id, [])) for pair in pairs]
