"""Say what a run would make of prompts, without AWS and by the pipeline's own rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import NOT_SO, USAGE, CliError
from lambdas.domain.datasets import Dataset, DatasetCounts, build_dataset
from lambdas.domain.errors import DatasetRefused, InvalidTaskDefinition, InvalidUpload
from lambdas.domain.line_reader import read_lines
from lambdas.domain.sizes import check_damage, check_minimum, size_warnings
from lambdas.domain.task_definition import TaskDefinition

SHOWN_PROBLEMS = 20
"""Most rejected lines that are shown to a person; ``--json`` gives all of them."""


@dataclass(frozen=True)
class Validation:
    """What was found in the files, which are read one after the other as one upload.

    ``refusal`` says why a run would stop; ``None`` when the prompts can be used.
    """

    dataset: Dataset
    problems: list[dict[str, Any]]
    refusal: str | None
    warnings: list[str]

    def to_document(self) -> dict[str, Any]:
        """Give what ``--json`` prints; ``usable`` counts the distinct prompts that are left."""
        summary, counts = self.dataset.summary(), self.dataset.counts
        same = {name: summary[name] for name in ("lines", "rejected", "duplicates", "damaged", "train", "holdout")}
        usable = counts.lines - counts.rejected - counts.duplicates
        return {**same, "usable": usable, "problems": self.problems, "warnings": self.warnings, "refusal": self.refusal}

    def to_lines(self) -> Iterator[str]:
        """Say the same to a person, with the first problems only."""
        found = self.to_document()
        for problem in self.problems:
            file = f"{problem['file']} " if "file" in problem else ""
            yield f"{file}line {problem['line']}: {problem['reason']}"
        if found["rejected"] > len(self.problems):
            yield f"… and {found['rejected'] - len(self.problems)} more; --json gives all of them"
        yield (
            f"{found['lines']} lines: {found['usable']} distinct usable prompts ({found['train']} to train, "
            f"{found['holdout']} held out), {found['rejected']} rejected, {found['duplicates']} duplicates"
        )
        for warning in self.warnings:
            yield f"Warning: {warning}"
        yield f"Not usable: {self.refusal}" if self.refusal else "Usable."


def validate_files(files: tuple[Path, ...], task_file: Path | None, keep: int | None = None) -> Validation:
    """Check prompts as one upload.

    Parameters
    ----------
    files : tuple of Path
        JSON Lines, plain or gzip.
    task_file : Path, optional
        ``task.json``; without it, the defaults.

    keep : int, optional
        Most rejected lines that are kept; without it, all.

    Raises
    ------
    CliError
        When a file cannot be read (exit code 2), or the task file is no usable ``task.json`` (exit code 1).
    """
    task = _task(task_file)
    reading = _Reading(files, keep)
    dataset = Dataset([], [], DatasetCounts())
    try:
        dataset = build_dataset(reading.lines(), reading.reject, task=task)
        check_damage(dataset)
        check_minimum(dataset)
    except (InvalidUpload, DatasetRefused) as problem:
        return Validation(dataset, reading.problems, str(problem), dataset.warnings())
    return Validation(dataset, reading.problems, None, [*dataset.warnings(), *size_warnings(dataset, task)])


class _Reading:
    """The lines of several files in turn; knows in which one a rejected line stands."""

    def __init__(self, files: tuple[Path, ...], keep: int | None) -> None:
        self._files, self._keep = files, keep
        self._file, self._before, self._given = files[0], 0, 0
        self.problems: list[dict[str, Any]] = []

    def lines(self) -> Iterator[bytes]:
        for file in self._files:
            self._file, self._before = file, self._given
            with _unreadable_explained(file), file.open("rb") as stream:
                for line in read_lines(stream):
                    self._given += 1
                    yield line

    def reject(self, rejection: dict[str, Any]) -> None:
        if self._keep is not None and len(self.problems) >= self._keep:
            return
        found = {**rejection, "line": rejection["line"] - self._before}
        self.problems.append({"file": str(self._file), **found} if len(self._files) > 1 else found)


def _task(file: Path | None) -> TaskDefinition:
    if file is None:
        return TaskDefinition.default()
    with _unreadable_explained(file):
        return TaskDefinition.from_text(file.read_bytes())


@contextmanager
def _unreadable_explained(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise CliError(f"{file} cannot be read: {problem.strerror}", USAGE) from None
    except InvalidUpload as problem:
        raise InvalidUpload(f"{file}: {problem}") from None
    except InvalidTaskDefinition as problem:
        raise CliError(f"{file}: {problem}", NOT_SO) from None
