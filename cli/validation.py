"""Say what a run would make of prompts, without AWS and by the pipeline's own rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import CHECK_FAILED, USAGE_ERROR, CliError
from cli.estimation import assumed_evaluation_usd
from cli.submission import only_prompts
from cli.task_folder import TaskFolder
from lambdas.domain.costs.holdout_plan import holdout_plan
from lambdas.domain.dataset.builder import Dataset, DatasetCounts, build_dataset
from lambdas.domain.dataset.instruction import instruction_warnings
from lambdas.domain.dataset.line_reader import read_lines
from lambdas.domain.errors import CeilingExceeded, DatasetRefused, InvalidTaskDefinition, InvalidUpload, SecretsFound
from lambdas.domain.evaluation.dataset_checks import (
    check_damage,
    check_minimum,
    check_secrets,
    left_out,
    size_warnings,
    usable_prompts,
)
from lambdas.domain.evaluation.planned_holdout import planned_split
from lambdas.domain.task.ceilings import check_ceilings
from lambdas.domain.task.sample_bounds import COMMON_STUDENT, sample_bounds
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.training.label_modes import check_source

if TYPE_CHECKING:
    from lambdas.domain.task.settings import Settings

SHOWN_PROBLEMS = 20
"""Most rejected lines that are shown to a person; ``--json`` gives all of them."""


ONCE_RUN = "with the first model of each list; a task that has run is planned with what its last run measured"

_SAME = (
    "lines",
    "rejected",
    "damaged",
    "secrets",
    "secrets_allowed",
    "duplicates",
    "leaked",
    "near_duplicates",
    "train",
    "train_groups",
    "golden",
    "holdout",
    "holdout_groups",
    "holdout_file",
    "advice",
)
"""Keys that ``--json`` has in common with ``dataset.json``."""


@dataclass(frozen=True)
class Validation:
    """What was found in the files, which are read one after the other as one upload.

    ``refusal`` says why a run would stop; ``None`` when the prompts can be used.
    """

    dataset: Dataset
    problems: list[dict[str, Any]]
    refusal: str | None
    warnings: list[str]
    task: TaskDefinition
    evaluation_usd: float | None = None

    @property
    def holdout_plan(self) -> dict[str, Any]:
        """What the holdout can show, how many records the whole gate needs, and what their evaluation costs."""
        dataset = self.dataset
        prompts = None if dataset.own_holdout else len(dataset.train) + len(dataset.holdout)
        return holdout_plan(dataset.holdout, self.task, self.evaluation_usd, prompts=prompts)

    def to_document(self) -> dict[str, Any]:
        """Give what ``--json`` prints; ``usable`` counts the distinct prompts that are left."""
        summary = self.dataset.summary()
        return {
            **{name: summary[name] for name in _SAME},
            "usable": usable_prompts(self.dataset.counts),
            "problems": self.problems,
            "warnings": self.warnings,
            "holdout_plan": self.holdout_plan if self.dataset.holdout else None,
            "refusal": self.refusal,
        }

    def to_lines(self) -> Iterator[str]:
        """Say the same to a person, with the first problems only."""
        counts, holdout = self.dataset.counts, self.dataset.holdout_counts
        for problem in self.problems:
            file = f"{problem['file']} " if "file" in problem else ""
            yield f"{file}line {problem['line']}: {problem['reason']}"
        rejected = self.dataset.total("rejected")
        if rejected > len(self.problems):
            yield f"… and {rejected - len(self.problems)} more; --json gives all of them"
        yield (
            f"{counts.lines} lines: {usable_prompts(counts)} distinct usable prompts ({len(self.dataset.train)} to "
            f"train, {0 if holdout else len(self.dataset.holdout)} held out), {left_out(counts)}"
        )
        if holdout is not None:
            yield f"{holdout.lines} lines in the holdout: {len(self.dataset.holdout)} to measure, {left_out(holdout)}"
        for warning in self.warnings:
            yield f"Warning: {warning}"
        if self.dataset.holdout:
            more = "'estimate' says what its evaluation costs" if self.evaluation_usd is None else ONCE_RUN
            yield f"Holdout: {self.holdout_plan['text']}; {more}"
        for advice in self.dataset.advice():
            yield f"Advice: {advice}"
        yield f"Not usable: {self.refusal}" if self.refusal else "Usable."


def validate_folder(folder: Path, keep: int | None = None, *, settings: Settings | None = None) -> Validation:
    """Check a task's folder as ``submit`` will before it uploads it; the parameters are those of `validate_files`.

    Raises
    ------
    CliError
        When it holds no prompts or several files of them, or a file beside them cannot be used.
    """
    try:
        beside = TaskFolder.checked(folder)
        waiting = beside.check_calibration()
    except InvalidUpload as problem:
        raise CliError(f"{folder}: {problem}", CHECK_FAILED) from None
    except OSError as problem:
        raise CliError(f"{problem.filename} cannot be read: {problem.strerror}", USAGE_ERROR) from None
    found = validate_files((only_prompts(folder),), beside.task_file, beside.holdout_file, keep, settings=settings)
    return replace(found, warnings=[*found.warnings, *waiting])


def validate_files(
    files: tuple[Path, ...],
    task_file: Path | None,
    holdout_file: Path | None = None,
    keep: int | None = None,
    *,
    settings: Settings | None = None,
) -> Validation:
    """Check prompts as one upload.

    Parameters
    ----------
    files : tuple of Path
        JSON Lines, plain or gzip.
    task_file : Path, optional
        ``task.json``; without it, the defaults.
    holdout_file : Path, optional
        The task's own ``holdout.jsonl``, which takes the place of the split.
    keep : int, optional
        Most rejected lines that are kept; without it, all.
    settings : Settings, optional
        Of the environment, which bound what the task may ask for; without them that is not checked, and said.

    Raises
    ------
    CliError
        When a file cannot be read (exit code 2), or the task file is not a usable ``task.json`` (exit code 1).
    """
    task = _task(task_file)
    reading = _Reading(files, holdout_file, keep)
    dataset = Dataset([], [], DatasetCounts())
    bounds = sample_bounds(COMMON_STUDENT, task.training)
    try:
        dataset = build_dataset(
            reading.lines(),
            reading.reject,
            own_holdout=reading.trusted(),
            task=task,
            place=reading.place,
            most=bounds.most,
            holdout_groups=planned_split(task).records,
        )
        check_damage(dataset)
        check_secrets(dataset, task)
        check_minimum(dataset, bounds.least)
        if settings is not None:
            check_ceilings(task, settings)
    except (InvalidUpload, SecretsFound, DatasetRefused, CeilingExceeded) as problem:
        return Validation(dataset, reading.problems, str(problem), dataset.warnings(), task)
    warnings = [
        *dataset.warnings(),
        *size_warnings(dataset, task, bounds.least),
        *instruction_warnings(task, [*dataset.train, *dataset.holdout]),
    ]
    if settings is None and task_file is not None:
        warnings.append("what the environment allows was not checked: this folder has no settings of it")
    usd = None if settings is None else assumed_evaluation_usd(dataset, task, settings)
    return Validation(dataset, reading.problems, None, warnings, task, usd)


class _Reading:
    """The lines of several files in turn; knows in which one a rejected line stands."""

    def __init__(self, files: tuple[Path, ...], holdout: Path | None, keep: int | None) -> None:
        self._files, self._holdout, self._keep = files, holdout, keep
        self._file, self._before, self._given = files[0], 0, 0
        self.problems: list[dict[str, Any]] = []

    def lines(self) -> Iterator[bytes]:
        for file in self._files:
            self._file, self._before = file, self._given
            for line in _lines_of(file):
                self._given += 1
                yield line

    def place(self, number: int) -> str:
        line = f"line {number - self._before}"
        return f"{self._file} {line}" if len(self._files) > 1 else line

    def trusted(self) -> Iterator[bytes] | None:
        return None if self._holdout is None else _lines_of(self._holdout)

    def reject(self, rejection: dict[str, Any]) -> None:
        if self._keep is not None and len(self.problems) >= self._keep:
            return
        if "file" in rejection:
            found = {**rejection, "file": str(self._holdout)}
        else:
            found = {**rejection, "line": rejection["line"] - self._before}
            if len(self._files) > 1 or self._holdout is not None:
                found = {"file": str(self._file), **found}
        self.problems.append(found)


def _lines_of(file: Path) -> Iterator[bytes]:
    with _unreadable_explained(file), file.open("rb") as stream:
        yield from read_lines(stream)


def _task(file: Path | None) -> TaskDefinition:
    if file is None:
        return TaskDefinition.default()
    with _unreadable_explained(file):
        task = TaskDefinition.from_text(file.read_bytes())
        check_source(task, from_logs=False)
        return task


@contextmanager
def _unreadable_explained(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise CliError(f"{file} cannot be read: {problem.strerror}", USAGE_ERROR) from None
    except InvalidUpload as problem:
        raise InvalidUpload(f"{file}: {problem}") from None
    except InvalidTaskDefinition as problem:
        raise CliError(f"{file}: {problem}", CHECK_FAILED) from None
