"""A task's folder, checked by the pipeline's own rules before a file of it is written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import CHECK_FAILED, USAGE_ERROR, CliError
from cli.first_task.draft import Draft, cases_to_score, missing
from cli.first_task.example import Example
from cli.first_task.input_forms import Inputs, places
from cli.task_folder import CALIBRATION_FILE, HOLDOUT_FILE, TASK_FILE, check_key
from lambdas.domain.dataset.builder import Dataset, build_dataset
from lambdas.domain.dataset.line_errors import RejectedLine, SecretLine
from lambdas.domain.dataset.records import Record, RecordParser
from lambdas.domain.documents import load_schema
from lambdas.domain.errors import InvalidTaskDefinition, InvalidUpload
from lambdas.domain.evaluation.planned_holdout import planned_split
from lambdas.domain.evaluation.sample_sizes import holdout_records_needed, training_records_needed
from lambdas.domain.identity import side_file
from lambdas.domain.task.sample_bounds import MOST_HELD_OUT
from lambdas.domain.task.task_definition import TaskDefinition

PROMPTS_FILE, SCHEMA_FILE = "prompts.jsonl", "task.schema.json"
SHOWN = 5
_ROOT = Path(__file__).resolve().parents[2]


def check_free(task_dir: Path) -> None:
    """Refuse a folder that has a task already, and a name that no task can have.

    Raises
    ------
    CliError
    """
    try:
        check_key(f"{task_dir.resolve().name}/{PROMPTS_FILE}")
    except InvalidUpload as problem:
        raise CliError(f"{task_dir} cannot be a task's folder: {problem}.", USAGE_ERROR) from None
    if not task_dir.exists():
        return
    found = sorted(
        path.name
        for path in task_dir.iterdir()
        if side_file(path.name) or path.name == SCHEMA_FILE or path.name.endswith((".jsonl", ".jsonl.gz"))
    )
    if found:
        raise CliError(
            f"{task_dir} has {', '.join(found)} already, and nothing is overwritten. Name another folder; give the "
            "file there with --inputs if it holds the inputs.",
            USAGE_ERROR,
        )


@dataclass(frozen=True)
class _Usable:
    """An input, the line that is written of it, and what the pipeline makes of that."""

    example: Example
    line: str
    record: Record


@dataclass(frozen=True)
class MadeFolder:
    """A task's folder that has been checked and is not yet written."""

    path: Path
    made: Draft
    inputs: Inputs
    usable: list[Example]
    task: TaskDefinition
    task_text: str
    training: list[str]
    holdout: list[str]
    dataset: Dataset

    @classmethod
    def of(cls, path: Path, made: Draft, inputs: Inputs) -> MadeFolder:
        """Check everything as the pipeline will; what it would reject is left out.

        Raises
        ------
        CliError
            Nothing was written; with what is wrong and where.
        """
        document = made.document(_schema_address(path))
        try:
            task = TaskDefinition.from_document(document)
        except InvalidTaskDefinition as problem:
            raise CliError(f"Nothing was written. {problem}.", CHECK_FAILED) from None
        usable = _usable(inputs, made, task)
        held = _held_out(usable, task) if made.trusted else set()
        training = [one.line for at, one in enumerate(usable) if at not in held]
        holdout = [one.line for at, one in enumerate(usable) if at in held]
        own = [line.encode() for line in holdout] or None
        dataset = build_dataset(
            (line.encode() for line in training),
            _ignore,
            own_holdout=own,
            task=task,
            holdout_groups=planned_split(task).records,
        )
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        return cls(path, made, inputs, [one.example for one in usable], task, text, training, holdout, dataset)

    def files(self) -> dict[str, str]:
        """Give name and text of each file."""
        found = {TASK_FILE: self.task_text, PROMPTS_FILE: _lines(self.training)}
        if self.holdout:
            found[HOLDOUT_FILE] = _lines(self.holdout)
        found[CALIBRATION_FILE] = _lines(cases_to_score(self.usable))
        if not self._in_checkout():
            found[SCHEMA_FILE] = json.dumps(load_schema("task.schema.json"), indent=2) + "\n"
        return found

    def write(self) -> None:
        """Write the files; one that has come to be there meanwhile is left as it is.

        Raises
        ------
        CliError
        """
        written: list[Path] = []
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name, text in self.files().items():
                with (self.path / name).open("x", encoding="utf-8", newline="\n") as file:
                    written.append(self.path / name)
                    file.write(text)
        except OSError as problem:
            for path in written:  # half a folder would hinder the next try
                path.unlink(missing_ok=True)
            if isinstance(problem, FileExistsError):
                raise CliError(f"{problem.filename} exists already and was not overwritten.", CHECK_FAILED) from None
            where = problem.filename or self.path
            raise CliError(f"{where} cannot be written: {problem.strerror}.", CHECK_FAILED) from None

    def document(self) -> dict[str, Any]:
        """Give what ``--json`` prints."""
        return {
            "folder": str(self.path),
            "files": sorted(self.files()),
            "form": self.inputs.form,
            "inputs": len(self.inputs.examples),
            "unusable": self.inputs.unusable,
            "train": len(self.dataset.train),
            "holdout": len(self.dataset.holdout),
            "student_system_prompt": self.made.student_prompt,
            "missing": list(missing(self.made, self.task, self.dataset)),
        }

    def lines(self, command: str) -> Iterator[str]:
        """Say the same to a person, and what to do next."""
        inputs, dataset = self.inputs, self.dataset
        yield f"Written to {self.path}: {', '.join(self.files())}"
        yield (
            f"{len(inputs.examples)} inputs read as {inputs.form}: {len(dataset.train)} to train, "
            f"{len(dataset.holdout)} to measure"
        )
        if inputs.unusable:
            yield f"{len(inputs.unusable)} entries were left out:"
            yield from places(inputs, SHOWN)
        if self.made.student_prompt:
            yield f"Look at the short prompt of the student, which was made by rule: {self.made.student_prompt}"
        yield "For a good verdict is missing:"
        yield from (f"  - {one}" for one in missing(self.made, self.task, dataset))
        yield f"Next: {command} validate {self.path}"

    def _in_checkout(self) -> bool:
        return self.path.resolve().is_relative_to(_ROOT)


