"""What a person has scored until now: kept on this machine after each record, until it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.errors import CHECK_FAILED, CliError
from lambdas.domain.evaluation.judge import HIGHEST, LOWEST
from lambdas.domain.evaluation.labels import AnswerPair, Label

FOLDER = Path(".local") / "labels"
VERSION = 1


@dataclass
class Scores:
    """One person's scores of one run, as first and second answer: who is who is nobody's business before they count.

    Attributes
    ----------
    sent : int
        How many of the records in the order of the run were sent from here.
    by_record : dict
        Scores of the first and the second answer, and the hash of both.
    """

    run_id: str
    sent: int = 0
    by_record: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, run_id: str, folder: Path = FOLDER) -> Scores:
        """Read what was scored on this machine.

        Raises
        ------
        CliError
            When the file is damaged.
        """
        path = folder / f"{run_id}.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            found = cls(run_id, int(document["sent"]))
            found.take(document)
        except FileNotFoundError:
            return cls(run_id)
        except (OSError, ValueError, KeyError, TypeError) as problem:
            message = f"{path} cannot be read ({problem}). Delete it to score anew; what was sent is kept with the run."
            raise CliError(message, CHECK_FAILED) from None
        return found

    def take(self, document: Mapping[str, Any]) -> None:
        """Take over what a file says.

        Raises
        ------
        ValueError, KeyError, TypeError
            When it is not of the form.
        """
        if document["version"] != VERSION or document["run_id"] != self.run_id:
            raise ValueError(f"it is of run {document['run_id']}, version {document['version']}")
        for one in document["scores"]:
            first, second = one["first"], one["second"]
            if not all(type(score) is int and LOWEST <= score <= HIGHEST for score in (first, second)):
                raise ValueError(f"a score is a whole number from {LOWEST} to {HIGHEST}")
            self.by_record[str(one["record_id"])] = (str(one["answers"]), first, second)

    def add(self, pair: AnswerPair, first: int, second: int, folder: Path = FOLDER) -> None:
        """Keep the scores of a record at once."""
        self.by_record[pair.record_id] = (pair.answers, first, second)
        self.write(folder)

    def has(self, pair: AnswerPair) -> bool:
        """Tell whether these very answers were scored."""
        return self.by_record.get(pair.record_id, ("",))[0] == pair.answers

    def labels(self, pairs: Iterable[AnswerPair]) -> list[Label]:
        """Give the labels of the first records that were scored, without a gap between them."""
        found = []
        for pair in pairs:
            if not self.has(pair):
                break
            _, first, second = self.by_record[pair.record_id]
            student, reference = (first, second) if pair.student_first else (second, first)
            found.append(Label(pair.record_id, pair.answers, student, reference))
        return found

    def write(self, folder: Path = FOLDER) -> None:
        """Keep them, readable by this person alone."""
        scores = [
            {"record_id": record, "answers": answers, "first": first, "second": second}
            for record, (answers, first, second) in self.by_record.items()
        ]
        document = {"version": VERSION, "run_id": self.run_id, "sent": self.sent, "scores": scores}
        path = folder / f"{self.run_id}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.touch(mode=0o600)
            part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            part.replace(path)
        except OSError as problem:
            raise CliError(f"{path} cannot be written: {problem.strerror}. Call from another folder.") from None


def read_export(path: Path, scores: Scores) -> None:
    """Take over what a page exported.

    Raises
    ------
    CliError
        When it is not such a file, or another run's.
    """
    try:
        scores.take(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as problem:
        message = (
            f"{path} is not what the page of run '{scores.run_id}' exports ({problem}). Nothing was sent: export "
            "again, and import the file as it is."
        )
        raise CliError(message, CHECK_FAILED) from None