def _schema_address(path: Path) -> str:
    """Say where an editor finds the schema: in this checkout, or in a copy beside ``task.json``."""
    if path.resolve().is_relative_to(_ROOT):
        shipped = _ROOT / "lambdas" / "domain" / "schemas" / "task.schema.json"
        return Path(os.path.relpath(shipped, path.resolve())).as_posix()
    return f"./{SCHEMA_FILE}"


def _usable(inputs: Inputs, made: Draft, task: TaskDefinition) -> list[_Usable]:
    """Parse each line as the pipeline will; what it would reject is noted with its place.

    Raises
    ------
    CliError
        When lines hold what looks like a secret and nobody said what to do, or none is left.
    """
    parser = RecordParser(task.output_schema, task.student_system_prompt, task.secrets == "allow")
    found: list[_Usable] = []
    secrets: list[str] = []
    for example in inputs.examples:
        line = example.to_line(with_system=made.teacher_prompt is None, with_answer=example.answer is not None)
        try:
            found.append(_Usable(example, line, parser.parse(line.encode("utf-8", "surrogatepass"))))
        except SecretLine as problem:
            secrets.append(f"{example.place} ({', '.join(problem.kinds)})")
            inputs.unusable.append(f"{example.place}: {problem}")
        except RejectedLine as problem:
            inputs.unusable.append(f"{example.place}: {problem}")
    if secrets and task.secrets == "block":
        more = f", and {len(secrets) - SHOWN} more" if len(secrets) > SHOWN else ""
        raise CliError(
            f"Nothing was written. {len(secrets)} inputs hold what looks like a secret: {', '.join(secrets[:SHOWN])}"
            f"{more}. Revoke what is real and take it out of the file, or say --secrets drop (leave them out) or "
            "--secrets allow (they are no secrets).",
            CHECK_FAILED,
        )
    if not found:
        reasons = "\n".join(places(inputs, SHOWN))
        raise CliError(f"Nothing was written: no input can be used.\n{reasons}", CHECK_FAILED)
    return found


def _held_out(usable: Sequence[_Usable], task: TaskDefinition) -> set[int]:
    """Choose the trusted answers to measure on: what the gate needs where enough stay to train, in a stable order."""
    positions: dict[int, int] = {}
    for at, one in enumerate(usable):
        if one.example.answer:
            positions.setdefault(one.record.identity, at)
    ordered = [at for _, at in sorted(positions.items())]
    wanted = min(round(MOST_HELD_OUT * len(ordered)), planned_split(task).records)
    enough = max(wanted, holdout_records_needed(task.gate.max_quality_drop))
    stays = len(usable) - enough >= training_records_needed(task.teacher_data.max_drop_rate)
    return set(ordered[: enough if stays else wanted])


def _lines(texts: Sequence[str] | Iterator[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def _ignore(_rejection: dict[str, Any]) -> None:
    """Leave a rejection: it was told when all lines were looked at."""
